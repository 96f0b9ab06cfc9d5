"""Where pods with claims may run."""

import random

import pytest

from scheduler.algorithm import Placed, schedule
from scheduler.plugins.registry import default_profile
from scheduler.volumes import Volumes
from tests.unit.scheduler.test_algorithm import cluster, make_node, make_pod
from wherry.api.core_v1 import PersistentVolume, PersistentVolumeClaim
from wherry.api.storage_v1 import StorageClass

HOST = "kubernetes.io/hostname"


def claim(name="c", volume="", storage_class="wait", size="1Gi", **annotations):
    held = {"pv.kubernetes.io/bind-completed": "yes"} if volume else {}
    return PersistentVolumeClaim.from_wire(
        {
            "metadata": {
                "name": name, "namespace": "ns", "uid": name, "annotations": held | annotations,
            },
            "spec": {
                "volumeName": volume, "storageClassName": storage_class,
                "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}},
            },
        }
    )  # fmt: skip


def volume(name="v", host="", size="1Gi", storage_class="wait", claimed="", phase="Available"):
    spec = {
        "capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"],
        "storageClassName": storage_class,
    }  # fmt: skip
    if host:
        one = {"key": HOST, "operator": "In", "values": [host]}
        spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": [{"matchExpressions": [one]}]}}
    if claimed:
        spec["claimRef"] = {"namespace": "ns", "name": claimed, "uid": claimed}
    return PersistentVolume.from_wire(
        {"metadata": {"name": name}, "spec": spec, "status": {"phase": phase}}
    )


def storage_class(name="wait", provisioner="x/y", mode="WaitForFirstConsumer", **more):
    tree = {"metadata": {"name": name}, "provisioner": provisioner, "volumeBindingMode": mode}
    return StorageClass.from_wire(tree | more)


def view(*things):
    made = Volumes()
    for one in things:
        match one:
            case PersistentVolumeClaim():
                made.claims[f"ns/{one.metadata.name}"] = one
            case PersistentVolume():
                made.volumes[one.metadata.name] = one
            case _:
                made.classes[one.metadata.name] = one
    return made


def place(made, *claims):
    nodes = cluster(*(make_node(name, labels={HOST: name}) for name in ("n1", "n2"))).nodes()
    volumes = [{"name": n, "persistentVolumeClaim": {"claimName": n}} for n in claims]
    pod = make_pod(volumes=volumes)
    found = schedule(pod, nodes, default_profile(made), 0, random.Random(0))
    return found.node_name if isinstance(found, Placed) else found.message


def test_a_pod_goes_where_its_bound_volume_is():
    assert place(view(claim(volume="v"), volume(host="n2", claimed="c")), "c") == "n2"


def test_volumes_of_two_nodes_fit_none():
    both = (
        claim(volume="v"), volume(host="n1", claimed="c"),
        claim("d", volume="w"), volume("w", host="n2", claimed="d"),
    )  # fmt: skip
    said = place(view(*both), "c", "d")
    assert said == "0/2 nodes are available: 2 node(s) had volume node affinity conflict."


def test_a_waiting_claim_takes_a_free_volume_where_there_is_one():
    none = storage_class(provisioner="kubernetes.io/no-provisioner")
    assert place(view(claim(), none, volume(host="n2")), "c") == "n2"
    said = place(view(claim(), none, volume(host="n2", size="1Mi")), "c")
    assert "didn't find available persistent volumes to bind" in said


def test_two_claims_do_not_share_one_volume():
    none = storage_class(provisioner="kubernetes.io/no-provisioner")
    made = view(claim(), claim("d"), none, volume(host="n1"), volume("w", host="n2"))
    assert "didn't find available persistent volumes" in place(made, "c", "d")


def test_a_class_with_a_provisioner_makes_one_anywhere_it_may():
    assert place(view(claim(), storage_class()), "c") in ("n1", "n2")
    topology = [{"matchLabelExpressions": [{"key": HOST, "values": ["n2"]}]}]
    only = storage_class(allowedTopologies=topology)
    assert place(view(claim(), only), "c") == "n2"


def test_a_claim_that_is_being_made_for_a_node_keeps_to_it():
    chosen = claim(**{"volume.kubernetes.io/selected-node": "n2"})
    assert place(view(chosen, storage_class()), "c") == "n2"


@pytest.mark.parametrize(
    ("things", "said"),
    [
        pytest.param((), 'persistentvolumeclaim "c" not found', id="missing"),
        pytest.param(
            (claim(), storage_class(mode="Immediate")),
            "pod has unbound immediate PersistentVolumeClaims", id="immediate",
        ),
        pytest.param((claim(volume="v"),), "bound to non-existent pv(s)", id="lost"),
    ],
)  # fmt: skip
def test_what_a_pod_waits_for(things, said):
    assert said in place(view(*things), "c")
