"""What /stats/summary and /metrics/resource say."""

from datetime import UTC, datetime

from prometheus_client.parser import text_string_to_metric_families

from kubelet.stats.collector import ContainerStats, Interface, NodeStats, PodStats, interfaces
from kubelet.stats.disk import FileSystem, Taken, taken
from kubelet.stats.resource_metrics import resource_metrics
from kubelet.stats.summary import summary
from kubelet.stats.usage import Usage
from wherry.api.core_v1 import Pod
from wherry.api.meta_v1 import ObjectMeta

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
USAGE = Usage(2_000_000_000, 100, 80, 60, 1, 2, 3, 4, 200)
DISK = FileSystem(1000, 400, 50, 20)
POD = PodStats(
    Pod(metadata=ObjectMeta(name="p", namespace="d", uid="u")), NOW, USAGE, 7,
    [ContainerStats("c", NOW, USAGE, 5, Taken(10, 1), Taken(20, 2))],
    [Interface("eth0", 1, 2, 3, 4)], {"v": Taken(30, 3)}, Taken(60, 6),
)  # fmt: skip
STATS = NodeStats(NOW, USAGE, 9, 1000, [POD], USAGE, 8, DISK, DISK, [], 11, 12)


def test_the_summary():
    tree = summary(STATS, "n1")
    assert tree["node"]["nodeName"] == "n1"
    assert tree["node"]["cpu"] == {
        "time": "2026-11-21T12:00:00Z", "usageNanoCores": 9, "usageCoreNanoSeconds": 2_000_000_000,
    }  # fmt: skip
    assert tree["node"]["fs"]["usedBytes"] == 600
    assert tree["node"]["fs"]["inodesUsed"] == 30
    (pod,) = tree["pods"]
    assert pod["podRef"] == {"name": "p", "namespace": "d", "uid": "u"}
    assert pod["memory"]["availableBytes"] == 120
    assert pod["network"]["rxBytes"] == 1
    assert pod["volume"][0] == {**pod["volume"][0], "name": "v", "usedBytes": 30}
    assert pod["ephemeral-storage"]["usedBytes"] == 60
    assert pod["containers"][0]["logs"]["usedBytes"] == 20


def test_the_brief_summary():
    tree = summary(STATS, "n1", only_cpu_and_memory=True)
    assert "fs" not in tree["node"]
    assert set(tree["pods"][0]) == {"podRef", "startTime", "containers", "cpu", "memory"}


def test_the_metrics_can_be_scraped():
    found = {
        (sample.name, tuple(sample.labels.values())): sample
        for family in text_string_to_metric_families(resource_metrics(STATS))
        for sample in family.samples
    }
    assert found["container_cpu_usage_seconds_total", ("c", "d", "p")].value == 2.0
    assert found["pod_memory_working_set_bytes", ("d", "p")].value == 80
    assert found["node_memory_working_set_bytes", ()].timestamp == NOW.timestamp()
    assert found["resource_scrape_error", ()].value == 0


def test_no_figures_are_said_to_be_none():
    assert resource_metrics(None).splitlines()[-1] == "resource_scrape_error 1"


def test_interfaces_leave_out_the_loopback():
    head = "Inter-|\n face |\n"
    text = head + "    lo: 1 1 0 0 0 0 0 0 1 1 0 0\n  eth0: 5 1 2 0 0 0 0 0 7 1 3 0\n"
    assert interfaces(text) == [Interface("eth0", 5, 2, 7, 3, 1, 0, 1, 0)]


def test_what_a_folder_takes(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/file").write_bytes(b"x" * 100_000)
    (tmp_path / "link").symlink_to("/")
    found = taken(tmp_path)
    assert found.inodes == 4
    assert 100_000 <= found.bytes <= 200_000
    assert taken(tmp_path / "none") == Taken()
