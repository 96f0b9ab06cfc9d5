"""Log file, webhook and the queue before them: what is written, what is lost, that nothing waits."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from apiserver.audit.drain import Drain, WriteFailed
from apiserver.audit.events import TRUNCATED, Body, Whole
from apiserver.audit.log_file import LogFile
from apiserver.audit.settings import Batching, Rotation, Truncation
from apiserver.audit.webhook import ATTEMPTS_MAX, Pace, Webhook
from apiserver.audit.webhook_config import read_target

DEADLINE_SECONDS = 60.0


def wait_for(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


class Gathered:
    """A writer that keeps batches; `gate` holds it, `broken` makes it fail."""

    def __init__(self) -> None:
        self.batches: list[list] = []
        self.gate = threading.Event()
        self.gate.set()
        self.broken: Exception | None = None
        self.closed = False

    def write(self, batch: list) -> None:
        self.gate.wait(DEADLINE_SECONDS)
        if self.broken is not None:
            raise self.broken
        self.batches.append(batch)

    def close(self) -> None:
        self.closed = True

    @property
    def events(self) -> list:
        return [event for batch in self.batches for event in batch]


def test_events_are_gathered_and_written_in_order():
    writer = Gathered()
    drain = Drain("log", writer, Batching(batch_max=10, wait_seconds=0.01))
    drain.start()
    events = [b"%d" % n for n in range(1000)]
    assert all(drain.offer(event) for event in events)
    wait_for(lambda: writer.events == events)
    assert max(map(len, writer.batches)) <= 10
    drain.close()
    assert writer.closed


def test_a_full_queue_loses_and_never_blocks(caplog):
    writer = Gathered()
    writer.gate.clear()
    drain = Drain("log", writer, Batching(buffer_max=5, batch_max=1, wait_seconds=0.0))
    drain.start()
    started = time.monotonic()
    taken = sum(drain.offer(b"x") for _ in range(10_000))
    assert time.monotonic() - started < 5.0
    assert taken <= 5 + 1 + 1  # what waits, what the writer holds, and one popped between
    assert drain.lost == 10_000 - taken
    assert len([one for one in caplog.records if "events lost" in one.message]) == 1
    writer.gate.set()
    drain.close()
    assert len(writer.events) == taken


def test_bodies_that_wait_are_bounded(monkeypatch):
    monkeypatch.setattr("apiserver.audit.drain.QUEUED_BYTES_MAX", 1000)
    writer = Gathered()
    drain = Drain("log", writer, Batching())  # not started: nothing is taken out
    body = Whole(b"{}", Body(b"x" * 600, ""), None, False)
    assert [drain.offer(body) for _ in range(3)] == [True, True, False]
    assert drain.offer(b"small ones still fit")


@pytest.mark.parametrize("error", [WriteFailed(1, "disk full"), RuntimeError("bug")])
def test_a_writer_that_fails_is_counted_and_used_again(error):
    writer = Gathered()
    writer.broken = error
    drain = Drain("log", writer, Batching(wait_seconds=0.0))
    drain.start()
    drain.offer(b"a")
    wait_for(lambda: drain.lost == 1)
    assert drain.failing
    writer.broken = None
    drain.offer(b"b")
    wait_for(lambda: writer.events == [b"b"])
    wait_for(lambda: not drain.failing)
    drain.close()


def test_files_are_rotated_packed_and_thinned(tmp_path: Path):
    now = datetime(2026, 5, 1, tzinfo=UTC)
    clock = [now]
    path = tmp_path / "logs" / "audit.log"
    log = LogFile(str(path), Rotation(1, 30, 2, True), now=lambda: clock[0])
    log.open()
    (path.parent / "audit-2026-01-01T00-00-00.000.log").write_text("old")
    (path.parent / "audit-else.log").write_text("not ours")
    line = b'{"a":"%s"}' % (b"x" * 700_000)
    for _ in range(4):
        log.write([line])
        clock[0] += timedelta(seconds=1)
    log.close()
    names = sorted(one.name for one in path.parent.iterdir())
    assert names == [
        "audit-2026-05-01T00-00-02.000.log.gz", "audit-2026-05-01T00-00-03.000.log.gz",
        "audit-else.log", "audit.log",
    ]  # fmt: skip
    assert path.read_bytes() == line + b"\n"
    assert gzip.decompress((path.parent / names[0]).read_bytes()) == line + b"\n"
    assert all(one.stat().st_mode & 0o077 == 0 for one in path.parent.glob("audit-2026*"))


def test_old_files_go_by_age(tmp_path: Path):
    path = tmp_path / "audit.log"
    for day in ("2026-04-01", "2026-04-30"):
        (tmp_path / f"audit-{day}T00-00-00.000.log").write_text("x")
    log = LogFile(str(path), Rotation(1, 7), now=lambda: datetime(2026, 5, 1, tzinfo=UTC))
    for _ in range(3):
        log.write([b"x" * 700_000])
    log.close()
    names = sorted(one.name for one in tmp_path.iterdir())
    assert "audit-2026-04-01T00-00-00.000.log" not in names
    assert "audit-2026-04-30T00-00-00.000.log" in names


def test_a_full_disk_is_said_and_the_next_line_starts_anew(tmp_path: Path):
    log = LogFile("/dev/full", Rotation())
    with pytest.raises(WriteFailed, match="No space left") as caught:
        log.write([b"a", b"b"])
    assert caught.value.lost == 2
    log.close()


def test_large_events_are_cut_then_left_out(tmp_path: Path):
    path = tmp_path / "audit.log"
    log = LogFile(str(path), Rotation(), truncation=Truncation(100, 1000))
    large = Whole(b'{"level":"Request"}', Body(b'"%s"' % (b"x" * 200), ""), None, False)
    with pytest.raises(WriteFailed) as caught:
        log.write([b'{"a":1}', large, b'{"a":"%s"}' % (b"x" * 200)])
    assert caught.value.lost == 1
    lines = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    assert lines == [{"a": 1}, {"level": "Request", "annotations": {TRUNCATED: "true"}}]


class Answers:
    """A target whose server answers what it is told to, or not at all."""

    def __init__(self, *answers: int | Exception) -> None:
        self.answers = list(answers)
        self.bodies: list[bytes] = []
        self.address, self.path = "https://audit.example:443", "/"

    def headers(self) -> dict[str, str]:
        return {"Authorization": "Bearer secret"}

    def connect(self, seconds: float) -> Answers:
        return self

    def request(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> None:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        self.bodies.append(body)
        self.status = answer

    def getresponse(self) -> Answers:
        return self

    def read(self, size: int) -> bytes:
        return b""

    def isclosed(self) -> bool:
        return True

    def close(self) -> None:
        return None


def hook(target: Answers, waits: list[float], **more: Any) -> Webhook:
    def wait(seconds: float) -> bool:
        waits.append(seconds)
        return False

    return Webhook(target, more.pop("pace", Pace(1.0)), wait=wait, **more)  # type: ignore[arg-type]


def test_a_batch_is_posted_as_a_list_and_tried_again():
    waits: list[float] = []
    target = Answers(OSError("refused"), 503, 200)
    hook(target, waits).write([b'{"a":1}', b'{"a":2}'])
    sent = orjson.loads(target.bodies[-1])
    assert sent["kind"] == "EventList"
    assert sent["items"] == [{"a": 1}, {"a": 2}]
    assert 1.0 <= waits[0] <= 1.2
    assert 1.5 <= waits[1] <= 1.8


def test_a_webhook_that_stays_away_loses_the_batch_and_tells_no_secret():
    target = Answers(*[OSError("refused")] * ATTEMPTS_MAX)
    with pytest.raises(WriteFailed, match="refused") as caught:
        hook(target, []).write([b"{}"] * 3)
    assert caught.value.lost == 3
    assert "secret" not in str(caught.value)
    with pytest.raises(WriteFailed, match="answered 401"):
        hook(Answers(401), []).write([b"{}"])


def test_large_batches_are_split():
    target = Answers(200, 200)
    hook(target, [], truncation=Truncation(50, 60)).write([b'"%s"' % (b"x" * 30)] * 2)
    assert len(target.bodies) == 2


def test_a_kubeconfig_names_the_target_and_keeps_its_secrets(tmp_path: Path):
    token = tmp_path / "token"
    token.write_text("first\n")
    tree = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": "https://audit.example/x?y=1"}}],
        "users": [{"name": "u", "user": {"tokenFile": str(token)}}],
    }
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(tree))
    target = read_target(path)
    assert (target.host, target.port, target.path) == ("audit.example", 443, "/x?y=1")
    assert target.headers() == {"Authorization": "Bearer first"}
    token.write_text("second")
    assert target.headers() == {"Authorization": "Bearer second"}
    assert "second" not in repr(target)
    tree["clusters"][0]["cluster"] = {"server": "audit.example"}  # type: ignore[index]
    path.write_text(yaml.safe_dump(tree))
    with pytest.raises(ValueError, match="no http or https address"):
        read_target(path)
