"""`wherry up` on a machine with an engine of its own, and `down --purge` that leaves no trace of it but
the engine. What runs an engine of ours is in `test_joining.py`.

The machine is a network namespace of its own, so that the real one's packet filter stays as it is.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from deploy import netns
from deploy.cleanup import remove_tree
from deploy.engine import engine_answers
from deploy.image import busybox_archive
from tests.e2e.support import IMAGE, run, wait, wherry_program

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


class Machine:
    """A namespace to run commands in, and the folders `wherry up` is told to use there."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.wires = netns.Wires(netns.identify(directory), netns.free_subnet(), ("m",))
        self.folders = [
            f"--{name}-dir={directory / name}" for name in ("config", "data", "run")
        ]  # fmt: skip
        self.socket = f"--docker-socket={directory / 'docker.sock'}"

    def do(self, *command: str, check: bool = True) -> str:
        inside = f"--net=/run/netns/{self.wires.namespace('m')}"
        kubeconfig = str(self.directory / "config" / "admin.kubeconfig")
        done = run(
            "nsenter", inside, *command, check=check, env={**os.environ, "KUBECONFIG": kubeconfig}
        )
        return done.stdout + done.stderr


@pytest.fixture
def machine() -> Iterator[Machine]:
    if os.geteuid() != 0:
        pytest.skip("wherry up needs root")
    made = Machine(Path(tempfile.mkdtemp(prefix="wup")))
    netns.make(made.wires)
    yield made
    made.do(wherry_program(), "down", "--purge", *made.folders, made.socket, check=False)
    netns.remove(made.wires)
    remove_tree(made.directory)


@pytest.fixture
def engine(machine: Machine) -> Iterator[docker.DockerClient]:
    """A Docker Engine that is the machine's own, with a container of someone else's."""
    inside, home = f"--net=/run/netns/{machine.wires.namespace('m')}", machine.directory / "own"
    home.mkdir()
    socket = machine.directory / "docker.sock"
    command = (
        "nsenter", inside, "dockerd", f"--host=unix://{socket}", f"--data-root={home / 'data'}",
        f"--exec-root={home / 'run'}", f"--pidfile={home / 'docker.pid'}",
    )  # fmt: skip
    with (home / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as own:
        wait(lambda: engine_answers(socket), "the machine's own engine")
        client = docker.DockerClient(base_url=f"unix://{socket}")
        yield client
        for container in client.containers.list(all=True, ignore_removed=True):
            container.remove(force=True)
        client.close()
        own.terminate()
        own.wait(30)


def test_an_engine_of_the_machines_own_is_used_and_left(
    machine: Machine, engine: docker.DockerClient
) -> None:
    engine.images.load(busybox_archive(IMAGE))
    foreign = engine.containers.run(IMAGE, ["sleep", "1000"], detach=True, network_mode="none")
    machine.do(wherry_program(), "up", *machine.folders, machine.socket, "--node-name=solo")
    wait(lambda: "default" in machine.do("kubectl", "get", "sa", "-o", "name"), "service account")
    machine.do("kubectl", "run", "one", f"--image={IMAGE}", "--", "sleep", "1000")
    machine.do("kubectl", "wait", "--for=condition=Ready", "pod/one", "--timeout=60s")
    assert len(engine.containers.list(ignore_removed=True)) == 3  # the pod's two, and the stranger

    machine.do(wherry_program(), "down", "--purge", *machine.folders, machine.socket)
    assert [one.id for one in engine.containers.list(all=True, ignore_removed=True)] == [foreign.id]
    assert [tag for image in engine.images.list() for tag in image.tags] == [IMAGE]
    assert "DOCKER" in machine.do("iptables-save")  # the engine's own rules stay
    assert "wherry" not in machine.do("nft", "list", "tables")


def test_what_is_missing_is_said_in_a_line(machine: Machine) -> None:
    words = machine.do(
        "env", "PATH=/nowhere", wherry_program(), "up", *machine.folders, machine.socket,
        check=False,
    )  # fmt: skip
    assert "wherry: missing: etcd-server" in words
    assert "fix: apt-get install etcd-server" in words
