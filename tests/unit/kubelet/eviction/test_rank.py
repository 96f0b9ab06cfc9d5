"""Who goes first, and what is said."""

from datetime import UTC, datetime

from kubelet.eviction import rank
from kubelet.eviction.manager import refusal
from kubelet.eviction.thresholds import MEMORY, NODE_DISK, Amount, Level, Threshold
from kubelet.stats.collector import ContainerStats, PodStats
from kubelet.stats.disk import Taken
from kubelet.stats.usage import Usage
from wherry.api.core_v1 import Pod

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
MIB = 1 << 20
LOW = Threshold(MEMORY, Amount(100 * MIB))


def pod(name, *, request="", priority=0, limit="", volumes=(), annotations=None, tolerations=()):
    requests = {"memory": request} if request else {}
    limits = {"ephemeral-storage": limit} if limit else {}
    return Pod.model_validate(
        {
            "metadata": {
                "name": name, "namespace": "d", "uid": name, "annotations": annotations or {},
            },
            "spec": {
                "priority": priority,
                "tolerations": list(tolerations),
                "volumes": list(volumes),
                "containers": [
                    {"name": "c", "resources": {"requests": requests, "limits": limits}}
                ],
            },
        }
    )  # fmt: skip


def stats(of, memory=0, disk=0, volumes=None):
    usage = Usage(working_set_bytes=memory)
    container = ContainerStats("c", NOW, usage, None, Taken(disk, 1))
    return PodStats(of, NOW, usage, None, [container], (), volumes or {}, Taken(disk, 1))


def names(found):
    return [one.pod.metadata.name for one in found]


def test_who_uses_more_than_asked_for_goes_before_priority_counts():
    modest = stats(pod("modest", request="50Mi", priority=-5), 40 * MIB)
    greedy = stats(pod("greedy", request="50Mi", priority=100), 60 * MIB)
    assert names(rank.order(LOW, [modest, greedy])) == ["greedy", "modest"]


def test_then_lower_priority_then_greater_excess():
    low = stats(pod("low", priority=1), 10 * MIB)
    big = stats(pod("big", priority=2), 90 * MIB)
    small = stats(pod("small", priority=2), 20 * MIB)
    assert names(rank.order(LOW, [small, big, low])) == ["low", "big", "small"]


def test_critical_and_static_pods_never_go():
    critical = stats(pod("critical", priority=2_000_001_000), 90 * MIB)
    static = stats(pod("static", annotations={"kubernetes.io/config.source": "file"}), 90 * MIB)
    assert rank.order(LOW, [critical, static]) == []


def test_disk_ranks_by_what_lies_on_it():
    low = Threshold(NODE_DISK, Amount(share=0.1))
    one, two = stats(pod("one"), 900 * MIB, 1), stats(pod("two"), 1, 900 * MIB)
    assert names(rank.order(low, [one, two])) == ["two", "one"]


def test_the_message_is_upstreams():
    told = rank.message(LOW, Level(50 * MIB, 1 << 30), stats(pod("p", request="10Mi"), 30 * MIB))
    assert told == (
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. "
        "Container c was using 30Mi, request is 10Mi, has larger consumption of memory. "
    )


def test_a_volume_beyond_its_limit():
    volume = {"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}
    over = stats(pod("p", volumes=[volume]), volumes={"v": Taken(2 * MIB, 1)})
    assert rank.local_excess(over) == 'Usage of EmptyDir volume "v" exceeds the limit "1Mi". '
    within = stats(pod("p", volumes=[volume]), volumes={"v": Taken(MIB, 1)})
    assert rank.local_excess(within) == ""
    assert rank.has_local_limits(over.pod)
    assert not rank.has_local_limits(pod("q"))


def test_a_container_beyond_its_limit():
    told = rank.local_excess(stats(pod("p", limit="1Mi"), disk=2 * MIB))
    assert told == 'Container c exceeded its local ephemeral storage limit "1Mi". '


def test_a_node_under_memory_pressure_takes_what_asks_for_something():
    short = frozenset({"MemoryPressure"})
    assert refusal(pod("p"), short) == "The node had condition: [MemoryPressure]. "
    assert refusal(pod("p", request="1Mi"), short) == ""
    tolerates = {"key": "node.kubernetes.io/memory-pressure", "operator": "Exists"}
    assert refusal(pod("p", tolerations=[tolerates]), short) == ""
    assert refusal(pod("p", priority=2_000_000_000), short) == ""
    assert refusal(pod("p"), frozenset()) == ""


def test_a_node_under_disk_pressure_takes_nothing():
    short = frozenset({"DiskPressure", "MemoryPressure"})
    told = refusal(pod("p", request="1Mi"), short)
    assert told == "The node had condition: [DiskPressure MemoryPressure]. "
