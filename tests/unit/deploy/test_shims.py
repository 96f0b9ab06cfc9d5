"""Forgotten shims are found by their namespace, and nobody else's."""

import subprocess

import pytest

from deploy import shims


@pytest.fixture
def start(tmp_path):
    begun = []
    program = tmp_path / "containerd-shim-test"
    program.write_bytes(b"")
    program.unlink()
    program.symlink_to("/bin/sh")

    def run(namespace):
        words = [program, "-c", "sleep 100; true", "-namespace", namespace]
        begun.append(subprocess.Popen(words))
        return begun[-1]

    yield run
    for one in begun:
        one.kill()
        one.wait()


def test_only_those_of_the_namespace_end(start):
    mine, other = start("moby-mine"), start("moby-other")
    assert shims.end("moby-mine") == [mine.pid]
    assert mine.wait(timeout=30) == -9
    assert other.poll() is None
    mine.wait()
    assert shims.end("moby-mine") == []
