"""Which images and which ended containers are too much."""

from datetime import UTC, datetime, timedelta

import pytest

from kubelet.config import parse
from kubelet.garbage import (
    Disk,
    GarbageCollector,
    GarbagePolicy,
    Seen,
    excess,
    look,
    surplus,
    to_remove,
)
from kubelet.pods.cache import ContainerCache
from kubelet.pods.cgroups import LogLimits
from kubelet.pods.container_config import log_config
from kubelet.runtime.labels import Identity
from kubelet.runtime.memory import MemoryRuntime
from kubelet.runtime.protocol import ContainerRecord, ImageRecord, State
from wherry.daemon.clock import FakeClock
from wherry.daemon.process import StartError

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
POLICY = GarbagePolicy()


def ago(minutes):
    return NOW - timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("available", "policy", "wanted"),
    [
        (16, POLICY, 0),
        (15, POLICY, 5),
        (1, POLICY, 19),
        (1, GarbagePolicy(image_high_percent=100), 0),
        (50, GarbagePolicy(image_high_percent=50, image_low_percent=10), 40),
    ],
    ids=["below", "at-the-threshold", "full", "never", "own-thresholds"],
)
def test_excess(available, policy, wanted):
    assert excess(Disk(100, available), policy) == wanted


def image(name, size=10):
    return ImageRecord(id=name, tags=(f"{name}:1",), size=size)


def test_the_longest_unused_go_first():
    images = [image("a"), image("b"), image("c"), image("new"), image("used")]
    seen = {
        "a": Seen(ago(90), ago(10)),
        "b": Seen(ago(90), ago(60)),
        "c": Seen(ago(30), ago(60)),
        "new": Seen(ago(1), ago(600)),
        "used": Seen(ago(90), NOW),
    }
    gone = to_remove(images, seen, {"used"}, 15, NOW, POLICY)
    assert [i.id for i in gone] == ["b", "c"]
    assert [i.id for i in to_remove(images, seen, {"used"}, 1000, NOW, POLICY)] == ["b", "c", "a"]


def test_what_was_here_before_us_is_old():
    seen = look({}, [image("a"), image("b")], {"b"}, ago(5))
    seen = look(seen, [image("a"), image("b"), image("c")], set(), NOW)
    assert seen["a"].detected < ago(1000)
    assert seen["b"].used == ago(5)
    assert seen["c"].detected == NOW
    assert set(look(seen, [image("c")], set(), NOW)) == {"c"}


def record(name, uid="u", *, attempt=0, minutes=10, state=State.EXITED):
    labels = Identity(uid, "p", "d", name, attempt).labels("n")
    return ContainerRecord(f"{uid}-{name}-{attempt}", state, ago(minutes), labels=labels)


RECORDS = [
    record("POD", state=State.RUNNING, minutes=99),
    record("a", attempt=0, minutes=50),
    record("a", attempt=1, minutes=20, state=State.RUNNING),
    record("init", minutes=60),
    record("x", "over", attempt=0, minutes=40),
    record("x", "over", attempt=1, minutes=5),
]


@pytest.mark.parametrize(
    ("policy", "gone"),
    [
        (POLICY, []),
        (GarbagePolicy(dead_max=4), []),
        (GarbagePolicy(dead_max=3), ["u-a-0"]),
        (GarbagePolicy(dead_max=0), ["u-a-0", "over-x-0", "over-x-1"]),
        (GarbagePolicy(dead_max=0, dead_age_min_seconds=600), ["u-a-0", "over-x-0"]),
    ],
    ids=["no-limit", "enough", "one", "all-but-what-is-needed", "young"],
)
def test_dead_containers(policy, gone):
    assert [r.id for r in surplus(RECORDS, {"over"}, NOW, policy)] == gone


async def collector(policy, available, said):
    clock = FakeClock()
    runtime = MemoryRuntime(clock)
    for reference in ("sandbox:1", "used:1", "idle:1"):
        await runtime.import_image(b"", reference, ())
    labels = Identity("u", "p", "d", "c", 0).labels("n")
    used = {"Image": "used:1", "Labels": labels, "HostConfig": {}, "Cmd": ["sleep"]}
    await runtime.create("c", used)

    async def disk():
        return Disk(100, available)

    cache = ContainerCache(runtime, clock, lambda uid: None)
    return runtime, GarbageCollector(
        runtime, cache, policy, clock, disk=disk, finished=set, sandbox_image="sandbox:1",
        say=lambda *words: said.append(words),
    )  # fmt: skip


async def test_unused_images_are_removed_and_a_shortfall_is_told():
    said = []
    runtime, made = await collector(POLICY, 5, said)
    await made.images()
    assert {tag for i in await runtime.images() for tag in i.tags} == {"sandbox:1", "used:1"}
    assert said == [
        (
            "Warning",
            "FreeDiskSpaceFailed",
            "Failed to garbage collect required amount of images. Attempted to free 15 bytes, "
            "but only found 1 bytes eligible to free.",
        )
    ]


async def test_what_nobody_used_for_long_goes_though_there_is_room():
    policy = GarbagePolicy(image_age_max_seconds=3600)
    runtime, made = await collector(policy, 50, [])
    made._clock.jump(1e6)  # somebody sets the wall clock: nobody knows that anything is old
    await made.images()
    assert len(await runtime.images()) == 3
    made._clock.advance(3601)
    await made.images()
    assert {tag for i in await runtime.images() for tag in i.tags} == {"sandbox:1", "used:1"}


async def test_what_is_not_ours_is_never_taken():
    """Neither a stranger's containers, running or ended, nor the images they have."""
    said = []
    runtime, made = await collector(GarbagePolicy(dead_max=0), 1, said)
    config = {"Image": "idle:1", "Labels": {"io.kubernetes.pod.uid": "x"}, "HostConfig": {}}
    stranger = await runtime.create("stranger", config)
    await made.images()
    await made.containers()
    assert (await runtime.inspect(stranger)).id == stranger
    assert await runtime.image("idle:1") is not None


async def test_room_enough():
    said = []
    runtime, made = await collector(POLICY, 50, said)
    await made.images()
    assert (len(await runtime.images()), said) == (3, [])


def test_flags():
    given = parse(
        ["--image-gc-high-threshold=70", "--image-gc-low-threshold=60",
         "--minimum-image-ttl-duration=5m", "--maximum-dead-containers=100",
         "--maximum-dead-containers-per-container=2"]
    ).garbage  # fmt: skip
    assert given == GarbagePolicy(70, 60, 300.0, 0.0, 100, 2, 0.0)


def test_log_flags():
    assert parse([]).log_limits == LogLimits(10 * 1024 * 1024, 5)
    given = parse(["--container-log-max-size=1Mi", "--container-log-max-files=2"]).log_limits
    assert log_config(given)["Config"] == {"max-size": "1048576", "max-file": "2"}
    never = parse(["--container-log-max-size=-1"]).log_limits
    assert log_config(never) == {"Type": "json-file", "Config": {}}


@pytest.mark.parametrize(
    "flags",
    [
        ["--image-gc-high-threshold=101"],
        ["--image-gc-low-threshold=90"],
        ["--image-maximum-gc-age=1m"],
        ["--container-log-max-files=1"],
        ["--container-log-max-size=much"],
    ],
    ids=["no-percentage", "low-above-high", "age-below-the-least", "one-file", "no-size"],
)
def test_wrong_flags(flags):
    with pytest.raises(StartError):
        parse(flags)
