"""A real supervisor process over small real daemons."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy import launch
from deploy.preflight import Problem
from deploy.spec import Daemon, Plan, Ready

DEADLINE_SECONDS = 20.0
SERVE = "import http.server,sys; http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()"


def wait(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not what():
        assert time.monotonic() < deadline, "the condition did not come"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Plan]]:
    state = tmp_path / "state.json"

    def start(*daemons: Daemon) -> Plan:
        plan = Plan(daemons, str(state))
        launch.start(plan, tmp_path / "plan.json", tmp_path / "supervisor.log")
        return plan

    yield start
    launch.stop(state)


def daemon(tmp_path: Path, name: str, *command: str, **more: object) -> Daemon:
    return Daemon(name, command, str(tmp_path / f"{name}.log"), **more)


def condition(plan: Plan, name: str) -> dict[str, object]:
    state = launch.read_state(Path(plan.state)) or {"daemons": {}}
    return state["daemons"].get(name, {})


def test_it_starts_restarts_and_stops(run: Callable[..., Plan], tmp_path: Path) -> None:
    plan = run(daemon(tmp_path, "a", "sleep", "1000"))
    launch.wait_ready(plan, lambda text: None, DEADLINE_SECONDS)
    first = condition(plan, "a")["pid"]
    os.kill(first, signal.SIGKILL)
    wait(lambda: condition(plan, "a").get("restarts") == 1 and condition(plan, "a").get("pid"))
    second = condition(plan, "a")
    assert second["pid"] != first
    assert second["last_exit"] == "signal 9"
    assert launch.stop(Path(plan.state))
    assert not alive(second["pid"])
    assert launch.read_state(Path(plan.state)) is None


def test_a_daemon_waits_for_what_it_needs(
    run: Callable[..., Plan], tmp_path: Path, free_port: int
) -> None:
    server = daemon(
        tmp_path, "server", sys.executable, "-c", SERVE, str(free_port),
        ready=Ready(f"127.0.0.1:{free_port}", "/"),
    )  # fmt: skip
    probe = f"import urllib.request as u; u.urlopen('http://127.0.0.1:{free_port}/'); print('got it', flush=True); import time; time.sleep(1000)"
    client = daemon(tmp_path, "client", sys.executable, "-c", probe, after=("server",))
    plan = run(client, server)
    launch.wait_ready(plan, lambda text: None, DEADLINE_SECONDS)
    wait(lambda: "got it" in (tmp_path / "client.log").read_text())
    assert condition(plan, "client")["restarts"] == 0


def test_a_broken_daemon_is_named_with_its_last_words(
    run: Callable[..., Plan], tmp_path: Path
) -> None:
    plan = run(daemon(tmp_path, "bad", "sh", "-c", "echo the disk is on fire; exit 3",
                      ready=Ready("127.0.0.1:1")))  # fmt: skip
    with pytest.raises(Problem) as problem:
        launch.wait_ready(plan, lambda text: None, 60)
    assert "bad does not become ready (exit code 3)" in problem.value.cause
    assert "the disk is on fire" in problem.value.fix


def test_daemons_end_when_the_supervisor_is_killed(
    run: Callable[..., Plan], tmp_path: Path
) -> None:
    plan = run(daemon(tmp_path, "a", "sleep", "1000"))
    launch.wait_ready(plan, lambda text: None, DEADLINE_SECONDS)
    pid = condition(plan, "a")["pid"]
    state = launch.read_state(Path(plan.state))
    assert state is not None
    os.kill(state["pid"], signal.SIGKILL)
    wait(lambda: not alive(pid))


def test_the_command_before_stop_runs_first(run: Callable[..., Plan], tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    one = daemon(tmp_path, "a", "sleep", "1000", before_stop=("touch", str(mark)))
    plan = run(one)
    launch.wait_ready(plan, lambda text: None, DEADLINE_SECONDS)
    launch.stop(Path(plan.state))
    assert mark.exists()


def test_a_state_file_of_a_dead_supervisor_counts_for_nothing(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    with subprocess.Popen(["sleep", "1000"]) as other:
        state.write_text(f'{{"pid": {other.pid}, "daemons": {{}}}}')
        assert launch.read_state(state) is None
        assert not launch.stop(state)
        other.kill()
