"""Where a pod's control group is, and what it may have."""

import pytest

from kubelet.pods import cgroups
from kubelet.pods.cgroups import Bounds, NodeFacts
from tests.unit.kubelet.pods.test_amounts import container, pod
from wherry.api.core_v1 import Pod
from wherry.api.meta_v1 import ObjectMeta

MIB = 1 << 20
BOTH = {"cpu": "500m", "memory": "64Mi"}


def test_parents_by_class_and_driver():
    burstable = pod(container(requests={"cpu": "1"})).with_(metadata=ObjectMeta(uid="a-b"))
    plain, systemd = NodeFacts(1, "n", cgroup_root="/lab"), NodeFacts(1, "n", "systemd")
    assert cgroups.parent(burstable, plain) == "/lab/kubepods/burstable/poda-b"
    assert cgroups.parent(burstable, systemd) == "kubepods-burstable-poda_b.slice"
    assert cgroups.all_pods(plain) == "/lab/kubepods"
    assert cgroups.all_pods(systemd, "besteffort") == "kubepods-besteffort.slice"


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        pytest.param(pod(container()), Bounds(2), id="best effort"),
        pytest.param(pod(container(requests=BOTH, limits=BOTH)), Bounds(512, 50_000, 64 * MIB), id="guaranteed"),
        pytest.param(pod(container(requests={"cpu": "1"}, limits={"memory": "64Mi"}), container("d")), Bounds(1024), id="one of two is limited"),
        pytest.param(pod(container(), resources={"limits": BOTH}), Bounds(512, 50_000, 64 * MIB), id="pod level"),
        pytest.param(pod(container(limits={"memory": "1Mi"})), Bounds(2, 0, 6 * MIB), id="less than an engine takes"),
    ],
)  # fmt: skip
def test_bounds(found, wanted):
    assert cgroups.bounds(found) == wanted


def test_a_class_gets_what_its_pods_ask_for():
    pods = [
        pod(container(requests={"cpu": "1"})),
        pod(container(requests={"cpu": "250m"})),
        pod(container()),
    ]
    assert cgroups.level_shares(pods) == {"burstable": 1280, "besteffort": 2}


def test_the_files_of_both_versions():
    bounds = Bounds(1024, 50_000, MIB)
    assert cgroups.files(bounds, unified=False) == [
        ("cpu", "cpu.shares", "1024"),
        ("cpu", "cpu.cfs_period_us", "100000"),
        ("cpu", "cpu.cfs_quota_us", "50000"),
        ("memory", "memory.limit_in_bytes", str(MIB)),
    ]
    assert cgroups.files(bounds, unified=True) == [
        ("", "cpu.weight", "39"),
        ("", "cpu.max", "50000 100000"),
        ("", "memory.max", str(MIB)),
    ]
    unlimited = {name: text for _, name, text in cgroups.files(Bounds(2), unified=False)}
    assert (unlimited["cpu.cfs_quota_us"], unlimited["memory.limit_in_bytes"]) == ("-1", "-1")
    assert cgroups.files(Bounds(2), unified=True)[1:] == [
        ("", "cpu.max", "max 100000"),
        ("", "memory.max", "max"),
    ]


def test_a_resize_passes_through_the_wider():
    assert Bounds(5, 10, 7).or_wider(Bounds(3, 20, 0)) == Bounds(5, 20, 0)


def scored(containers, init=(), **spec):
    made = Pod.from_wire(
        {
            "metadata": {"name": "p", "namespace": "d", "uid": "u"},
            "spec": {"containers": containers, "initContainers": list(init), **spec},
            "status": {"qosClass": "Burstable"},
        }
    )
    everyone = (*made.spec.init_containers, *made.spec.containers)
    node = NodeFacts(8 * 1024**3, "n1")
    return [cgroups.oom_score(made, one, node) for one in everyone]


def asking(name, memory="0", **more):
    return {"name": name, "resources": {"requests": {"memory": memory}}, **more}


def test_a_sidecar_is_not_killed_before_those_it_serves():
    side = asking("s", restartPolicy="Always")
    assert scored([asking("a", "2Gi"), asking("b", "4Gi")], [side]) == [750, 750, 500]
    assert scored([asking("a", "2Gi")], [asking("i")]) == [999, 750]


def test_what_is_asked_for_the_whole_pod_is_shared():
    whole = {"resources": {"requests": {"memory": "4Gi"}}}
    assert scored([asking("a", "2Gi"), asking("b")], **whole) == [625, 875]


def test_critical_pods_of_the_node_die_last():
    assert scored([asking("a")], priorityClassName="system-node-critical") == [-997]
