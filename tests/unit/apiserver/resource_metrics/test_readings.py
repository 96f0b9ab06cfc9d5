"""What lies between two pages of a kubelet."""

from apiserver.resource_metrics.readings import Reading, Usage, parse, pod_usage, usage

PAGE = """\
# HELP container_cpu_usage_seconds_total [STABLE] cpu
# TYPE container_cpu_usage_seconds_total counter
container_cpu_usage_seconds_total{container="c",namespace="d",pod="p"} 12.5 1700000000000
# TYPE container_memory_working_set_bytes gauge
container_memory_working_set_bytes{container="c",namespace="d",pod="p"} 2048 1700000000000
# TYPE container_start_time_seconds gauge
container_start_time_seconds{container="c",namespace="d",pod="p"} 1.6e9
# TYPE node_cpu_usage_seconds_total counter
node_cpu_usage_seconds_total 100.25 1700000000500
# TYPE node_memory_working_set_bytes gauge
node_memory_working_set_bytes 4096 1700000000500
# TYPE pod_memory_working_set_bytes gauge
pod_memory_working_set_bytes{namespace="d",pod="p"} 9 1700000000000
# TYPE resource_scrape_error gauge
resource_scrape_error 0
"""


def test_a_page():
    found = parse(PAGE)
    assert found.node == Reading(1700000000.5, 100.25, 4096)
    assert found.pods == {("d", "p"): {"c": Reading(1700000000.0, 12.5, 2048, 1.6e9)}}


def test_usage_between_two_readings():
    found = usage(Reading(100.0, 10.0, 1, 50.0), Reading(110.0, 12.5, 2048, 50.0))
    assert found == Usage(110.0, 10.0, 250_000_000, 2048)


def test_a_container_that_began_anew_counts_from_its_start():
    found = usage(Reading(100.0, 99.0, 1, 50.0), Reading(110.0, 1.0, 2048, 105.0))
    assert found == Usage(110.0, 5.0, 200_000_000, 2048)


def test_one_reading_of_a_node_tells_nothing():
    assert usage(None, Reading(110.0, 1.0, 2048)) is None


def test_a_pod_is_told_whole_or_not_at_all():
    before = {"a": Reading(1.0, 1.0, 1, 0.5)}
    now = {"a": Reading(2.0, 1.5, 1, 0.5), "b": Reading(2.0, None, 1)}
    assert pod_usage(before, now) is None
    assert pod_usage(before, {"a": now["a"]}) == {"a": Usage(2.0, 1.0, 500_000_000, 1)}
