"""What a control group tells beyond its `Usage`, as cAdvisor shows it. The parsing is pure; both cgroup
versions give one value.

Source: google/cadvisor's container/libcontainer/handler.go, opencontainers/runc's libcontainer/cgroups.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from kubelet.stats.usage import Read, flat, number

_TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Io:
    """Totals of one block device."""

    read_bytes: int = 0
    written_bytes: int = 0
    reads: int = 0
    writes: int = 0


@dataclass(frozen=True, slots=True)
class Detail:
    """Seconds, periods, io and failures: since the group was made; bytes: now.

    quota: microseconds per period, 0 without a limit; io: by `major:minor`
    """

    user_seconds: float = 0.0
    system_seconds: float = 0.0
    periods: int = 0
    throttled_periods: int = 0
    throttled_seconds: float = 0.0
    shares: int = 0
    quota: int = 0
    period: int = 0
    cache_bytes: int = 0
    mapped_bytes: int = 0
    active_file_bytes: int = 0
    inactive_file_bytes: int = 0
    memory_bytes_max: int = 0  # that there ever were
    limit_hits: int = 0
    oom_kills: int = 0
    processes: int = 0
    io: Mapping[str, Io] = field(default_factory=dict)


def of_v1(read: Read) -> Detail:
    ticks = flat(read("cpuacct", "cpuacct.stat"))
    cpu = flat(read("cpu", "cpu.stat"))
    memory = flat(read("memory", "memory.stat"))
    return Detail(
        user_seconds=ticks.get("user", 0) * _TICK_SECONDS,
        system_seconds=ticks.get("system", 0) * _TICK_SECONDS,
        periods=cpu.get("nr_periods", 0),
        throttled_periods=cpu.get("nr_throttled", 0),
        throttled_seconds=cpu.get("throttled_time", 0) / 1e9,
        shares=number(read("cpu", "cpu.shares")),
        quota=number(read("cpu", "cpu.cfs_quota_us")),
        period=number(read("cpu", "cpu.cfs_period_us")),
        cache_bytes=memory.get("total_cache", 0),
        mapped_bytes=memory.get("total_mapped_file", 0),
        active_file_bytes=memory.get("total_active_file", 0),
        inactive_file_bytes=memory.get("total_inactive_file", 0),
        memory_bytes_max=number(read("memory", "memory.max_usage_in_bytes")),
        limit_hits=number(read("memory", "memory.failcnt")),
        oom_kills=flat(read("memory", "memory.oom_control")).get("oom_kill", 0),
        processes=len(read("memory", "cgroup.procs").split()),
        io=_io_v1(
            read("blkio", "blkio.throttle.io_service_bytes_recursive"),
            read("blkio", "blkio.throttle.io_serviced_recursive"),
        ),
    )


def of_v2(read: Read) -> Detail:
    cpu = flat(read("", "cpu.stat"))
    memory = flat(read("", "memory.stat"))
    events = flat(read("", "memory.events"))
    quota, _, period = read("", "cpu.max").strip().partition(" ")
    return Detail(
        user_seconds=cpu.get("user_usec", 0) / 1e6,
        system_seconds=cpu.get("system_usec", 0) / 1e6,
        periods=cpu.get("nr_periods", 0),
        throttled_periods=cpu.get("nr_throttled", 0),
        throttled_seconds=cpu.get("throttled_usec", 0) / 1e6,
        shares=_shares(number(read("", "cpu.weight"))),
        quota=number(quota),
        period=number(period),
        cache_bytes=memory.get("file", 0),
        mapped_bytes=memory.get("file_mapped", 0),
        active_file_bytes=memory.get("active_file", 0),
        inactive_file_bytes=memory.get("inactive_file", 0),
        memory_bytes_max=number(read("", "memory.peak")),
        limit_hits=events.get("max", 0),
        oom_kills=events.get("oom_kill", 0),
        processes=len(read("", "cgroup.procs").split()),
        io=_io_v2(read("", "io.stat")),
    )


def _shares(weight: int) -> int:
    """Version 1's shares for version 2's weight (`cgroups.weight` the other way round)."""
    return 2 + (weight - 1) * 262142 // 9999 if weight else 0


def _io_v1(sizes: str, counts: str) -> dict[str, Io]:
    """Lines of `major:minor Read number`."""
    rows: dict[str, dict[str, int]] = {}
    for kind, text in (("bytes", sizes), ("times", counts)):
        for words in map(str.split, text.splitlines()):
            if len(words) == 3 and words[1] in ("Read", "Write"):
                rows.setdefault(words[0], {})[f"{words[1]} {kind}"] = int(words[2])
    return {
        device: Io(*(row.get(name, 0) for name in _IO_V1)) for device, row in sorted(rows.items())
    }


_IO_V1 = ("Read bytes", "Write bytes", "Read times", "Write times")
_IO_V2 = ("rbytes", "wbytes", "rios", "wios")


def _io_v2(text: str) -> dict[str, Io]:
    """Lines of `major:minor rbytes=number wbytes=number …`."""
    found = {}
    for device, *words in map(str.split, text.splitlines()):
        row = dict(word.split("=", 1) for word in words if "=" in word)
        found[device] = Io(*(int(row.get(name, 0)) for name in _IO_V2))
    return found
