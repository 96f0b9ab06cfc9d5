"""A real supervisor process over small real daemons."""

import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy import keeper, launch
from deploy.cluster_pki import inventory
from deploy.inventory import Lifetimes
from deploy.places import ControlPlane
from deploy.preflight import Problem
from deploy.spec import Daemon, Plan, Ready
from deploy.supervisor import RESTART_CHECK_SECONDS

DEADLINE_SECONDS = 60.0
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

    def start(*daemons: Daemon, inventory: str = "", check_seconds: float = 600.0) -> Plan:
        plan = Plan(daemons, str(state), inventory, check_seconds)
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


def test_a_daemon_is_started_anew_when_a_file_it_read_changes(
    run: Callable[..., Plan], tmp_path: Path
) -> None:
    end = "-----END CERTIFICATE-----\n"
    bundle = tmp_path / "ca.crt"
    bundle.write_text(f"one\n{end}two\n{end}")
    plan = run(daemon(tmp_path, "a", "sleep", "1000", restart_on=(str(bundle),)))
    launch.wait_ready(plan, lambda text: None, DEADLINE_SECONDS)
    first = condition(plan, "a")["pid"]
    bundle.write_text(f"two\n{end}one\n{end}")
    time.sleep(2.5 * RESTART_CHECK_SECONDS)  # the order alone is no change: nothing to wait for
    assert condition(plan, "a")["pid"] == first
    bundle.write_text(f"two\n{end}")
    wait(lambda: condition(plan, "a").get("pid") not in (first, 0))


def test_certificates_are_renewed_while_it_runs(run: Callable[..., Plan], tmp_path: Path) -> None:
    lives = Lifetimes(certificate=6, check=0.5)
    place = ControlPlane("10.1.2.3", tmp_path, tmp_path, tmp_path, lifetimes=lives)
    made = inventory(place)
    keeper.advance(made, datetime.now(UTC))
    made.write()
    spec = made.certificate("dns")
    first = spec.certificate.read_bytes()
    run(daemon(tmp_path, "a", "sleep", "1000"), inventory=str(made.file), check_seconds=0.5)
    wait(lambda: spec.certificate.read_bytes() != first)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_daemon_with_a_user_has_no_rights_left(run: Callable[..., Plan], tmp_path: Path) -> None:
    plan = run(
        daemon(tmp_path, "a", "sleep", "1000", user="daemon", capabilities=("net_bind_service",))
    )
    launch.wait_ready(plan, lambda text: None, DEADLINE_SECONDS)
    pid = condition(plan, "a")["pid"]

    def status() -> dict[str, str]:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return {name: value.strip() for name, _, value in (one.partition(":") for one in lines)}

    wait(lambda: status()["Name"] == "sleep")
    found = status()
    assert set(found["Uid"].split()) == {str(pwd.getpwnam("daemon").pw_uid)}
    assert found["Groups"] == ""
    assert found["NoNewPrivs"] == "1"
    for one in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(found[one], 16) == 1 << 10, one  # CAP_NET_BIND_SERVICE
    state = launch.read_state(Path(plan.state))
    assert state is not None
    os.kill(state["pid"], signal.SIGKILL)  # and it still ends with its supervisor
    wait(lambda: not alive(pid))
