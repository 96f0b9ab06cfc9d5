"""What was seen of a machine and its groups, and how that reads in Prometheus' text form. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from kubelet.node.machine import Machine
from kubelet.stats.collector import Interface
from kubelet.stats.detail import Detail
from kubelet.stats.disk import FileSystem, Taken
from kubelet.stats.exposition import Sample, braces, page
from kubelet.stats.usage import Usage

_COUNTERS = {
    "container_cpu_usage_seconds_total": "Cumulative cpu time consumed in seconds.",
    "container_cpu_user_seconds_total": "Cumulative user cpu time consumed in seconds.",
    "container_cpu_system_seconds_total": "Cumulative system cpu time consumed in seconds.",
    "container_cpu_cfs_periods_total": "Number of elapsed enforcement period intervals.",
    "container_cpu_cfs_throttled_periods_total": "Number of throttled period intervals.",
    "container_cpu_cfs_throttled_seconds_total": "Total time the container has been throttled.",
    "container_memory_failcnt": "Number of memory usage hits limits.",
    "container_memory_failures_total": "Cumulative count of memory allocation failures.",
    "container_oom_events_total": "Count of out of memory events observed for the container.",
    "container_fs_reads_total": "Cumulative count of reads completed.",
    "container_fs_writes_total": "Cumulative count of writes completed.",
    "container_fs_reads_bytes_total": "Cumulative count of bytes read.",
    "container_fs_writes_bytes_total": "Cumulative count of bytes written.",
    "container_network_receive_bytes_total": "Cumulative count of bytes received.",
    "container_network_receive_packets_total": "Cumulative count of packets received.",
    "container_network_receive_errors_total": "Cumulative count of errors while receiving.",
    "container_network_receive_packets_dropped_total": "Cumulative count of packets dropped while receiving.",
    "container_network_transmit_bytes_total": "Cumulative count of bytes transmitted.",
    "container_network_transmit_packets_total": "Cumulative count of packets transmitted.",
    "container_network_transmit_errors_total": "Cumulative count of errors while transmitting.",
    "container_network_transmit_packets_dropped_total": "Cumulative count of packets dropped while transmitting.",
}  # fmt: skip
_GAUGES = {
    "container_memory_cache": "Number of bytes of page cache memory.",
    "container_memory_rss": "Size of RSS in bytes.",
    "container_memory_mapped_file": "Size of memory mapped files in bytes.",
    "container_memory_swap": "Container swap usage in bytes.",
    "container_memory_usage_bytes": "Current memory usage in bytes, whenever it was accessed.",
    "container_memory_working_set_bytes": "Current working set in bytes.",
    "container_memory_max_usage_bytes": "Maximum memory usage recorded in bytes.",
    "container_memory_total_active_file_bytes": "Current total active file in bytes.",
    "container_memory_total_inactive_file_bytes": "Current total inactive file in bytes.",
    "container_fs_usage_bytes": "Number of bytes that are consumed on this filesystem.",
    "container_fs_limit_bytes": "Number of bytes that can be consumed on this filesystem.",
    "container_fs_inodes_total": "Number of inodes.",
    "container_fs_inodes_free": "Number of available inodes.",
    "container_processes": "Number of processes running inside the container.",
    "container_threads": "Number of threads running inside the container.",
    "container_spec_cpu_shares": "CPU share of the container.",
    "container_spec_cpu_quota": "CPU quota of the container.",
    "container_spec_cpu_period": "CPU period of the container.",
    "container_spec_memory_limit_bytes": "Memory limit for the container.",
    "container_spec_memory_swap_limit_bytes": "Memory swap limit for the container.",
    "container_spec_memory_reservation_limit_bytes": "Memory reservation limit for the container.",
    "container_start_time_seconds": "Start time of the container since unix epoch in seconds.",
    "container_last_seen": "Last time a container was seen by the exporter.",
    "container_scrape_error": "1 if there was an error while getting container metrics, 0 otherwise.",
    "cadvisor_version_info": "Of what the figures are, labeled by kernel version and OS version.",
    "machine_cpu_cores": "Number of logical CPU cores.",
    "machine_cpu_physical_cores": "Number of physical CPU cores.",
    "machine_cpu_sockets": "Number of CPU sockets.",
    "machine_memory_bytes": "Amount of memory installed on the machine.",
    "machine_swap_bytes": "Amount of swap memory available on the machine.",
    "machine_scrape_error": "1 if there was an error while getting machine metrics, 0 otherwise.",
}
_HEADS = {
    **{name: ("counter", words) for name, words in _COUNTERS.items()},
    **{name: ("gauge", words) for name, words in _GAUGES.items()},
}
_NETWORK = {
    "receive_bytes_total": "received_bytes", "receive_packets_total": "received_packets",
    "receive_errors_total": "receive_errors", "receive_packets_dropped_total": "receive_drops",
    "transmit_bytes_total": "sent_bytes", "transmit_packets_total": "sent_packets",
    "transmit_errors_total": "send_errors", "transmit_packets_dropped_total": "send_drops",
}  # fmt: skip
_IO = {
    "reads_total": "reads", "writes_total": "writes", "reads_bytes_total": "read_bytes",
    "writes_bytes_total": "written_bytes",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Group:
    """One control group at one moment, and whose it is.

    image, name: of a container or sandbox; disk: what a container wrote, where it may write
    """

    id: str
    usage: Usage
    detail: Detail
    namespace: str = ""
    pod: str = ""
    container: str = ""
    image: str = ""
    name: str = ""
    started_at: datetime | None = None
    interfaces: tuple[Interface, ...] = ()
    disk: Taken | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything at one moment. `device`: what the engine's files lie on."""

    at: datetime
    machine: Machine
    swap_bytes: int
    groups: tuple[Group, ...]
    device: str
    images: FileSystem


def page_of(seen: Seen) -> str:
    return page(_HEADS, _samples(seen))


def failed() -> str:
    """The page of a machine that could not be looked at."""
    return page(_HEADS, [Sample("container_scrape_error", "", 1)])


def _samples(seen: Seen) -> Iterator[Sample]:
    yield from _machine(seen)
    stamp = int(seen.at.timestamp() * 1000)
    for group in seen.groups:
        labels = {
            "container": group.container, "id": group.id, "image": group.image,
            "name": group.name, "namespace": group.namespace, "pod": group.pod,
        }  # fmt: skip
        for name, value, more in (
            *_cpu(group), *_memory(group), *_files(group, seen), *_network(group), *_spec(group),
            ("container_last_seen", int(seen.at.timestamp()), {}),
        ):  # fmt: skip
            yield Sample(name, braces(**(labels | more)), value, stamp)


Row = tuple[str, float, dict[str, str]]  # name, value, labels beyond the group's


def _machine(seen: Seen) -> Iterator[Sample]:
    machine = seen.machine
    labels = braces(
        boot_id=machine.boot_id, machine_id=machine.machine_id, system_uuid=machine.system_uuid
    )
    for name, value in (
        ("cpu_cores", machine.cpus), ("cpu_physical_cores", machine.cores),
        ("cpu_sockets", machine.sockets), ("memory_bytes", machine.memory_bytes),
        ("swap_bytes", seen.swap_bytes),
    ):  # fmt: skip
        yield Sample(f"machine_{name}", labels, value)
    yield Sample("machine_scrape_error", "", 0)
    yield Sample("container_scrape_error", "", 0)
    version = braces(kernelVersion=machine.kernel_version, osVersion=machine.os_image)
    yield Sample("cadvisor_version_info", version, 1)


def _cpu(group: Group) -> Iterator[Row]:
    found = group.detail
    used = group.usage.cpu_nanoseconds / 1e9
    yield "container_cpu_usage_seconds_total", used, {"cpu": "total"}
    yield "container_cpu_user_seconds_total", found.user_seconds, {}
    yield "container_cpu_system_seconds_total", found.system_seconds, {}
    if found.quota:
        yield "container_cpu_cfs_periods_total", found.periods, {}
        yield "container_cpu_cfs_throttled_periods_total", found.throttled_periods, {}
        yield "container_cpu_cfs_throttled_seconds_total", found.throttled_seconds, {}


def _memory(group: Group) -> Iterator[Row]:
    usage, found = group.usage, group.detail
    for name, value in (
        ("cache", found.cache_bytes), ("rss", usage.rss_bytes), ("swap", usage.swap_bytes),
        ("mapped_file", found.mapped_bytes), ("usage_bytes", usage.memory_bytes),
        ("working_set_bytes", usage.working_set_bytes), ("max_usage_bytes", found.memory_bytes_max),
        ("total_active_file_bytes", found.active_file_bytes),
        ("total_inactive_file_bytes", found.inactive_file_bytes), ("failcnt", found.limit_hits),
    ):  # fmt: skip
        yield f"container_memory_{name}", value, {}
    for kind, faults in (
        ("pgfault", usage.page_faults), ("pgmajfault", usage.major_page_faults)
    ):  # fmt: skip
        more = {"failure_type": kind, "scope": "hierarchy"}
        yield "container_memory_failures_total", faults, more
    yield "container_oom_events_total", found.oom_kills, {}


def _files(group: Group, seen: Seen) -> Iterator[Row]:
    images = seen.images
    used = images.capacity_bytes - images.available_bytes if group.id == "/" else None
    if group.disk is not None:
        used = group.disk.bytes
    if used is not None:
        on = {"device": seen.device}
        yield "container_fs_usage_bytes", used, on
        yield "container_fs_limit_bytes", images.capacity_bytes, on
        yield "container_fs_inodes_total", images.inodes, on
        yield "container_fs_inodes_free", images.inodes_free, on
    for device, io in group.detail.io.items():
        for name, figure in _IO.items():
            yield f"container_fs_{name}", getattr(io, figure), {"device": device}


def _network(group: Group) -> Iterator[Row]:
    for one in group.interfaces:
        for name, figure in _NETWORK.items():
            more = {"interface": one.name}
            yield f"container_network_{name}", getattr(one, figure), more


def _spec(group: Group) -> Iterator[Row]:
    found = group.detail
    yield "container_spec_cpu_shares", found.shares, {}
    yield "container_spec_cpu_period", found.period, {}
    if found.quota:
        yield "container_spec_cpu_quota", found.quota, {}
    limit = group.usage.memory_limit_bytes or 0
    yield "container_spec_memory_limit_bytes", limit, {}
    yield "container_spec_memory_swap_limit_bytes", limit if group.name else 0, {}
    yield "container_spec_memory_reservation_limit_bytes", 0, {}
    if group.started_at is not None:
        yield "container_start_time_seconds", group.started_at.timestamp(), {}
    if group.name:
        yield "container_processes", found.processes, {}
        yield "container_threads", group.usage.processes, {}
