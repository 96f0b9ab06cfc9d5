"""How every daemon starts and ends.

`run` gives the main coroutine uvloop, turns the first SIGTERM or SIGINT into a clean cancellation
and a second one into an immediate end, and exits with 0 only when asked to stop. `fail` is the one
way to refuse to start: what is wrong and what fixes it, on one line.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import NoReturn

import uvloop

log = logging.getLogger(__name__)

# Python's own thresholds (700, 10, 10) walk all of a filling cache again and again; our objects are
# freed by their reference counts, cycles are rare.
GC_THRESHOLDS = (20_000, 20, 20)


class StartError(Exception):
    """The process can't do its work here, and a person has to change something."""

    def __init__(self, cause: str, fix: str = "") -> None:
        super().__init__(f"{cause}; {fix}" if fix else cause)
        self.cause = cause
        self.fix = fix


def fail(cause: str, fix: str = "") -> NoReturn:
    """Say in one line what is wrong and what to do, and exit with code 1."""
    line = f"{cause} — {fix}" if fix else cause
    sys.stderr.write(" ".join(line.split()) + "\n")
    raise SystemExit(1)


def freeze_after_start() -> None:
    """Call when everything long-lived exists: later collections skip it (and fork shares it)."""
    gc.collect()
    gc.freeze()


def run(main: Callable[[], Awaitable[None]], *, component: str) -> NoReturn:
    """Run a daemon to its end and exit: 0 when told to stop, 1 when it failed."""
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            code = runner.run(_supervise(main, component))
    except StartError as error:
        fail(error.cause, error.fix)
    raise SystemExit(code)


async def _supervise(main: Callable[[], Awaitable[None]], component: str) -> int:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(main())
    asked = False

    def stop(number: int) -> None:
        nonlocal asked
        if asked:
            os._exit(128 + number)
        asked = True
        log.info("%s got %s, stopping", component, signal.Signals(number).name)
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    try:
        await task
    except asyncio.CancelledError:
        return 0 if asked else 1
    except StartError:
        raise
    except BaseExceptionGroup as group:
        start = _start_error(group)
        if start is not None:
            raise start from None
        log.exception("%s failed", component)
        return 0 if asked else 1
    except Exception:  # the last frame of the process: whatever it was, it is logged and ends us
        log.exception("%s failed", component)
        return 1
    return 0


def _start_error(group: BaseExceptionGroup[BaseException]) -> StartError | None:
    """A StartError that came through a TaskGroup."""
    for error in group.exceptions:
        if isinstance(error, StartError):
            return error
        if isinstance(error, BaseExceptionGroup):
            inner = _start_error(error)
            if inner is not None:
                return inner
    return None
