"""The one process that stays: it starts daemons, restarts those that end, rotates their logs, and
has their certificates renewed in time.

Run as `python -m deploy.supervisor PLAN`, detached from any terminal. It says how each daemon is in
the plan's state file, which is all that `up`, `status` and `down` look at. SIGTERM stops the daemons
in reverse order. Those named in the `held` file beside the state are not started (SIGHUP: read it
again); the lab holds a machine's daemons while it is off. Should the supervisor be killed, the kernel
ends its children (PR_SET_PDEATHSIG), so that a second one never meets the first one's daemons.

It knows no cluster and asks no API; what to run is in the plan.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import ssl
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.files import write_public
from deploy.spec import Daemon, Plan, Ready, held_file
from wherry.daemon.backoff import Backoff

READY_POLL_SECONDS = 0.05  # while starting; a loopback GET costs a millisecond
WATCH_POLL_SECONDS = 10.0  # once ready
PROBE_TIMEOUT_SECONDS = 2.0
STEADY_SECONDS = 30.0  # a daemon that ran this long starts its back-off afresh
LOG_BYTES_MAX = 20 * 1024 * 1024
LOG_FILES_KEPT = 2
LOG_CHECK_SECONDS = 30.0
KEEPER_SECONDS_MAX = 60.0
RESTART_CHECK_SECONDS = 2.0
PR_SET_PDEATHSIG = 1


@dataclass
class Condition:
    """How one daemon is."""

    pid: int = 0
    ready: bool = False
    restarts: int = 0
    started: float = 0.0
    last_exit: str = ""


def _tls(ready: Ready) -> ssl.SSLContext | None:
    if not ready.ca:
        return None
    if ready.ca == "-":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    context = ssl.create_default_context(cafile=ready.ca)
    context.check_hostname = False  # reached by address, which need not be in the certificate
    if ready.client:
        context.load_cert_chain(f"{ready.client}.crt", f"{ready.client}.key")
    return context


async def answers(ready: Ready) -> bool:
    """Whether the readiness GET is answered with 200 within its deadline."""
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_SECONDS):
            if ready.address.startswith("/"):
                reader, writer = await asyncio.open_unix_connection(ready.address)
            else:
                host, _, port = ready.address.rpartition(":")
                reader, writer = await asyncio.open_connection(host, int(port), ssl=_tls(ready))
            try:
                request = (
                    f"GET {ready.path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
                )
                writer.write(request.encode())
                line = await reader.readline()
            finally:
                writer.close()
            return line.split(b" ")[1:2] == [b"200"]
    except (OSError, TimeoutError, ssl.SSLError):
        return False


def rotate(path: Path) -> None:
    """Copy a grown log aside and empty it; writers append, so they go on at its new start."""
    if not path.exists() or path.stat().st_size <= LOG_BYTES_MAX:
        return
    for number in range(LOG_FILES_KEPT, 1, -1):
        older = path.with_name(f"{path.name}.{number - 1}")
        if older.exists():
            older.replace(path.with_name(f"{path.name}.{number}"))
    path.with_name(f"{path.name}.1").write_bytes(path.read_bytes())
    os.truncate(path, 0)


PEM_END = b"-----END CERTIFICATE-----"


def _content(files: tuple[str, ...]) -> list[frozenset[bytes]]:
    """The certificates of each file: a bundle in another order is the same bundle."""
    found = []
    for path in map(Path, files):
        try:
            found.append(frozenset(one.strip() for one in path.read_bytes().split(PEM_END)))
        except FileNotFoundError:
            found.append(frozenset())
    return found


_libc = ctypes.CDLL(None, use_errno=True)


def _die_with_parent() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Supervisor:
    """Runs a plan until it is told to stop."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._conditions = {daemon.name: Condition() for daemon in plan.daemons}
        self._ready = {daemon.name: asyncio.Event() for daemon in plan.daemons}
        self._stopping = asyncio.Event()
        self._gone = {daemon.name: asyncio.Event() for daemon in plan.daemons}
        self._held = frozenset[str]()
        self._held_changed = asyncio.Event()

    def _read_held(self) -> None:
        with contextlib.suppress(FileNotFoundError):  # nobody ever held a daemon
            self._held = frozenset(json.loads(held_file(self._plan.state).read_text()))
        self._held_changed.set()
        self._held_changed = asyncio.Event()
        self._say()

    def _say(self) -> None:
        state = {
            "pid": os.getpid(),
            "held": sorted(self._held),
            "daemons": {name: asdict(condition) for name, condition in self._conditions.items()},
        }
        write_public(Path(self._plan.state), json.dumps(state, indent=1).encode())

    async def run(self) -> None:
        """Start everything; return once SIGTERM came and all have ended."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._read_held)
        self._read_held()
        async with asyncio.TaskGroup() as group:
            keepers = [group.create_task(self._keep(daemon)) for daemon in self._plan.daemons]
            others = [
                group.create_task(self._rotate_logs()),
                group.create_task(self._restart_on_changes()),
                group.create_task(self._keep_certificates()),
            ]
            await self._stopping.wait()
            for daemon, keeper in reversed(list(zip(self._plan.daemons, keepers, strict=True))):
                await self._stop(daemon, keeper)
            for other in others:
                other.cancel()

    async def _stop(self, daemon: Daemon, keeper: asyncio.Task[None]) -> None:
        condition = self._conditions[daemon.name]
        if condition.pid == 0:
            keeper.cancel()
            return
        if daemon.before_stop:
            process = await asyncio.create_subprocess_exec(*daemon.before_stop)
            try:
                await asyncio.wait_for(process.wait(), daemon.stop_seconds)
            except TimeoutError:
                process.kill()
                await process.wait()
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):  # it may end by itself meanwhile
                os.kill(condition.pid, number)
            try:
                await asyncio.wait_for(self._gone[daemon.name].wait(), daemon.stop_seconds)
                return
            except TimeoutError:
                continue

    async def _keep(self, daemon: Daemon) -> None:
        condition = self._conditions[daemon.name]
        backoff = Backoff(initial=0.2, factor=2.0, maximum=10.0, jitter=0.1)
        while not self._stopping.is_set():
            await self._may_start(daemon)
            process = await self._start(daemon)
            if daemon.name in self._held:  # since it was about to start
                process.kill()
            condition.pid, condition.started = process.pid, time.time()
            self._say()
            watcher = asyncio.create_task(self._watch(daemon))
            code = await process.wait()
            watcher.cancel()
            condition.pid, condition.ready = 0, False
            condition.last_exit = f"exit code {code}" if code >= 0 else f"signal {-code}"
            self._say()
            if self._stopping.is_set():
                break
            if daemon.name in self._held:
                self._ready[daemon.name].clear()
                backoff.reset()
                continue
            condition.restarts += 1
            if time.time() - condition.started > STEADY_SECONDS:
                backoff.reset()
            with contextlib.suppress(TimeoutError):  # the wait is the back-off
                await asyncio.wait_for(self._stopping.wait(), backoff.next())
        self._gone[daemon.name].set()

    async def _may_start(self, daemon: Daemon) -> None:
        """Return when nobody holds it and what it comes after is ready."""
        while daemon.name in self._held:
            await self._held_changed.wait()
        for name in daemon.after:
            await self._ready[name].wait()

    async def _start(self, daemon: Daemon) -> asyncio.subprocess.Process:
        path = Path(daemon.log)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as log:  # noqa: ASYNC230 # a local file, opened once per start
            return await asyncio.create_subprocess_exec(
                *daemon.argv(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **daemon.environment},
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    async def _watch(self, daemon: Daemon) -> None:
        """Keep `ready` true to what the daemon answers while it runs."""
        condition = self._conditions[daemon.name]
        while True:
            ready = True if daemon.ready is None else await answers(daemon.ready)
            if ready != condition.ready:
                condition.ready = ready
                self._say()
            if ready:
                self._ready[daemon.name].set()
            await asyncio.sleep(WATCH_POLL_SECONDS if ready else READY_POLL_SECONDS)

    async def _restart_on_changes(self) -> None:
        """A daemon that reads some file only once is started again when that file changed."""
        seen = {d.name: _content(d.restart_on) for d in self._plan.daemons if d.restart_on}
        while seen:
            await asyncio.sleep(RESTART_CHECK_SECONDS)
            for daemon in self._plan.daemons:
                if daemon.name not in seen or seen[daemon.name] == _content(daemon.restart_on):
                    continue
                seen[daemon.name] = _content(daemon.restart_on)
                pid = self._conditions[daemon.name].pid
                if pid:
                    with contextlib.suppress(ProcessLookupError):  # its keeper starts it anyway
                        os.kill(pid, signal.SIGTERM)

    async def _keep_certificates(self) -> None:
        """Now and then let a process of its own renew what is due."""
        while self._plan.inventory:
            await asyncio.sleep(self._plan.check_seconds)
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", self._plan.keeper, self._plan.inventory,
                preexec_fn=_die_with_parent,
            )  # fmt: skip
            with contextlib.suppress(TimeoutError):  # killed below; the next look is soon enough
                await asyncio.wait_for(process.wait(), KEEPER_SECONDS_MAX)
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def _rotate_logs(self) -> None:
        while True:
            await asyncio.sleep(LOG_CHECK_SECONDS)
            for daemon in self._plan.daemons:
                await asyncio.to_thread(rotate, Path(daemon.log))


def main(path: Path) -> None:
    plan = Plan.read(path)
    asyncio.run(Supervisor(plan).run())
    Path(plan.state).unlink(missing_ok=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
