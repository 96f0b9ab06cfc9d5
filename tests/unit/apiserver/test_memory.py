"""Freed memory between what is kept goes back to the machine."""

from __future__ import annotations

import subprocess
import sys

import pytest

from apiserver import memory

# In a process of its own: what others freed before would decide where these objects lie.
SCRIPT = """
import asyncio
from apiserver import memory

def resident_mib():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 // 2**20

class Clock:
    rounds = 0
    async def sleep(self, seconds):
        self.rounds += 1
        if self.rounds == 2:
            raise asyncio.CancelledError

async def main():
    blocks, kept = [], []
    for number in range(1000):
        blocks.append(bytes([1]) * 65536)
        kept.append(bytes([2]) * 2048)
    blocks.clear()
    before = resident_mib()
    try:
        await memory.trim_for_ever(Clock())
    except asyncio.CancelledError:
        print(before - resident_mib())

asyncio.run(main())
"""


def test_what_was_freed_between_kept_objects_goes_back() -> None:
    if memory._libc("malloc_trim") is None:
        pytest.skip("not glibc")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60
    )
    assert int(done.stdout) > 30, done.stderr
