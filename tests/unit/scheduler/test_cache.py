"""The cache: assumptions, and sums that always equal their parts."""

from hypothesis import given
from hypothesis import strategies as st

from scheduler.cache import Cache, interleave
from scheduler.framework import Happening
from scheduler.objects import Node, Pod
from scheduler.state import NodeInfo, PodInfo


def node(name, cpu="4", labels=None, taints=()):
    return Node.from_wire(
        {
            "metadata": {"name": name, "labels": labels or {}},
            "spec": {"taints": list(taints)},
            "status": {"allocatable": {"cpu": cpu, "pods": "10"}},
        }
    )


def pod(name, node_name="", cpu=100, uid=""):
    container = {"resources": {"requests": {"cpu": f"{cpu}m"}}, "ports": [{"hostPort": cpu}]}
    return PodInfo.of(
        Pod.from_wire(
            {
                "metadata": {"namespace": "n", "name": name, "uid": uid or name},
                "spec": {"containers": [container], "nodeName": node_name},
            }
        )
    )


def test_an_assumption_counts_until_seen_or_forgotten():
    cache = Cache()
    cache.set_node(node("x"))
    (info,) = cache.nodes()
    cache.assume(pod("a"), "x")
    assert info.requested.milli_cpu == 100
    cache.add_pod(pod("a", "x"))
    assert info.requested.milli_cpu == 100
    cache.forget("n/a")
    assert info.requested.milli_cpu == 100
    cache.assume(pod("b"), "x")
    cache.forget("n/b")
    assert [*info.pods] == ["n/a"]
    cache.remove_pod("n/a")
    assert info.requested.milli_cpu == 0


def test_a_pod_seen_elsewhere_than_assumed_is_where_it_is_seen():
    cache = Cache()
    cache.set_node(node("x"))
    cache.set_node(node("y"))
    cache.assume(pod("a"), "x")
    cache.add_pod(pod("a", "y"))
    by_name = {info.name: info for info in cache.nodes()}
    assert not by_name["x"].pods
    assert [*by_name["y"].pods] == ["n/a"]


def test_changes_are_named():
    cache = Cache()
    assert cache.set_node(node("x")) == {Happening.NODE_ADDED}
    assert cache.set_node(node("x")) == frozenset()
    assert cache.set_node(node("x", cpu="8")) == {Happening.NODE_ALLOCATABLE}
    assert cache.set_node(node("x", cpu="8", labels={"a": "b"})) == {Happening.NODE_LABELS}
    tainted = node("x", cpu="8", labels={"a": "b"}, taints=[{"key": "k", "effect": "NoSchedule"}])
    assert cache.set_node(tainted) == {Happening.NODE_TAINTS}
    cache.add_pod(pod("a", "x", cpu=500))
    assert cache.add_pod(pod("a", "x", cpu=100)) is True
    assert cache.add_pod(pod("a", "x", cpu=100)) is False


def test_a_node_that_is_gone_is_not_offered_but_remembered_for_its_pods():
    cache = Cache()
    cache.set_node(node("x"))
    cache.add_pod(pod("a", "x"))
    cache.add_pod(pod("b", "unknown"))
    cache.remove_node("x")
    assert [*cache.nodes()] == []
    cache.set_node(node("x"))
    assert cache.nodes()[0].requested.milli_cpu == 100
    cache.remove_pod("n/a")
    cache.remove_node("x")
    cache.remove_node("x")
    assert [*cache.nodes()] == []


def test_zones_take_turns():
    nodes = [NodeInfo(name, labels={"topology.kubernetes.io/zone": name[0]}) for name in
             ("a1", "a2", "a3", "b1", "c1", "c2")]  # fmt: skip
    assert [info.name for info in interleave(nodes)] == ["a1", "b1", "c1", "a2", "c2", "a3"]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["node", "no-node", "assume", "add", "forget", "remove"]),
        st.sampled_from("abc"),
        st.sampled_from("xy"),
        st.integers(1, 3),
    ),
    max_size=40,
)


@given(STEPS)
def test_sums_equal_their_parts(steps):
    cache = Cache()
    for step, name, where, cpu in steps:
        match step:
            case "node":
                cache.set_node(node(where))
            case "no-node":
                cache.remove_node(where)
            case "assume":
                cache.assume(pod(name, cpu=cpu), where)
            case "add":
                cache.add_pod(pod(name, where, cpu=cpu))
            case "forget":
                cache.forget(f"n/{name}")
            case "remove":
                cache.remove_pod(f"n/{name}")
        seen = []
        for info in cache.nodes():
            pods = info.pods.values()
            seen += [one.key for one in pods]
            assert all(one.node_name == info.name for one in pods)
            assert info.requested.milli_cpu == sum(p.requests.amount.milli_cpu for p in pods)
            assert info.scored_memory == sum(p.requests.scored_memory for p in pods)
            assert sum(info.host_ports.values()) == len(pods)
        assert len(seen) == len(set(seen))
        assert cache.assumed <= {f"n/{name}" for name in "abc"}
        assert all(cache.get(key) is not None for key in cache.assumed)
