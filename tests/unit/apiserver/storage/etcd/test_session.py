from __future__ import annotations

from typing import Any

import pytest
from hpack import Encoder
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.storage.etcd import frames as h2
from apiserver.storage.etcd import session as module
from apiserver.storage.etcd.frames import FrameBuffer, ProtocolError
from apiserver.storage.etcd.headers import Head
from apiserver.storage.etcd.session import Session
from apiserver.storage.etcd.streams import LOST, Stream


def block(*fields: tuple[str, str]) -> bytes:
    encoder = Encoder()
    encoder.header_table_size = 0
    encoded: bytes = encoder.encode(fields)
    return encoded


OK = block((":status", "200"))
TRAILERS = block(("grpc-status", "0"))


class Told(Stream):
    """Writes down what it is told."""

    def __init__(self, *, ends: bool = True) -> None:
        super().__init__()
        self.ends = ends
        self.data = b""
        self.heads: list[Head] = []
        self.ended = 0
        self.failure: tuple[int, bool] | None = None

    def on_head(self, head: Head, ended: bool) -> None:
        self.heads.append(head)
        self.ended += ended

    def on_data(self, data: bytes, ended: bool) -> None:
        self.data += data
        self.ended += ended

    def on_failure(self, code: int, text: str, begun: bool) -> None:
        self.ended += 1
        self.failure = (code, begun)


class Slow(Told):
    prompt = False


class Peer:
    """What the session's peer sees."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._frames = FrameBuffer()
        assert session.take().startswith(h2.PREFACE)

    def sent(self) -> list[h2.Frame]:
        return self._frames.feed(self.session.take())

    def kinds(self) -> list[int]:
        return [kind for kind, _, _, _ in self.sent()]


def opened(**values: int) -> tuple[Session, Peer]:
    session = Session()
    peer = Peer(session)
    session.receive(h2.settings({getattr(h2, name): value for name, value in values.items()}))
    assert peer.sent() == [(h2.SETTINGS, h2.ACK, 0, b"")]
    return session, peer


def test_it_introduces_itself_and_waits_for_the_peer() -> None:
    session = Session()
    frames = FrameBuffer().feed(session.take().removeprefix(h2.PREFACE))
    assert [kind for kind, _, _, _ in frames] == [h2.SETTINGS, h2.WINDOW_UPDATE]
    assert dict(h2.read_settings(frames[0][3]))[h2.HEADER_TABLE_SIZE] == 0
    assert not session.ready
    session.receive(h2.settings({}))
    assert session.ready
    with pytest.raises(ProtocolError):
        Session().receive(h2.frame(h2.PING, 0, 0, b"12345678"))
    with pytest.raises(ProtocolError):
        Session().receive(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def test_a_request_and_its_answer() -> None:
    session, peer = opened()
    stream = Told()
    session.open(stream, b"block", b"data")
    assert peer.sent() == [
        (h2.HEADERS, h2.END_HEADERS, 1, b"block"),
        (h2.DATA, h2.END_STREAM, 1, b"data"),
    ]
    answer = h2.header_frames(1, OK, size=99) + h2.frame(h2.DATA, 0, 1, b"hello")
    session.receive(answer + h2.header_frames(1, TRAILERS, end=True, size=2))
    assert stream.heads == [Head(status=200), Head(grpc_status=0)]
    assert (stream.data, stream.ended) == (b"hello", 1)
    assert not session.streams
    session.receive(h2.rst_stream(1, h2.NO_ERROR) + h2.frame(h2.DATA, 0, 1, b"late"))
    assert (stream.data, stream.ended) == (b"hello", 1)
    assert peer.sent() == []


def test_pings_are_answered() -> None:
    session, peer = opened()
    session.receive(h2.frame(h2.PING, 0, 0, b"12345678"))
    assert peer.sent() == [(h2.PING, h2.ACK, 0, b"12345678")]
    session.receive(h2.frame(h2.PING, h2.ACK, 0, b"12345678"))
    assert peer.sent() == []


def test_an_answer_before_the_end_of_the_request() -> None:
    session, peer = opened(INITIAL_WINDOW_SIZE=10)
    stream, opening = Told(), Told(ends=False)
    session.open(stream, b"block", b"x" * 25)
    session.open(opening, b"block", b"request")
    peer.sent()
    for number in (1, 3):
        session.receive(h2.header_frames(number, TRAILERS, end=True, size=99))
    resets = h2.CANCEL.to_bytes(4, "big")
    assert peer.sent() == [(h2.RST_STREAM, 0, 1, resets), (h2.RST_STREAM, 0, 3, resets)]
    assert (stream.ended, opening.ended) == (1, 1)


def test_cancelling() -> None:
    session, peer = opened(MAX_CONCURRENT_STREAMS=1)
    first, second, third = Told(), Told(), Told()
    for stream in (first, second, third):
        session.open(stream, b"block", b"data")
    session.cancel(second)
    assert peer.kinds() == [h2.HEADERS, h2.DATA]
    session.cancel(first)
    assert peer.kinds() == [h2.RST_STREAM, h2.HEADERS, h2.DATA]
    session.cancel(first)  # once more is no harm
    assert peer.kinds() == []
    assert [*session.streams.values()] == [third]
    assert first.ended == second.ended == 0


def test_as_many_streams_as_the_peer_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING_STREAMS_MAX", 2)
    session, peer = opened(MAX_CONCURRENT_STREAMS=2)
    streams = [Told() for _ in range(5)]
    for stream in streams:
        session.open(stream, b"b", b"d")
    assert peer.kinds() == [h2.HEADERS, h2.DATA] * 2
    assert streams[4].failure == (h2.ENHANCE_YOUR_CALM, False)
    session.receive(h2.header_frames(1, TRAILERS, end=True, size=99))
    assert [number for _, _, number, _ in peer.sent()] == [5, 5]
    session.receive(h2.settings({h2.MAX_CONCURRENT_STREAMS: 9}))
    assert [number for kind, _, number, _ in peer.sent() if kind == h2.HEADERS] == [7]


def test_goaway_fails_what_the_peer_will_not_do() -> None:
    session, _ = opened(MAX_CONCURRENT_STREAMS=2)
    done, undone, waiting, late = Told(), Told(), Told(), Told()
    for stream in (done, undone, waiting):
        session.open(stream, b"b", b"d")
    session.receive(h2.frame(h2.GOAWAY, 0, 0, (1).to_bytes(4, "big") + bytes(4)))
    assert undone.failure == waiting.failure == (h2.REFUSED_STREAM, False)
    session.open(late, b"b", b"d")
    assert late.failure == (h2.REFUSED_STREAM, False)
    assert session.draining
    assert not session.drained
    session.receive(h2.header_frames(1, TRAILERS, end=True, size=99))
    assert (done.ended, done.failure) == (1, None)
    assert session.drained


def test_stream_numbers_run_out() -> None:
    session, peer = opened(MAX_CONCURRENT_STREAMS=1)
    session._next_id = h2.STREAM_ID_LIMIT - 2
    streams = [Told(), Told(), Told()]
    for stream in streams:
        session.open(stream, b"b", b"d")
    assert not session.draining
    session.receive(h2.header_frames(h2.STREAM_ID_LIMIT - 2, TRAILERS, end=True, size=99))
    assert session.draining
    assert [number for _, _, number, _ in peer.sent()][2:] == [h2.STREAM_ID_LIMIT] * 2
    assert [stream.failure for stream in streams] == [None, None, (h2.REFUSED_STREAM, False)]


def test_of_a_lost_connection_it_is_known_what_was_sent() -> None:
    session, _ = opened(MAX_CONCURRENT_STREAMS=2, INITIAL_WINDOW_SIZE=10)
    sent, half, waiting = Told(), Told(), Told()
    session.open(sent, b"b", b"d")
    session.open(half, b"b", b"d" * 11)
    session.open(waiting, b"b", b"d")
    session.lost("gone")
    assert sent.failure == (LOST, True)
    assert half.failure == waiting.failure == (LOST, False)


@pytest.mark.parametrize(("code", "begun"), [(h2.REFUSED_STREAM, False), (h2.CANCEL, True)])
def test_a_reset_stream(code: int, begun: bool) -> None:
    session, _ = opened()
    stream = Told()
    session.open(stream, b"b", b"d")
    session.receive(h2.rst_stream(1, code))
    assert stream.failure == (code, begun)
    assert not session.streams


def test_windows_are_given_back() -> None:
    session, peer = opened()
    prompt, slow = Told(), Slow()
    session.open(prompt, b"b", b"d")
    session.open(slow, b"b", b"d")
    peer.sent()
    piece = bytes(h2.FRAME_BYTES_MAX)
    pieces = module.STREAM_CREDIT_BYTES // len(piece)
    for number in (1, 3):
        session.receive(h2.frame(h2.DATA, 0, number, piece) * pieces)
    more = module.STREAM_CREDIT_BYTES.to_bytes(4, "big")
    assert peer.sent() == [(h2.WINDOW_UPDATE, 0, 1, more)]
    session.read(slow, pieces * len(piece))
    assert peer.sent() == [(h2.WINDOW_UPDATE, 0, 3, more)]


BAD = {
    "data for a stream that never was": h2.frame(h2.DATA, 0, 7, b"x"),
    "headers on the connection": h2.header_frames(0, OK, size=99),
    "a stream of the peer's own": h2.header_frames(2, OK, size=99),
    "a pushed answer": h2.frame(h2.PUSH_PROMISE, 0, 1, b"1234"),
    "a ping of another size": h2.frame(h2.PING, 0, 0, b"123"),
    "a window that grows by nothing": h2.window_update(0, 0),
    "a window above all bounds": h2.window_update(0, h2.WINDOW_BYTES_LIMIT),
    "half a setting": h2.frame(h2.SETTINGS, 0, 0, b"123"),
    "a first window above all bounds": h2.settings({h2.INITIAL_WINDOW_SIZE: 1 << 31}),
    "frames too small": h2.settings({h2.MAX_FRAME_SIZE: 100}),
    "a continuation of nothing": h2.frame(h2.CONTINUATION, h2.END_HEADERS, 1, b""),
    "headers broken off": h2.frame(h2.HEADERS, 0, 1, OK) + h2.frame(h2.PING, 0, 0, b"12345678"),
    "headers that are none": h2.header_frames(1, b"\xbe", size=99),
    "headers without end": h2.frame(h2.HEADERS, 0, 1, b"")
    + h2.frame(h2.CONTINUATION, 0, 1, bytes(16_000)) * 5,
}


@pytest.mark.parametrize("name", BAD)
def test_a_peer_that_breaks_the_protocol(name: str) -> None:
    session, _ = opened()
    session.open(Told(), b"b", b"d")
    with pytest.raises(ProtocolError):
        session.receive(BAD[name])


@given(st.binary(max_size=400))
def test_any_bytes_are_frames_or_a_broken_protocol(noise: bytes) -> None:
    session, _ = opened()
    stream = Told()
    session.open(stream, b"b", b"d")
    try:
        session.receive(noise)
    except ProtocolError:
        session.lost("broken")
    assert stream.ended <= 1


class CheckedPeer:
    """Counts what it allowed and what it got; fails when it got more."""

    def __init__(self, session: Session, window: int) -> None:
        self._peer = Peer(session)
        self.session = session
        self.connection = h2.WINDOW_BYTES_DEFAULT
        self.first = window
        self.left: dict[int, int] = {}
        self.got: dict[int, bytes] = {}
        self.ended: set[int] = set()

    def look(self) -> None:
        for kind, flags, number, payload in self._peer.sent():
            if kind == h2.HEADERS:
                self.left[number], self.got[number] = self.first, b""
            elif kind == h2.DATA:
                assert number not in self.ended
                self.connection -= len(payload)
                self.left[number] -= len(payload)
                assert self.connection >= 0
                assert self.left[number] >= 0
                self.got[number] += payload
                if flags & h2.END_STREAM:
                    self.ended.add(number)

    def resize(self, window: int) -> None:
        self.left = {number: left + window - self.first for number, left in self.left.items()}
        self.first = window
        self.session.receive(h2.settings({h2.INITIAL_WINDOW_SIZE: window}))

    def allow(self, number: int, more: int) -> None:
        if number:
            self.left[number] += more
        else:
            self.connection += more
        self.session.receive(h2.window_update(number, more))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("open"), st.integers(1, 60_000)),
        st.tuples(st.just("connection"), st.integers(1, 50_000)),
        st.tuples(st.just("stream"), st.integers(1, 50_000)),
        st.tuples(st.just("resize"), st.integers(0, 90_000)),
    ),
    max_size=25,
)


@settings(max_examples=60)
@given(first=st.integers(0, 90_000), steps=STEPS, which=st.randoms(use_true_random=False))
def test_never_more_than_the_windows_and_all_in_the_end(
    first: int, steps: list[tuple[str, int]], which: Any
) -> None:
    session = Session()
    peer = CheckedPeer(session, first)
    session.receive(h2.settings({h2.INITIAL_WINDOW_SIZE: first}))
    peer.look()
    wanted: list[bytes] = []
    for step, size in steps:
        if step == "open":
            wanted.append(which.randbytes(size))
            session.open(Told(), b"block", wanted[-1])
        elif step == "connection":
            peer.allow(0, size)
        elif step == "resize":
            peer.resize(size)
        elif peer.left:
            peer.allow(which.choice(list(peer.left)), size)
        peer.look()
    peer.resize(1 << 20)
    peer.look()
    peer.allow(0, 1 << 24)
    for number in peer.left:
        peer.allow(number, 1 << 20)
    peer.look()
    assert [peer.got[number] for number in sorted(peer.got)] == wanted
    assert len(peer.ended) == len(wanted)
