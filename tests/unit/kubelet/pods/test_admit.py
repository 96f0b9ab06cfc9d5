"""Which pods a node refuses."""

import pytest

from kubelet.pods import admit
from wherry.api.core_v1 import Pod

ALLOCATABLE = {"cpu": "2", "memory": "1Gi", "pods": "3"}


def pod(cpu="0", memory="0", port=0, host_ip="", init=(), **spec):
    ports = [{"containerPort": 1, "hostPort": port, "hostIP": host_ip}] if port else []
    return Pod.from_wire(
        {
            "spec": {
                "containers": [
                    {"name": "c", "ports": ports, "resources": {"requests": {"cpu": cpu, "memory": memory}}}
                ],
                "initContainers": [
                    {"name": f"i{n}", "resources": {"requests": {"cpu": c}}} | more
                    for n, (c, more) in enumerate(init)
                ],
                **spec,
            }
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "others", "reason"),
    [
        pytest.param(pod("1"), [pod("1")], None, id="fits exactly"),
        pytest.param(pod("1001m"), [pod("1")], "OutOfcpu", id="cpu"),
        pytest.param(pod("0"), [pod("3")], None, id="asks for nothing"),
        pytest.param(pod(memory="2Gi"), [], "OutOfmemory", id="memory"),
        pytest.param(pod(), [pod()] * 3, "OutOfpods", id="pods"),
        pytest.param(pod(port=80), [pod(port=80)], "NodePorts", id="port"),
        pytest.param(pod(port=80, host_ip="1.1.1.1"), [pod(port=80)], "NodePorts", id="any address"),
        pytest.param(pod(port=80, host_ip="1.1.1.1"), [pod(port=80, host_ip="1.1.1.2")], None, id="two addresses"),
        pytest.param(pod(nodeSelector={"disk": "ssd"}), [], "NodeAffinity", id="selector"),
        pytest.param(pod(nodeSelector={"zone": "a"}), [], None, id="selector matches"),
    ],
)  # fmt: skip
def test_refusal(wanted, others, reason):
    found = admit.refusal(wanted, others, ALLOCATABLE, {"zone": "a"})
    assert (found[0] if found else None) == reason


def test_words():
    assert admit.refusal(pod("3"), [], ALLOCATABLE, {})[1] == (
        "Node didn't have enough resource: cpu, requested: 3000, used: 0, capacity: 2000"
    )
