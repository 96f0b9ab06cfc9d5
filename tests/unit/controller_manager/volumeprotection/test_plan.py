from __future__ import annotations

import pytest

from controller_manager.plan import NOTHING, Patch
from controller_manager.slimming import PodSlimmer
from controller_manager.volumeprotection.plan import (
    CLAIM_FINALIZER,
    CLASS_FINALIZER,
    VOLUME_FINALIZER,
    claims_of,
    plan_claim,
    plan_class,
    plan_volume,
)
from wherry.api.core_v1 import PersistentVolume, PersistentVolumeClaim, Pod
from wherry.api.storage_v1 import VolumeAttributesClass

DELETED = "2026-01-01T00:00:00Z"


def meta(finalizer: str, *, deleted: bool = True) -> dict[str, object]:
    more = {"deletionTimestamp": DELETED} if deleted else {}
    finalizers = ["other/one", finalizer]
    return {
        "name": "x",
        "namespace": "ns",
        "resourceVersion": "7",
        "finalizers": finalizers,
        **more,
    }


def claim(*, deleted: bool = True, **spec: object) -> PersistentVolumeClaim:
    tree = {"metadata": meta(CLAIM_FINALIZER, deleted=deleted), "spec": spec}
    return PersistentVolumeClaim.from_wire(tree)


def pod(node: str = "n", phase: str = "Running") -> Pod:
    volumes = [
        {"name": "a", "persistentVolumeClaim": {"claimName": "x"}},
        {"name": "b", "emptyDir": {}},
    ]
    return Pod.from_wire(
        {
            "metadata": {"name": "p", "namespace": "ns"},
            "spec": {"nodeName": node, "volumes": volumes},
            "status": {"phase": phase},
        }
    )


@pytest.mark.parametrize(
    ("user", "keys"),
    [
        pytest.param(pod(), ["ns/x"], id="running"),
        pytest.param(pod(node=""), ["ns/x"], id="not placed yet"),
        pytest.param(pod(phase="Succeeded"), [], id="ended"),
    ],
)
def test_a_pod_has_claims_to_its_end(user: Pod, keys: list[str]) -> None:
    assert claims_of(user) == keys
    assert claims_of(PodSlimmer()(user)) == keys  # as the informer keeps it


def test_a_deleted_claim_goes_when_unused() -> None:
    (action,) = plan_claim(claim(), []).actions
    assert action == Patch(
        PersistentVolumeClaim, "ns", "x",
        {"metadata": {"resourceVersion": "7", "finalizers": ["other/one"]}}, type="merge",
    )  # fmt: skip


def test_a_claim_that_is_used_or_wanted_stays() -> None:
    assert plan_claim(claim(), [pod()]) is NOTHING
    assert plan_claim(claim(), [pod(node="")]) is not NOTHING, "it is not placed yet"
    assert plan_claim(claim(deleted=False), []) is NOTHING
    assert plan_claim(None, []) is NOTHING


@pytest.mark.parametrize(("phase", "goes"), [("Bound", False), ("Released", True), ("", True)])
def test_a_volume_goes_unless_bound(phase: str, goes: bool) -> None:
    tree = {"metadata": meta(VOLUME_FINALIZER), "status": {"phase": phase}}
    assert bool(plan_volume(PersistentVolume.from_wire(tree)).actions) is goes


def test_a_class_waits_for_claims_and_volumes() -> None:
    found = VolumeAttributesClass.from_wire({"metadata": meta(CLASS_FINALIZER)})
    user = claim(volumeAttributesClassName="x")
    volume = PersistentVolume.from_wire({"spec": {"volumeAttributesClassName": "x"}})
    assert plan_class(found, [user], []) is NOTHING
    assert plan_class(found, [], [volume]) is NOTHING
    assert plan_class(found, [claim()], []).actions
