"""How a daemon ends, seen from outside: exit codes and what it says."""

import signal
import subprocess
import sys
import textwrap

import pytest


def start(body):
    program = "import asyncio, sys\nfrom wherry.daemon import process\n" + textwrap.dedent(body)
    return subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_cancels_cleanly(number):
    child = start("""
        async def main():
            print("up", flush=True)
            try:
                await asyncio.sleep(60)
            finally:
                print("cleaned", flush=True)
        process.run(main, component="x")
    """)
    assert child.stdout.readline() == "up\n"
    child.send_signal(number)
    out, _ = child.communicate(timeout=20)
    assert (out, child.returncode) == ("cleaned\n", 0)


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("raise ValueError('broken')", 1, "ValueError: broken"),
        ("raise process.StartError('no etcd at x', 'start etcd')", 1,
         "no etcd at x — start etcd"),
        ("return None", 0, ""),
    ],
    ids=["crash", "cannot-start", "end"],
)  # fmt: skip
def test_exit_codes(body, code, said):
    child = start(f"async def main(): {body}\nprocess.run(main, component='x')")
    _, err = child.communicate(timeout=20)
    assert child.returncode == code
    assert said in err


def test_a_start_error_comes_through_a_task_group_as_one_line():
    child = start("""
        async def bad():
            raise process.StartError("cause", "fix")
        async def main():
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(bad())
        process.run(main, component="x")
    """)
    _, err = child.communicate(timeout=20)
    assert (child.returncode, err) == (1, "cause — fix\n")
