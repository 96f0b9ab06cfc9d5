"""Who was killed for want of memory, as the kernel's own log tells it: at once, and always.

The engine hears of it by an event of the control group, which it asks for only after the container's
start, and may get after its end. A machine whose log can't be read (a container without /dev/kmsg)
makes do with what the engine tells.

Source: the kernel's dump_oom_summary (mm/oom_kill.c), Documentation/ABI/testing/dev-kmsg; upstream's
pkg/kubelet/oom.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Callable
from typing import NamedTuple

log = logging.getLogger(__name__)

DEVICE = "/dev/kmsg"
RECORD_BYTES_MAX = 8192  # of the kernel's; one read gives one record
RECORDS_PER_TURN_MAX = 200  # the loop has other things to do, too
_KILL = re.compile(
    r"oom-kill:constraint=(?P<constraint>\w+),.*task_memcg=(?P<group>[^,]*),"
    r"task=(?P<task>.*),pid=(?P<pid>\d+),uid=\d+"
)
_CONTAINER = re.compile(r"(?:/|/docker-)([0-9a-f]{64})(?:\.scope)?(?:/|$)")


class OomKill(NamedTuple):
    """`container_id` is empty for a process outside containers; `of_machine`: not a group's limit,
    the machine itself had no memory left."""

    container_id: str
    process: str
    pid: int
    of_machine: bool


def oom_kill(record: str) -> OomKill | None:
    """What a record of the log says of a kill; None when it tells of something else. Pure."""
    found = _KILL.search(record)
    if found is None:
        return None
    container = _CONTAINER.search(found["group"])
    return OomKill(
        container[1] if container else "",
        found["task"],
        int(found["pid"]),
        found["constraint"] != "CONSTRAINT_MEMCG",
    )


async def watch(killed: Callable[[OomKill], None], device: str = DEVICE) -> None:
    """Tell of every kill from now on, until cancelled; returns at once when the log can't be read."""
    try:
        source = os.open(device, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        log.info("the kernel's log is not watched: %s", error)
        return
    loop = asyncio.get_running_loop()
    try:
        os.lseek(source, 0, os.SEEK_END)
        loop.add_reader(source, _read, source, killed)
        await asyncio.Event().wait()
    except OSError as error:
        log.info("the kernel's log is not watched: %s", error)
    finally:
        loop.remove_reader(source)
        os.close(source)


def _read(source: int, killed: Callable[[OomKill], None]) -> None:
    for _ in range(RECORDS_PER_TURN_MAX):
        try:
            record = os.read(source, RECORD_BYTES_MAX)
        except BlockingIOError:
            return
        except BrokenPipeError:
            continue  # records were overwritten before we read them: go on with what is left
        found = oom_kill(record.decode(errors="replace"))
        if found is not None:
            killed(found)
