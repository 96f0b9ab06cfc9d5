"""What a control group has used, from its files. The parsing is pure; both cgroup versions give one value.

Source: google/cadvisor's container/libcontainer/handler.go (working set = usage less inactive file pages).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

NO_LIMIT_BYTES = 1 << 60  # v1 writes a huge number where v2 writes "max"

Read = Callable[[str, str], str]  # (controller, file) -> text; "" when there is no such file


@dataclass(frozen=True, slots=True)
class Usage:
    """`cpu_nanoseconds`, `page_faults`: since the group was made; the rest: now. No limit is None."""

    cpu_nanoseconds: int = 0
    memory_bytes: int = 0
    working_set_bytes: int = 0
    rss_bytes: int = 0
    swap_bytes: int = 0
    page_faults: int = 0
    major_page_faults: int = 0
    processes: int = 0
    memory_limit_bytes: int | None = None


def flat(text: str) -> dict[str, int]:
    """Lines of `name number`."""
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def number(text: str) -> int:
    """A file of one number; 0 when it is not there or says something else."""
    text = text.strip()
    return int(text) if text.isdigit() else 0


def of_v1(read: Read) -> Usage:
    """A group below `/sys/fs/cgroup/<controller>/`."""
    memory = number(read("memory", "memory.usage_in_bytes"))
    stat = flat(read("memory", "memory.stat"))
    limit = number(read("memory", "memory.limit_in_bytes"))
    return Usage(
        cpu_nanoseconds=number(read("cpuacct", "cpuacct.usage")),
        memory_bytes=memory,
        working_set_bytes=max(0, memory - stat.get("total_inactive_file", 0)),
        rss_bytes=stat.get("total_rss", 0),
        swap_bytes=stat.get("total_swap", 0),
        page_faults=stat.get("total_pgfault", 0),
        major_page_faults=stat.get("total_pgmajfault", 0),
        processes=number(read("pids", "pids.current")),
        memory_limit_bytes=limit if 0 < limit < NO_LIMIT_BYTES else None,
    )


def of_v2(read: Read) -> Usage:
    """A group of the unified hierarchy."""
    memory = number(read("", "memory.current"))
    stat = flat(read("", "memory.stat"))
    limit = number(read("", "memory.max"))
    return Usage(
        cpu_nanoseconds=flat(read("", "cpu.stat")).get("usage_usec", 0) * 1000,
        memory_bytes=memory,
        working_set_bytes=max(0, memory - stat.get("inactive_file", 0)),
        rss_bytes=stat.get("anon", 0),
        swap_bytes=number(read("", "memory.swap.current")),
        page_faults=stat.get("pgfault", 0),
        major_page_faults=stat.get("pgmajfault", 0),
        processes=number(read("", "pids.current")),
        memory_limit_bytes=limit or None,
    )


def of_node(stat: str, memory: Mapping[str, int], ticks_per_second: int) -> Usage:
    """The whole machine, from /proc/stat and /proc/meminfo (bytes): the root group has few files."""
    fields = stat.splitlines()[0].split()[1:9]  # user nice system idle iowait irq softirq steal
    busy = sum(int(field) for at, field in enumerate(fields) if at not in (3, 4))
    used = memory.get("MemTotal", 0) - memory.get("MemFree", 0)
    return Usage(
        cpu_nanoseconds=busy * (1_000_000_000 // ticks_per_second),
        memory_bytes=used,
        working_set_bytes=max(0, used - memory.get("Inactive(file)", 0)),
        rss_bytes=memory.get("AnonPages", 0),
        swap_bytes=memory.get("SwapTotal", 0) - memory.get("SwapFree", 0),
    )
