"""/metrics/cadvisor, by the names and labels that dashboards ask for."""

from datetime import UTC, datetime

from prometheus_client.parser import text_string_to_metric_families

from kubelet.node.machine import Machine, topology
from kubelet.stats.cadvisor_metrics import Group, Seen, failed, page_of
from kubelet.stats.collector import Interface
from kubelet.stats.detail import Detail, Io
from kubelet.stats.disk import FileSystem, Taken
from kubelet.stats.usage import Usage

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
USAGE = Usage(2_000_000_000, 100, 80, 60, memory_limit_bytes=500)
DETAIL = Detail(periods=5, throttled_periods=2, quota=50_000, io={"8:0": Io(1, 2, 3, 4)})
SEEN = Seen(
    NOW, Machine(4, 1000, 9, "m", "s", "b", "6.1", "Debian", "amd64", cores=2), 7,
    (
        Group("/", USAGE, Detail(), interfaces=(Interface("uplink", 1, 0, 1, 0),)),
        Group("/kubepods/podU", USAGE, DETAIL, "d", "p"),
        Group("/kubepods/podU/s", USAGE, DETAIL, "d", "p", image="pause", name="s", started_at=NOW,
              interfaces=(Interface("eth0", 5, 2, 7, 3, 1, 0, 4, 0),)),
        Group("/kubepods/podU/c", USAGE, DETAIL, "d", "p", "c", 'i"1', "c1", NOW, disk=Taken(30, 3)),
    ),
    "/dev/sda1", FileSystem(1000, 400, 50, 20),
)  # fmt: skip


def found(name, **labels):
    """The values of a metric's samples that have these labels."""
    return [
        sample.value
        for family in text_string_to_metric_families(page_of(SEEN))
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]


def test_what_dashboards_ask_for():
    mine = {"namespace": "d", "pod": "p"}
    assert found("container_cpu_usage_seconds_total", container="c", cpu="total", **mine) == [2.0]
    assert found("container_memory_working_set_bytes", container="c", image='i"1', **mine) == [80]
    assert found("container_network_receive_bytes_total", interface="eth0", **mine) == [5]
    assert found("container_network_transmit_packets_total", interface="eth0", **mine) == [4]
    assert found("container_cpu_cfs_throttled_periods_total", container="c") == [2]
    assert found("container_fs_usage_bytes", container="c", device="/dev/sda1") == [30]
    assert found("container_fs_limit_bytes", id="/") == [1000]
    assert found("container_fs_writes_bytes_total", container="c", device="8:0") == [2]
    assert found("container_spec_memory_limit_bytes", container="c") == [500]
    assert found("container_start_time_seconds", container="c") == [NOW.timestamp()]
    assert len(found("container_memory_rss", **mine)) == 3, "the pod's group, sandbox, container"


def test_the_machine():
    assert found("machine_cpu_cores", machine_id="m", boot_id="b", system_uuid="s") == [4]
    assert (found("machine_cpu_physical_cores"), found("machine_memory_bytes")) == ([2], [1000])
    assert found("container_network_receive_bytes_total", id="/", interface="uplink") == [1]
    assert found("container_scrape_error") == [0]


def test_nothing_could_be_read():
    assert failed().splitlines()[-1] == "container_scrape_error 1"


def test_cores_and_sockets():
    text = "".join(
        f"processor: {n}\nphysical id\t: {n // 4}\ncore id : {n // 2 % 2}\n\n" for n in range(8)
    )
    assert topology(text, 8) == {"cores": 4, "sockets": 2}
    assert topology("processor : 0\n", 1) == {"cores": 1, "sockets": 1}
