"""Claims of ephemeral volumes: made once, owned by the pod, never somebody else's."""

from __future__ import annotations

import pytest

from controller_manager.ephemeralvolume.plan import plan_pod
from controller_manager.plan import Create, Emit
from controller_manager.slimming import PodSlimmer
from controller_manager.volumeprotection.plan import claims_of
from wherry.api.core_v1 import PersistentVolumeClaim, Pod


def pod(**metadata):
    template = {
        "metadata": {"labels": {"a": "1"}, "annotations": {"b": "2"}},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    volumes = [
        {"name": "plain", "emptyDir": {}},
        {"name": "scratch", "ephemeral": {"volumeClaimTemplate": template}},
        {"name": "more", "ephemeral": {"volumeClaimTemplate": template}},
    ]
    return Pod.from_wire(
        {
            "metadata": {"name": "p", "namespace": "ns", "uid": "u1", **metadata},
            "spec": {"nodeName": "n", "volumes": volumes, "containers": [{"name": "c"}]},
            "status": {"phase": "Pending"},
        }
    )


def test_each_ephemeral_volume_gets_a_claim_that_goes_with_the_pod():
    actions = plan_pod(PodSlimmer()(pod()), {}.get).actions
    assert [a.object.metadata.name for a in actions if isinstance(a, Create)] == [
        "p-scratch",
        "p-more",
    ]
    made = actions[0].object
    (owner,) = made.metadata.owner_references
    assert (owner.kind, owner.uid, owner.controller, owner.block_owner_deletion) == (
        "Pod", "u1", True, True,
    )  # fmt: skip
    assert (made.metadata.labels, made.metadata.annotations) == ({"a": "1"}, {"b": "2"})
    assert made.spec.resources.requests == {"storage": "1Gi"}


def test_carried_out_there_is_nothing_left_to_do():
    made = {a.object.metadata.name: a.object for a in plan_pod(pod(), {}.get).actions}
    assert plan_pod(pod(), made.get).actions == ()


def test_anothers_claim_is_refused_in_upstreams_words():
    stranger = PersistentVolumeClaim.from_wire(
        {"metadata": {"name": "p-scratch", "namespace": "ns"}}
    )
    (told,) = plan_pod(pod(), {"p-scratch": stranger}.get).actions
    assert isinstance(told, Emit)
    assert (told.type, told.reason) == ("Warning", "FailedBinding")
    assert told.message == (
        "ephemeral volume scratch: PVC ns/p-scratch was not created for pod ns/p (pod is not owner)"
    )


@pytest.mark.parametrize(
    "gone", [None, pod(deletionTimestamp="2026-01-01T00:00:00Z")], ids=["gone", "going"]
)
def test_nothing_for_a_pod_that_goes(gone):
    assert plan_pod(gone, {}.get).actions == ()


def test_the_claims_count_as_used_by_the_pod():
    assert claims_of(PodSlimmer()(pod())) == ["ns/p-scratch", "ns/p-more"]
