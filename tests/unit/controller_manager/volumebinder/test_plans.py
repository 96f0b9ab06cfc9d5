"""Claims and volumes find each other, and part."""

import pytest

from controller_manager.plan import Create, Delete, Emit, Patch
from controller_manager.volumebinder import local_path
from controller_manager.volumebinder.claims import Seen, plan_claim
from controller_manager.volumebinder.local_path import Left, Unfit, plan_reclaim, volume_for
from controller_manager.volumebinder.volumes import plan_volume
from tests.unit.scheduler.test_volumes import claim, storage_class, volume
from wherry.api import volume_match
from wherry.api.core_v1 import Node, PersistentVolume, PersistentVolumeClaim, Pod

NODE = Node.from_wire(
    {
        "metadata": {"name": "n1", "labels": {"kubernetes.io/hostname": "n1"}},
        "status": {"images": [{"names": ["wherry/sandbox:abc"]}]},
    }
)


def events(plan):
    return [action.reason for action in plan.actions if isinstance(action, Emit)]


def writes(plan):
    return [
        (a.model.__name__, a.subresource, a.patch) for a in plan.actions if isinstance(a, Patch)
    ]


def test_the_smallest_volume_that_will_do():
    big, small, tiny = (
        volume("big", size="9Gi"),
        volume("small", size="2Gi"),
        volume("t", size="1Mi"),
    )
    taken = volume("taken", size="1Gi", claimed="other")
    found = volume_match.find(claim(), [big, taken, small, tiny], only_reserved=False)
    assert found.metadata.name == "small"
    assert volume_match.find(claim(), [big, small], only_reserved=True) is None
    kept = volume("kept", size="9Gi", claimed="c")
    assert volume_match.find(claim(), [small, kept], only_reserved=True) is kept


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"capacity": {"storage": "1Mi"}}, "requested PV is too small"),
        ({"storageClassName": "x"}, "storageClassName does not match"),
        ({"volumeMode": "Block"}, "incompatible volumeMode"),
        ({"accessModes": ["ReadOnlyMany"]}, "incompatible accessMode"),
    ],
)
def test_why_a_volume_will_not_do(changed, why):
    tree = volume().to_wire()
    tree["spec"] |= changed
    assert volume_match.mismatch(claim(), PersistentVolume.from_wire(tree)) == why


def test_binding_is_four_writes_volume_first():
    plan = plan_claim(Seen(claim(), None, [volume()]))
    kinds = [(kind, sub) for kind, sub, _ in writes(plan)]
    assert kinds == [
        ("PersistentVolume", ""),
        ("PersistentVolume", "status"),
        ("PersistentVolumeClaim", ""),
        ("PersistentVolumeClaim", "status"),
    ]
    refer, _, name, tell = (patch for _, _, patch in writes(plan))
    assert refer["spec"]["claimRef"]["uid"] == "c"
    assert name["spec"] == {"volumeName": "v"}
    assert tell["status"]["capacity"] == {"storage": "1Gi"}


def test_half_done_work_is_finished_and_done_work_is_left():
    half = volume(claimed="c", phase="Bound")
    plan = plan_claim(Seen(claim(), None, [half]))
    assert [kind for kind, _, _ in writes(plan)] == ["PersistentVolumeClaim"] * 2
    tree = claim(volume="v").to_wire()
    tree["status"] = {
        "phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"},
    }  # fmt: skip
    done = PersistentVolumeClaim.from_wire(tree)
    assert plan_claim(Seen(done, half)).actions == ()


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        pytest.param(Seen(claim(), None, [], storage_class()), "WaitForFirstConsumer", id="waits"),
        pytest.param(
            Seen(claim(), None, [], storage_class(), ["a", "b"]), "WaitForPodScheduled",
            id="waits with pods",
        ),
        pytest.param(Seen(claim(storage_class=""), None), "FailedBinding", id="no class"),
        pytest.param(Seen(claim(), None), "ProvisioningFailed", id="unknown class"),
        pytest.param(
            Seen(claim(), None, [], storage_class(mode="Immediate")), "ExternalProvisioning",
            id="somebody else's",
        ),
        pytest.param(Seen(claim(volume="v"), None), "ClaimLost", id="lost"),
        pytest.param(Seen(claim(volume="v"), volume(claimed="d")), "ClaimMisbound", id="misbound"),
    ],
)  # fmt: skip
def test_what_a_claim_is_told(seen, reason):
    assert events(plan_claim(seen)) == [reason]


def test_our_own_provisioner_is_asked_once_the_node_is_known():
    ours = storage_class(provisioner="wherry.io/local-path")
    waiting = plan_claim(Seen(claim(), None, [], ours))
    assert not waiting.provision
    chosen = claim(**{"volume.kubernetes.io/selected-node": "n1"})
    plan = plan_claim(Seen(chosen, None, [], ours))
    assert plan.provision
    assert writes(plan)[-1][2]["metadata"]["annotations"][
        "volume.kubernetes.io/storage-provisioner"
    ]


def test_a_volume_is_free_bound_or_left():
    def phases(plan):
        return [patch["status"]["phase"] for _, sub, patch in writes(plan) if sub == "status"]

    assert phases(plan_volume(volume(phase=""), None)) == ["Available"]
    assert phases(plan_volume(volume(claimed="c"), claim(volume="v"))) == ["Bound"]
    assert plan_volume(volume(claimed="c"), claim()).actions == (), "half bound"
    left = plan_volume(volume(claimed="c"), None)
    assert (phases(left), left.reclaim) == (["Released"], False)
    other = plan_volume(volume(claimed="c"), claim(volume="another"))
    assert writes(other)[0][2]["spec"] == {"claimRef": None}


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"persistentVolumeReclaimPolicy": "Retain"}, []),
        (
            {"persistentVolumeReclaimPolicy": "Recycle"},
            [("VolumeFailedRecycle", "No recycler plugin found for the volume!")],
        ),
        (
            {"persistentVolumeReclaimPolicy": "Delete", "hostPath": {"path": "/data"}},
            [("VolumeFailedDelete", "host_path deleter only supports /tmp/.+ but received provided /data")],
        ),
        (
            {"persistentVolumeReclaimPolicy": "Delete", "nfs": {"server": "s", "path": "/"}},
            [("VolumeFailedDelete", 'error getting deleter volume plugin for volume "v": no deletable volume plugin matched')],
        ),
    ],
)  # fmt: skip
def test_a_volume_of_others_that_is_left(spec, told):
    tree = volume(claimed="c").to_wire()
    tree["spec"] |= spec
    plan = plan_volume(PersistentVolume.from_wire(tree), None)
    assert [(a.reason, a.message) for a in plan.actions if isinstance(a, Emit)] == told
    phase = writes(plan)[-1][2]["status"]["phase"]
    assert (phase, plan.reclaim) == ("Failed" if told else "Released", False)


def ours():
    chosen = claim(**{"volume.kubernetes.io/selected-node": "n1"})
    return volume_for(chosen, storage_class(provisioner="wherry.io/local-path"), NODE)


def test_a_folder_of_the_node_is_the_volume():
    made = ours()
    assert made.spec.host_path.path == "/var/lib/wherry/volumes/pvc-c_ns_c"
    assert local_path.host_of(made) == "n1"
    assert made.spec.persistent_volume_reclaim_policy == "Delete"
    assert volume_match.find(claim(), [made], only_reserved=True) is made
    assert plan_volume(made, None).reclaim


def test_what_a_folder_cannot_be():
    shared = claim().with_(spec=claim().spec.with_(access_modes=["ReadWriteMany"]))
    with pytest.raises(Unfit, match="access modes"):
        volume_for(shared, storage_class(), NODE)


def test_reclaiming_step_by_step():
    made = ours()
    [create] = plan_reclaim(Left(made, NODE, None))
    assert isinstance(create, Create)
    pod = create.object
    assert pod.spec.node_name == "n1"
    assert pod.spec.containers[0].command[-1] == "/volumes/pvc-c_ns_c"

    def ended(phase):
        return Pod.from_wire(pod.to_wire() | {"status": {"phase": phase}})

    assert plan_reclaim(Left(made, NODE, ended("Running"))) == ()
    done = plan_reclaim(Left(made, NODE, ended("Succeeded")))
    assert [type(one) for one in done] == [Delete, Delete]
    failed = plan_reclaim(Left(made, NODE, ended("Failed")))
    assert [type(one) for one in failed] == [Delete, Emit]
    assert [type(one) for one in plan_reclaim(Left(made, None, None))] == [Delete]
