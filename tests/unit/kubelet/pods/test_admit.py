"""Which pods a node refuses."""

import pytest

from kubelet.pods import admit
from wherry.api.core_v1 import Node, Pod

ALLOCATABLE = {
    "cpu": "2",
    "memory": "1Gi",
    "pods": "3",
    "ephemeral-storage": "1Gi",
    "x.io/fpga": "1",
}


def node(taints=(), labels=None):
    return Node.from_wire(
        {
            "metadata": {"name": "n1", "labels": labels or {"zone": "a"}},
            "spec": {"taints": [{"key": k, "effect": e} for k, e in taints]},
            "status": {"allocatable": ALLOCATABLE},
        }
    )


def affinity(values):
    term = {"matchExpressions": [{"key": "zone", "operator": "In", "values": values}]}
    required = {"nodeSelectorTerms": [term]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}


def asking(name):
    container = {"name": "c", "resources": {"requests": {name: "2"}}}
    return Pod.from_wire({"spec": {"containers": [container]}})


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
        pytest.param(pod(affinity=affinity(["b"])), [], "NodeAffinity", id="affinity"),
        pytest.param(pod(affinity=affinity(["a"])), [], None, id="affinity matches"),
        pytest.param(pod(os={"name": "windows"}), [], "PodOSNotSupported", id="os"),
        pytest.param(
            pod(securityContext={"supplementalGroupsPolicy": "Strict"}), [],
            "SupplementalGroupsPolicyNotSupported", id="strict groups",
        ),
        pytest.param(
            pod(securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}), [],
            "SysctlForbidden", id="unsafe sysctl",
        ),
        pytest.param(asking("x.io/fpga"), [], "OutOfx.io/fpga", id="extended resource"),
        pytest.param(asking("y.io/other"), [], None, id="extended resource of no node"),
    ],
)  # fmt: skip
def test_refusal(wanted, others, reason):
    found = admit.refusal(wanted, others, node())
    assert (found[0] if found else None) == reason


def test_words():
    assert admit.refusal(pod("3"), [], node())[1] == (
        "Node didn't have enough resource: cpu, requested: 3000, used: 0, capacity: 2000"
    )


def test_a_taint_that_ends_pods_must_be_borne():
    tainted = node([("gone", "NoExecute"), ("busy", "NoSchedule")])
    assert admit.refusal(pod(), [], tainted) == (
        "TaintToleration",
        "Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate",
    )
    bearing = pod(tolerations=[{"key": "gone", "operator": "Exists"}])
    assert admit.refusal(bearing, [], tainted) is None
