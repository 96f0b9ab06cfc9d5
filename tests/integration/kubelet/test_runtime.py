"""The runtime seam's contract: the engine in memory and Docker Engine keep it alike."""

import asyncio
import signal
import time

import pytest

from kubelet import sandbox_image
from kubelet.runtime import labels as names
from kubelet.runtime.docker import DockerRuntime
from kubelet.runtime.labels import Identity
from kubelet.runtime.memory import MemoryRuntime
from kubelet.runtime.protocol import Applied, NotFound, RuntimeFailure, State
from wherry.daemon.clock import SystemClock

SECONDS_MAX = 60
COMMANDS = {
    "docker": {"sleep": ["/bin/busybox", "sleep", "1000"], "exit": ["/bin/busybox", "sh", "-c", "exit 3"]},
    "memory": {"sleep": ["sleep", "1000"], "exit": ["exit", "3"]},
}  # fmt: skip


class Bench:
    """A runtime and how to make containers in it."""

    def __init__(self, kind, runtime, image):
        self.kind, self.runtime, self.image = kind, runtime, image
        self.made = []

    async def create(self, what, uid="u1", name="c", attempt=0, node="contract"):
        identity = Identity(uid, "pod", "default", name, attempt)
        command = COMMANDS[self.kind].get(what, [what])
        config = {
            "Image": self.image,
            "Entrypoint": command[:1],
            "Cmd": command[1:],
            "Labels": identity.labels(node) | {names.IMAGE: "test:1"},
            "HostConfig": {"NetworkMode": "none"},
        }
        made = await self.runtime.create(identity.docker_name, config)
        self.made.append(made)
        return made


@pytest.fixture(params=["memory", pytest.param("docker", marks=pytest.mark.e2e)])
async def bench(request):
    if request.param == "memory":
        runtime = MemoryRuntime(SystemClock())
        await runtime.import_image(b"", "test:1", ())
        image = "test:1"
    else:
        machine = request.getfixturevalue("machine")
        runtime = DockerRuntime(str(machine.socket), "contract")
        image = await sandbox_image.ensure(runtime)
    made = Bench(request.param, runtime, image)
    yield made
    for container_id in made.made:
        await runtime.remove(container_id)
    await runtime.close()


async def until(runtime, container_id, state):
    async with asyncio.timeout(SECONDS_MAX):
        while (record := await runtime.inspect(container_id)).state is not state:
            await asyncio.sleep(0.02)
    return record


async def test_life(bench):
    runtime = bench.runtime
    made = await bench.create("sleep")
    created = await runtime.inspect(made)
    assert (created.state, created.started_at, created.has_ended) == (State.CREATED, None, False)
    await runtime.start(made)
    running = await runtime.inspect(made)
    assert (running.state, running.pod_uid, running.name, running.attempt) == (
        State.RUNNING,
        "u1",
        "c",
        0,
    )
    assert running.pid > 0
    assert running.started_at >= running.created_at
    assert running.image == "test:1"
    await runtime.signal(made, "SIGKILL")
    ended = await until(runtime, made, State.EXITED)
    assert (ended.exit_code, ended.has_ended) == (137, True)
    assert ended.finished_at >= ended.started_at
    await runtime.signal(made, "SIGTERM")  # of no use, and no error
    await runtime.remove(made)
    await runtime.remove(made)
    with pytest.raises(NotFound):
        await runtime.inspect(made)


async def test_exit_code(bench):
    made = await bench.create("exit")
    await bench.runtime.start(made)
    assert (await until(bench.runtime, made, State.EXITED)).exit_code == 3


async def test_a_failed_start_is_remembered(bench):
    made = await bench.create("/no/such/file")
    with pytest.raises(RuntimeFailure, match=r"no such file|not found"):
        await bench.runtime.start(made)
    record = await bench.runtime.inspect(made)
    assert (record.state, record.has_ended) == (State.CREATED, True)
    assert record.error


async def test_a_name_is_used_once(bench):
    await bench.create("sleep")
    with pytest.raises(RuntimeFailure, match="already in use"):
        await bench.create("sleep")


async def test_a_missing_image(bench):
    assert await bench.runtime.image("no-such:1") is None
    bench.image = "no-such:1"
    with pytest.raises(NotFound):
        await bench.create("sleep")


async def test_listing_sees_each_state_again(bench):
    runtime = bench.runtime
    made = await bench.create("sleep")
    for change, state in (
        (None, State.CREATED),
        (runtime.start, State.RUNNING),
        (lambda id: runtime.signal(id, "SIGKILL"), State.EXITED),
    ):
        if change is not None:
            await change(made)
            await until(runtime, made, state)
        assert {r.id: r.state for r in await runtime.containers()}[made] is state


async def test_events_begin_with_the_subscription(bench):
    runtime = bench.runtime
    made = await bench.create("sleep", uid="u7")
    events = runtime.events()
    async with asyncio.timeout(SECONDS_MAX):
        assert await anext(events) is None
        await runtime.start(made)
        assert (await anext(events)).action == "start"
        await runtime.remove(made)
        seen = await anext(events)
        assert (seen.action, seen.container_id, seen.pod_uid) == ("die", made, "u7")
        assert (await anext(events)).action == "destroy"
    await events.aclose()


async def test_exec_needs_a_running_container(bench):
    made = await bench.create("exit")
    await bench.runtime.start(made)
    await until(bench.runtime, made, State.EXITED)
    with pytest.raises(RuntimeFailure):
        await bench.runtime.exec_sync(made, ["true"], 1)


class TestDockerOnly:
    """What only a real engine can show."""

    @pytest.fixture
    def bench(self, request, bench):
        if bench.kind != "docker":
            pytest.skip("the engine in memory runs nothing")
        return bench

    @staticmethod
    async def running(bench):
        made = await bench.create("sleep")
        await bench.runtime.start(made)
        return made

    async def test_exec_output_and_code(self, bench):
        made = await self.running(bench)
        command = ["/bin/sh", "-c", "echo out; echo err >&2; exit 4"]
        result = await bench.runtime.exec_sync(made, command, 5)
        assert result.exit_code == 4
        assert sorted(result.output.split()) == [b"err", b"out"]

    async def test_a_late_exec_is_killed(self, bench):
        made = await self.running(bench)
        begun = time.monotonic()
        result = await bench.runtime.exec_sync(made, ["/bin/sleep", "77"], 0.3)
        assert (result.exit_code, time.monotonic() - begun < 5) == (None, True)
        async with asyncio.timeout(SECONDS_MAX):
            while b"77" in (await bench.runtime.exec_sync(made, ["/bin/busybox", "ps"], 5)).output:
                await asyncio.sleep(0.05)

    async def test_exec_with_input(self, bench):
        made = await self.running(bench)
        stream = await bench.runtime.exec(
            made, ["/bin/busybox", "tr", "a-z", "A-Z"], stdin=True, stdout=True, stderr=True, tty=False
        )  # fmt: skip
        await stream.write(b"hello\n")
        await stream.close_stdin()
        output = b""
        while (piece := await stream.read()) is not None:
            output += piece[1]
        assert (output, await stream.exit_code()) == (b"HELLO\n", 0)
        await stream.close()

    async def test_logs(self, bench):
        COMMANDS["docker"]["talk"] = ["/bin/sh", "-c", "echo 1; echo 2 >&2; echo 3"]
        made = await bench.create("talk")
        await bench.runtime.start(made)
        await until(bench.runtime, made, State.EXITED)
        found = [piece async for piece in bench.runtime.logs(made)]
        assert sorted(found) == [(1, b"1\n"), (1, b"3\n"), (2, b"2\n")]
        # The two streams are pipes of their own: their order among each other is not kept.
        assert len([piece async for piece in bench.runtime.logs(made, tail=1)]) == 1

    async def test_foreign_containers_are_not_ours(self, bench):
        made = await bench.create("sleep", node="another-kubelet")
        assert made not in {record.id for record in await bench.runtime.containers()}

    async def test_the_sandbox_leaves_at_once_and_reaps(self, bench):
        identity = Identity("u2", "pod", "default", "POD", 0)
        made = await bench.runtime.create(
            identity.docker_name,
            {"Image": bench.image, "Labels": identity.labels("contract"), "HostConfig": {"NetworkMode": "none"}},
        )  # fmt: skip
        bench.made.append(made)
        await bench.runtime.start(made)
        # A grandchild whose parent has gone is re-parented to the first process.
        await bench.runtime.exec_sync(made, ["/bin/sh", "-c", "/bin/sleep 0.1 & exit 0"], 5)
        async with asyncio.timeout(SECONDS_MAX):
            while (
                b"0.1"
                in (listed := await bench.runtime.exec_sync(made, ["/bin/busybox", "ps"], 5)).output
            ):
                await asyncio.sleep(0.05)
        assert b"[sleep]" not in listed.output
        begun = time.monotonic()
        await bench.runtime.signal(made, signal.Signals.SIGTERM.name)
        ended = await until(bench.runtime, made, State.EXITED)
        assert (ended.exit_code, time.monotonic() - begun < 10) == (0, True)


async def test_resources_change_while_it_runs(bench):
    made = await bench.create("sleep")
    await bench.runtime.start(made)
    wanted = Applied(cpu_shares=512, cpu_quota=50_000, memory=64 << 20)
    await bench.runtime.update(made, wanted)
    after = await bench.runtime.inspect(made)
    assert (after.applied, after.state) == (wanted, State.RUNNING)
    less = Applied(cpu_shares=256, cpu_quota=25_000, memory=32 << 20)
    await bench.runtime.update(made, less)
    assert (await bench.runtime.inspect(made)).applied == less


async def test_an_image_goes_when_nothing_has_it(bench):
    runtime = bench.runtime
    await runtime.import_image(sandbox_image.root_tar(b"not a program"), "local/waste:1", ["CMD x"])
    image = await runtime.image("local/waste:1")
    assert image is not None
    assert image.id not in await runtime.images_in_use()
    kept, bench.image = bench.image, "local/waste:1"
    made = await bench.create("sleep", node="someone-else")
    bench.image = kept
    assert image.id in await runtime.images_in_use()
    with pytest.raises(RuntimeFailure):
        await runtime.remove_image(image)
    await runtime.remove(made)
    await runtime.remove_image(image)
    assert await runtime.image("local/waste:1") is None
    await runtime.remove_image(image)
