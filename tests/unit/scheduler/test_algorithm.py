"""Where pods go: each plug-in by table, the whole by its safety properties."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.algorithm import (
    NO_NODES,
    Placed,
    Unschedulable,
    candidates_wanted,
    diagnose,
    schedule,
)
from scheduler.cache import Cache
from scheduler.framework import SCORE_MAX, Code, Profile, Status, normalize_by_most
from scheduler.objects import Node, Pod
from scheduler.plugins.registry import default_profile
from scheduler.state import PodInfo

PROFILE = default_profile()


def make_node(name="n", cpu="4", memory="8Gi", pods="110", labels=None, taints=(), **spec):
    amounts = {"cpu": cpu, "memory": memory, "pods": pods, "ephemeral-storage": "10Gi"}
    return Node.from_wire(
        {
            "metadata": {"name": name, "labels": labels or {}},
            "spec": {"taints": list(taints), **spec},
            "status": {"allocatable": amounts},
        }
    )


def make_pod(name="p", requests=None, ports=(), **spec):
    container = {"resources": {"requests": requests or {}}, "ports": list(ports)}
    return PodInfo.of(
        Pod.from_wire(
            {
                "metadata": {"namespace": "ns", "name": name, "uid": name},
                "spec": {"containers": [container], **spec},
            }
        )
    )


def cluster(*nodes, on=()):
    cache = Cache()
    for node in nodes:
        cache.set_node(node)
    for pod, node_name in on:
        cache.assume(pod, node_name)
    return cache


def place(pod, cache, seed=0):
    return schedule(pod, cache.nodes(), PROFILE, 0, random.Random(seed))


def taint(effect, key="k", value="v"):
    return {"key": key, "value": value, "effect": effect}


def affinity(*terms):
    wanted = {"nodeSelectorTerms": list(terms)}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": wanted}}


def expression(key, operator, *values):
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


def port(number, protocol="TCP", ip=""):
    return {"hostPort": number, "containerPort": 1, "protocol": protocol, "hostIP": ip}


CPU = "Insufficient cpu"
TAINT = "node(s) had untolerated taint(s)"
AFFINITY = "node(s) didn't match Pod's node affinity/selector"
PORTS = "node(s) didn't have free ports for the requested pod ports"
CORDONED = "node(s) were unschedulable"


@pytest.mark.parametrize(
    ("pod", "node", "reason"),
    [
        (make_pod(), make_node(), None),
        (make_pod(nodeName="n"), make_node(), None),
        (make_pod(nodeName="m"), make_node(), "node(s) didn't match the requested node name"),
        (make_pod(), make_node(unschedulable=True), CORDONED),
        (make_pod(tolerations=[{"operator": "Exists"}]), make_node(unschedulable=True), None),
        (make_pod(), make_node(taints=[taint("NoSchedule")]), TAINT),
        (make_pod(), make_node(taints=[taint("NoExecute")]), TAINT),
        (make_pod(), make_node(taints=[taint("PreferNoSchedule")]), None),
        (make_pod(tolerations=[{"key": "k", "value": "v"}]),
         make_node(taints=[taint("NoSchedule")]), None),
        (make_pod(tolerations=[{"key": "k", "value": "w"}]),
         make_node(taints=[taint("NoSchedule")]), TAINT),
        (make_pod(tolerations=[{"key": "k", "operator": "Exists", "effect": "NoExecute"}]),
         make_node(taints=[taint("NoSchedule")]), TAINT),
        (make_pod(nodeSelector={"a": "1"}), make_node(labels={"a": "1"}), None),
        (make_pod(nodeSelector={"a": "1"}), make_node(labels={"a": "2"}), AFFINITY),
        (make_pod(affinity=affinity(expression("a", "In", "1", "2"))),
         make_node(labels={"a": "2"}), None),
        (make_pod(affinity=affinity(expression("a", "In", "1"))), make_node(), AFFINITY),
        (make_pod(affinity=affinity(expression("a", "NotIn", "1"))), make_node(), None),
        (make_pod(affinity=affinity(expression("a", "Exists"))), make_node(), AFFINITY),
        (make_pod(affinity=affinity(expression("a", "DoesNotExist"))), make_node(), None),
        (make_pod(affinity=affinity(expression("a", "Gt", "5"))),
         make_node(labels={"a": "6"}), None),
        (make_pod(affinity=affinity(expression("a", "Lt", "5"))),
         make_node(labels={"a": "x"}), AFFINITY),
        (make_pod(affinity=affinity(expression("a", "Exists"), expression("b", "Exists"))),
         make_node(labels={"b": ""}), None),
        (make_pod(affinity=affinity({})), make_node(), AFFINITY),
        (make_pod(affinity=affinity({"matchFields": [
            {"key": "metadata.name", "operator": "In", "values": ["n"]}]})), make_node(), None),
        (make_pod(requests={"cpu": "4"}), make_node(), None),
        (make_pod(requests={"cpu": "4001m"}), make_node(), CPU),
        (make_pod(requests={"memory": "9Gi"}), make_node(), "Insufficient memory"),
        (make_pod(requests={"ephemeral-storage": "11Gi"}), make_node(),
         "Insufficient ephemeral-storage"),
        (make_pod(requests={"x.com/gpu": "1"}), make_node(), "Insufficient x.com/gpu"),
        (make_pod(), make_node(pods="0"), "Too many pods"),
    ],
)  # fmt: skip
def test_where_a_pod_may_run(pod, node, reason):
    found = place(pod, cluster(node))
    if reason is None:
        assert isinstance(found, Placed)
    else:
        assert found.message == f"0/1 nodes are available: 1 {reason}."


@pytest.mark.parametrize(
    ("taken", "wanted", "free"),
    [
        (port(80), port(80), False),
        (port(80), port(81), True),
        (port(80), port(80, "UDP"), True),
        (port(80, ip="10.0.0.1"), port(80, ip="10.0.0.2"), True),
        (port(80, ip="10.0.0.1"), port(80), False),
        (port(80), port(80, ip="10.0.0.1"), False),
    ],
)
def test_host_ports(taken, wanted, free):
    cache = cluster(make_node(), on=[(make_pod("a", ports=[taken]), "n")])
    found = place(make_pod("b", ports=[wanted]), cache)
    assert isinstance(found, Placed) is free
    if not free:
        assert PORTS in found.message


def test_diagnosis_counts_reasons_as_upstream_words_them():
    cache = cluster(
        make_node("a", cpu="1", memory="1Gi"),
        make_node("b", cpu="1"),
        make_node("c", taints=[taint("NoSchedule")]),
    )
    found = place(make_pod(requests={"cpu": "2", "memory": "2Gi"}), cache)
    assert found.message == (f"0/3 nodes are available: 1 Insufficient memory, 1 {TAINT}, 2 {CPU}.")
    assert found.plugins == {"NodeResourcesFit", "TaintToleration"}
    assert place(make_pod(), cluster()) == Unschedulable(NO_NODES, frozenset())
    status = Status(Code.UNSCHEDULABLE, "X", ("b", "a"))
    assert diagnose([status], 1).message == "0/1 nodes are available: 1 a, 1 b."


@pytest.mark.parametrize(
    ("pod", "nodes", "expected"),
    [
        (make_pod(requests={"cpu": "1"}), [make_node("a", cpu="2"), make_node("b", cpu="8")], "b"),
        (make_pod(), [make_node("a", taints=[taint("PreferNoSchedule")]), make_node("b")], "b"),
        (make_pod(affinity={"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 1, "preference": expression("x", "Exists")},
            {"weight": 9, "preference": expression("y", "Exists")}]}}),
         [make_node("a", labels={"x": ""}), make_node("b", labels={"y": ""})], "b"),
        (make_pod(requests={"cpu": "1", "memory": "1Gi"}),
         [make_node("a", cpu="2", memory="20Gi"), make_node("b", cpu="4", memory="4Gi")], "b"),
    ],
    ids=["least-allocated", "soft-taint", "preferred-affinity", "balanced"],
)  # fmt: skip
def test_where_a_pod_would_rather_run(pod, nodes, expected):
    assert place(pod, cluster(*nodes)).node_name == expected


def test_equals_are_chosen_by_chance():
    cache = cluster(*[make_node(f"n{i}") for i in range(4)])
    assert {place(make_pod(), cache, seed).node_name for seed in range(60)} == {
        "n0", "n1", "n2", "n3",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("nodes", "percentage", "wanted"),
    [(99, 0, 99), (100, 0, 100), (1000, 0, 420), (5000, 0, 500), (6000, 0, 300), (100_000, 0, 5000),
     (1000, 30, 300), (1000, 1, 100), (1000, 100, 1000)],
)  # fmt: skip
def test_how_many_candidates_end_the_search(nodes, percentage, wanted):
    assert candidates_wanted(nodes, percentage) == wanted


def test_a_search_cut_short_starts_where_the_last_one_ended():
    cache = cluster(*[make_node(f"n{i:03}") for i in range(300)])
    found = schedule(make_pod(), cache.nodes(), PROFILE, 250, random.Random(0))
    assert (found.evaluated, found.feasible) == (144, 144)
    names = {f"n{i % 300:03}" for i in range(250, 394)}
    assert found.node_name in names


@given(st.lists(st.integers(0, 1000), max_size=10), st.booleans())
def test_normalized_scores_keep_order_and_range(scores, reverse):
    found = normalize_by_most(scores, reverse=reverse)
    assert all(0 <= score <= SCORE_MAX for score in found)
    sign = -1 if reverse else 1
    for one, other in itertools.pairwise(scores):
        a, b = found[scores.index(one)], found[scores.index(other)]
        assert one >= other or sign * a <= sign * b


PODS = st.builds(
    lambda cpu, memory, gpu, ports: (
        {"cpu": f"{cpu}m", "memory": f"{memory}Mi", **({"x.com/gpu": "1"} if gpu else {})},
        [port(number) for number in ports],
    ),
    st.integers(0, 1500), st.integers(0, 1500), st.booleans(), st.sets(st.sampled_from([80, 81])),
)  # fmt: skip


@given(
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 3000), st.integers(0, 5)), max_size=4),
    st.lists(st.tuples(PODS, st.integers(0, 9)), max_size=25),
    st.integers(0, 100),
)
def test_never_overcommits(nodes, pods, seed):
    """Whatever comes and goes, no node holds more than it has, and no host port twice."""
    cache = cluster(
        *[
            make_node(f"n{i}", cpu=f"{cpu}m", memory=f"{memory}Mi", pods=str(count))
            for i, (cpu, memory, count) in enumerate(nodes)
        ]
    )
    chance = random.Random(seed)
    placed = []
    for number, ((requests, ports), leaves) in enumerate(pods):
        pod = make_pod(f"p{number}", requests=requests, ports=ports)
        found = schedule(pod, cache.nodes(), PROFILE, number, chance)
        if isinstance(found, Placed):
            cache.assume(pod, found.node_name)
            placed.append(pod.key)
        if placed and leaves == 0:
            cache.remove_pod(placed.pop(0))
        for node in cache.nodes():
            assert len(node.pods) <= node.allowed_pods
            assert node.requested.milli_cpu <= node.allocatable.milli_cpu
            assert node.requested.memory <= node.allocatable.memory
            assert node.requested.other.get("x.com/gpu", 0) == 0
            assert all(uses == 1 for uses in node.host_ports.values())
            assert node.requested.milli_cpu == sum(
                one.requests.amount.milli_cpu for one in node.pods.values()
            )


def test_every_refusing_plugin_says_what_helps():
    assert isinstance(PROFILE, Profile)
    assert all(plugin.helped_by for plugin in PROFILE.filters)
    assert [w.weight for w in PROFILE.scores] == [3, 2, 1, 1]
