"""The people's tools that talk to a lab, and waiting with a deadline."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy.lab import Lab

ROOT = Path(__file__).parents[2]
IMAGE = "wherry-hello:1"
COMMAND_SECONDS = 120.0
WAIT_SECONDS = 60.0


def wait(
    what: Callable[[], Any], why: str, timeout: float = WAIT_SECONDS, every: float = 0.2
) -> Any:
    """The first true answer of `what`, within a deadline."""
    deadline = time.monotonic() + timeout
    while True:
        answer = what()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"{why}: not within {timeout:.0f} s"
        time.sleep(every)


def run(*command: str, check: bool = True, **more: Any) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False, **more
    )
    if check and done.returncode != 0:
        pytest.fail(f"{' '.join(command)} → {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def typed(command: list[str], text: bytes) -> str:
    """What a terminal shows when someone types this into the command."""
    primary, secondary = pty.openpty()
    with subprocess.Popen(command, stdin=secondary, stdout=secondary, stderr=secondary) as process:
        os.close(secondary)
        os.write(primary, text)
        shown, deadline = b"", time.monotonic() + 30
        while time.monotonic() < deadline:
            ready, _, _ = select.select([primary], [], [], 1.0)
            try:
                chunk = os.read(primary, 4096) if ready else b""
            except OSError:
                break
            shown += chunk
            if not chunk and process.poll() is not None:
                break
        process.kill()
    os.close(primary)
    return shown.decode(errors="replace")


def wherry_program() -> str:
    return str(Path(sys.executable).parent / "wherry")


@dataclass(frozen=True)
class Cluster:
    """A running lab as its user sees it."""

    directory: Path

    @property
    def kubeconfig(self) -> str:
        return str(self.directory / "admin.kubeconfig")

    @property
    def lab(self) -> Lab:
        return Lab.read(self.directory)

    @property
    def machines(self) -> tuple[str, ...]:
        return self.lab.wires.machines

    def kubectl(self, *words: str, check: bool = True, **more: Any) -> str:
        done = run("kubectl", "--kubeconfig", self.kubeconfig, *words, check=check, **more)
        return done.stdout if check else done.stdout + done.stderr

    def wherry(self, *words: str, **more: Any) -> str:
        return run(
            wherry_program(), *words, env={**os.environ, "KUBECONFIG": self.kubeconfig}, **more
        ).stdout

    def get(self, *words: str) -> Any:
        return json.loads(self.kubectl("get", "-o", "json", *words))

    def apply(self, manifest: Any) -> None:
        self.kubectl("apply", "-f", "-", input=json.dumps(manifest))

    def on(self, machine: str, *command: str, check: bool = True) -> str:
        """Run a command in a machine's network namespace."""
        namespace = self.lab.wires.namespace(machine)
        return run("nsenter", f"--net=/run/netns/{namespace}", *command, check=check).stdout

    def docker(self, machine: str) -> Any:
        import docker

        return docker.DockerClient(base_url=f"unix://{self.directory / machine / 'docker.sock'}")

    def daemon_pid(self, name: str) -> int:
        state = json.loads((self.directory / "state.json").read_text())
        return int(state["daemons"][name]["pid"])

    def lab_ready(self, name: str) -> bool:
        """Whether the supervisor sees this daemon ready."""
        state = json.loads((self.directory / "state.json").read_text())
        return bool(state["daemons"][name]["ready"])
