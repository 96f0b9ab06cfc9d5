"""Forgotten shims are found by their namespace, and nobody else's."""

import os
import signal
import subprocess
from contextlib import suppress

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
        begun.append(subprocess.Popen(words, start_new_session=True))
        return begun[-1]

    yield run
    for one in begun:
        with suppress(ProcessLookupError):
            os.killpg(one.pid, signal.SIGKILL)
        one.wait()


def test_only_those_of_the_namespace_end(start):
    mine, other = start("moby-mine"), start("moby-other")
    ended = shims.end("moby-mine")  # also a child that has yet to become another program
    assert mine.pid in ended
    assert other.pid not in ended
    assert mine.wait(timeout=30) == -9
    assert other.poll() is None
    mine.wait()
    assert shims.end("moby-mine") == []
