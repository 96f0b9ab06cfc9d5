"""Memory that glibc keeps for later, given back to the machine.

Answers of megabytes and encrypted blocks for a hundred watchers come and go between small objects that
stay. glibc keeps what was freed unless it lies at the very end; told to, it gives back every free page.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from wherry.daemon.clock import Clock

# glibc keeps freed memory in one arena per thread; with the few threads here two are plenty, and the
# rest would only make a big list's memory stay.
_M_ARENA_MAX = -8
ARENAS_MAX = 2
# Trimming takes about a millisecond when there is little to give back, ten for 60 MB.
TRIM_SECONDS = 5.0


def limit_arenas() -> None:
    """What MALLOC_ARENA_MAX=2 in the environment does; for glibc only."""
    mallopt = _libc("mallopt")
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, ARENAS_MAX)


async def trim_for_ever(clock: Clock) -> None:
    """Give free memory back every now and then; for glibc only."""
    trim = _libc("malloc_trim")
    while trim is not None:
        await clock.sleep(TRIM_SECONDS)
        trim(0)


def _libc(name: str) -> Callable[..., Any] | None:
    found: Callable[..., Any] | None = getattr(ctypes.CDLL(None), name, None)
    return found
