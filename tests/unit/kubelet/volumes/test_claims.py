"""Which volume a claim means, and whether the pod may use it here."""

import re

import pytest

from kubelet.volumes.claims import check_claim, check_volume, claim_name, place
from kubelet.volumes.interface import VolumeError
from wherry.api.core_v1 import Node, PersistentVolume, PersistentVolumeClaim, Pod

POD = Pod.from_wire(
    {
        "metadata": {"name": "p", "namespace": "ns", "uid": "u1"},
        "spec": {
            "volumes": [
                {"name": "v", "persistentVolumeClaim": {"claimName": "data"}},
                {"name": "e", "ephemeral": {"volumeClaimTemplate": {}}},
                {"name": "n", "emptyDir": {}},
            ]
        },
    }
)
CLAIMED, EPHEMERAL, OTHER = POD.spec.volumes
NODE = Node.from_wire({"metadata": {"name": "n1", "labels": {"kubernetes.io/hostname": "n1"}}})


def claim(phase="Bound", volume="pv", mode="Filesystem", owner="", deleted=False):
    owners = [{"kind": "Pod", "name": "p", "uid": owner, "controller": True}] if owner else []
    metadata = {"name": "data", "namespace": "ns", "uid": "c1", "ownerReferences": owners}
    if deleted:
        metadata["deletionTimestamp"] = "2026-11-21T12:00:00Z"
    return PersistentVolumeClaim.from_wire(
        {
            "metadata": metadata,
            "spec": {"volumeName": volume, "volumeMode": mode},
            "status": {"phase": phase},
        }
    )


def volume(uid="c1", host="n1", **source):
    terms = [
        {
            "matchExpressions": [
                {"key": "kubernetes.io/hostname", "operator": "In", "values": [host]}
            ]
        }
    ]
    spec = {
        "claimRef": {"uid": uid},
        "nodeAffinity": {"required": {"nodeSelectorTerms": terms}},
        **source,
    }
    return PersistentVolume.from_wire({"metadata": {"name": "pv"}, "spec": spec})


DEVICES = Pod.from_wire(
    POD.to_wire() | {
        "spec": {
            "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}],
            "containers": [{"name": "c", "volumeDevices": [{"name": "v", "devicePath": "/dev/x"}]}],
        }
    }
)  # fmt: skip
MOUNTS = Pod.from_wire(
    POD.to_wire() | {
        "spec": {
            "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}],
            "containers": [{"name": "c", "volumeMounts": [{"name": "v", "mountPath": "/x"}]}],
        }
    }
)  # fmt: skip


def test_devices_are_not_mounted_nor_folders_devices():
    assert check_claim(DEVICES, CLAIMED, claim(mode="Block")) == "pv"
    with pytest.raises(VolumeError, match="volumeMode Block, but is specified in volumeMounts"):
        check_claim(MOUNTS, CLAIMED, claim(mode="Block"))
    with pytest.raises(VolumeError, match="Filesystem, but is specified in volumeDevices"):
        check_claim(DEVICES, CLAIMED, claim())


def test_only_a_local_volume_that_is_a_device_is_given_as_one(tmp_path):
    with pytest.raises(VolumeError, match="is not a block device"):
        place(volume(volumeMode="Block", local={"path": str(tmp_path)}))
    with pytest.raises(VolumeError, match="no volume plugin matched"):
        place(volume(volumeMode="Block", hostPath={"path": str(tmp_path)}))


def test_names():
    assert [claim_name(POD, one) for one in POD.spec.volumes] == ["data", "p-e", ""]


def test_a_bound_claim_names_its_volume():
    assert check_claim(POD, CLAIMED, claim()) == "pv"
    assert check_claim(POD, EPHEMERAL, claim(owner="u1")) == "pv"


@pytest.mark.parametrize(
    ("of", "found", "said"),
    [
        pytest.param(CLAIMED, None, 'PVC ns/data: persistentvolumeclaim "data" not found', id="none"),
        pytest.param(CLAIMED, claim("Pending", ""), "PVC is not bound", id="unbound"),
        pytest.param(CLAIMED, claim(deleted=True), "PVC is being deleted", id="deleted"),
        pytest.param(EPHEMERAL, claim(owner="u2"), "(pod is not owner)", id="another's"),
    ],
)  # fmt: skip
def test_what_a_pod_waits_for(of, found, said):
    with pytest.raises(VolumeError, match=re.escape(said)):
        check_claim(POD, of, found)


def test_the_volume_must_be_the_claims_and_this_nodes():
    found = volume()
    assert check_volume(found, "pv", claim(), NODE) is found
    with pytest.raises(VolumeError, match='persistentvolume "pv" not found'):
        check_volume(None, "pv", claim(), NODE)
    with pytest.raises(VolumeError, match='PV "pv" is not bound to PVC ns/data'):
        check_volume(volume(uid="other"), "pv", claim(), NODE)
    with pytest.raises(VolumeError, match="no matching NodeSelectorTerms"):
        check_volume(volume(host="n2"), "pv", claim(), NODE)


def test_places(tmp_path):
    assert place(volume(local={"path": str(tmp_path)})) == tmp_path
    assert place(volume(hostPath={"path": str(tmp_path / "x")})) == tmp_path / "x"
    made = tmp_path / "made"
    assert place(volume(hostPath={"path": str(made), "type": "DirectoryOrCreate"})).is_dir()
    with pytest.raises(VolumeError, match="does not exist"):
        place(volume(local={"path": str(tmp_path / "none")}))
    with pytest.raises(VolumeError, match="no volume plugin matched"):
        place(volume(nfs={"server": "s", "path": "/"}))
