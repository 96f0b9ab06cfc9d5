"""The Node object and what is reported of it."""

from datetime import UTC, datetime, timedelta

import pytest

from kubelet.eviction.thresholds import Policy, thresholds
from kubelet.node import machine, status
from kubelet.node.lease import renewed
from kubelet.node.machine import Machine, architecture, meminfo, os_image
from kubelet.node.status import Health, Identity
from kubelet.runtime.protocol import EngineInfo, ImageRecord
from wherry.api.coordination_v1 import Lease
from wherry.api.core_v1 import Node, NodeStatus
from wherry.api.meta_v1 import ObjectMeta

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=2)
GIB = 1024**3
MACHINE = Machine(4, 8 * GIB, 100 * GIB, "m", "s", "b", "6.1", "Debian", "amd64")
ENGINE = EngineInfo("20.10.24", "1.41", "cgroupfs", "1", "Debian", "6.1", "amd64")
PRESSURE = frozenset({"MemoryPressure", "DiskPressure", "PIDPressure"})


def identity(**changes):
    return Identity("n1", "n1", "10.0.0.1", 10250, MACHINE, ENGINE, "v1", **changes)


def report(health=None, previous=NodeStatus(), now=NOW, **changes):
    return status.status(identity(**changes), health or Health(""), previous, now)


def conditions(of):
    return {c.type: (c.status, c.reason) for c in of.conditions}


def test_a_healthy_node():
    found = report()
    assert conditions(found) == {
        "MemoryPressure": ("False", "KubeletHasSufficientMemory"),
        "DiskPressure": ("False", "KubeletHasNoDiskPressure"),
        "PIDPressure": ("False", "KubeletHasSufficientPID"),
        "Ready": ("True", "KubeletReady"),
    }
    assert found.capacity == {
        "cpu": "4",
        "memory": "8388608Ki",
        "ephemeral-storage": "104857600Ki",
        "pods": "110",
    }
    assert found.node_info.container_runtime_version == "docker://20.10.24"
    assert "ExtendWebSocketsToKubelet" in found.declared_features
    assert found.declared_features == sorted(found.declared_features)
    assert found.daemon_endpoints.kubelet_endpoint.port == 10250


def test_reserves_are_not_allocatable():
    found = report(reserved={"cpu": "500m", "memory": "1Gi"})
    assert (found.allocatable["cpu"], found.allocatable["memory"]) == ("3500m", "7340032Ki")
    assert found.capacity["cpu"] == "4"


def test_what_eviction_keeps_free_is_not_allocatable():
    policy = Policy(thresholds(["memory.available<100Mi", "nodefs.available<10%"], [], [], []))
    found = report(eviction=policy)
    assert found.allocatable["memory"] == f"{8 * 1024 * 1024 - 100 * 1024}Ki"
    assert found.allocatable["ephemeral-storage"] == f"{90 * 1024 * 1024}Ki"
    assert found.capacity["memory"] == "8388608Ki"


def test_troubles():
    found = report(Health("no network", PRESSURE))
    assert conditions(found) == {
        "MemoryPressure": ("True", "KubeletHasInsufficientMemory"),
        "DiskPressure": ("True", "KubeletHasDiskPressure"),
        "PIDPressure": ("True", "KubeletHasInsufficientPID"),
        "Ready": ("False", "KubeletNotReady"),
    }
    assert found.conditions[-1].message == "no network"


def test_a_heartbeat_alone_is_no_news():
    first = report()
    second = report(previous=first, now=LATER)
    assert not status.differs(first, second)
    assert second.conditions[0].last_heartbeat_time == LATER
    assert second.conditions[0].last_transition_time == NOW
    broken = report(Health("x"), previous=second, now=LATER)
    assert status.differs(second, broken)
    assert broken.conditions[-1].last_transition_time == LATER


def test_due():
    assert status.is_due(None, NOW, 300)
    assert not status.is_due(NOW, LATER, 300)
    assert status.is_due(NOW, LATER, 120)


def test_a_changed_address_replaces_the_old():
    old = report()
    new = old.with_(addresses=[old.addresses[0].with_(address="10.0.0.2"), old.addresses[1]])
    assert status.patch(new, old)["status"]["addresses"][-1] == {"$patch": "replace"}
    assert "addresses" not in status.patch(old, old)["status"]


def test_a_condition_that_others_changed_is_noticed():
    said = report()
    assert not status.is_overruled(said, said)
    silent = [c.with_(status="Unknown") if c.type == "Ready" else c for c in said.conditions]
    assert status.is_overruled(said, said.with_(conditions=silent))
    more = [*said.conditions, silent[0].with_(type="SomebodyElses")]
    assert not status.is_overruled(said, said.with_(conditions=more))


def test_the_largest_images_are_told():
    images = [ImageRecord(str(n), (f"i:{n}",), (), n) for n in range(60)] + [ImageRecord("x")]
    found = report(Health("", images=images)).images
    assert (len(found), found[0].names, found[0].size_bytes) == (50, ["i:59"], 59)


def test_labels():
    found = status.node(identity(labels={"zone": "a"}), report()).metadata.labels
    assert found["kubernetes.io/hostname"] == "n1"
    assert (found["kubernetes.io/arch"], found["zone"]) == ("amd64", "a")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a=b:NoSchedule", ("a", "b", "NoSchedule")), ("a:NoExecute", ("a", "", "NoExecute"))],
)
def test_taints(text, expected):
    taint = status.parse_taint(text)
    assert (taint.key, taint.value, taint.effect) == expected


@pytest.mark.parametrize("text", ["a=b", "a:Never", ""])
def test_wrong_taints(text):
    with pytest.raises(ValueError, match="invalid taint"):
        status.parse_taint(text)


def test_lease():
    node = Node(metadata=ObjectMeta(name="n1", uid="u"))
    first = renewed(None, "n1", node, 40, NOW)
    assert (first.metadata.namespace, first.spec.holder_identity) == ("kube-node-lease", "n1")
    assert first.metadata.owner_references[0].uid == "u"
    stored = Lease(metadata=first.metadata.with_(resource_version="7"), spec=first.spec)
    second = renewed(stored, "n1", None, 40, LATER)
    assert (second.metadata.resource_version, second.spec.renew_time) == ("7", LATER)
    assert len(second.metadata.owner_references) == 1


def test_reading_the_machine():
    assert meminfo("MemTotal:  16 kB\nHugePages_Total:  2\n") == {
        "MemTotal": 16384,
        "HugePages_Total": 2,
    }
    assert os_image('NAME=x\nPRETTY_NAME="Debian 12"\n') == "Debian 12"
    assert (architecture("x86_64"), architecture("riscv64")) == ("amd64", "riscv64")


def test_pressures_have_events():
    told = status.condition_events(report())
    assert told == ["NodeHasSufficientMemory", "NodeHasNoDiskPressure", "NodeHasSufficientPID"]


def test_huge_pages_are_counted(tmp_path):
    for size, count in (("2048kB", 3), ("1048576kB", 0)):
        place = tmp_path / f"hugepages-{size}"
        place.mkdir()
        (place / "nr_hugepages").write_text(f"{count}\n")
    assert machine.huge_pages(tmp_path) == (("1Gi", "0"), ("2Mi", "6Mi"))


def test_a_dual_stack_node_tells_both_addresses():
    found = report(more_addresses=("fd31::1",))
    assert [(one.type, one.address) for one in found.addresses] == [
        ("InternalIP", "10.0.0.1"),
        ("InternalIP", "fd31::1"),
        ("Hostname", "n1"),
    ]
    assert "addresses" not in status.patch(found, found)["status"], "merging would mix them up"
    assert len(status.patch(found, report())["status"]["addresses"]) == 4
