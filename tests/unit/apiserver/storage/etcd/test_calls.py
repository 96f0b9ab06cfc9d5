from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.storage.etcd import frames as h2
from apiserver.storage.etcd.calls import CallFailed, Code, Streaming, Unary, framed
from apiserver.storage.etcd.headers import Head
from apiserver.storage.etcd.streams import Stream

FIRST = Head(status=200, content_type="application/grpc")
FINE = Head(grpc_status=0)


def unary() -> Unary:
    return Unary(asyncio.get_running_loop().create_future(), 5.0)


def failure(call: Unary) -> CallFailed:
    found = call.answer.exception()
    assert isinstance(found, CallFailed)
    return found


async def test_one_message() -> None:
    call = unary()
    call.on_head(FIRST, False)
    for piece in (b"\0\0", b"\0\0\x05he", b"llo"):
        call.on_data(piece, False)
    call.on_head(FINE, True)
    assert call.answer.result() == b"hello"


async def test_nobody_waits_any_more() -> None:
    call = unary()
    call.answer.cancel()
    call.on_data(framed(b"x"), False)
    call.on_head(FINE, True)
    call.on_failure(h2.CANCEL, "late", True)
    assert call.answer.cancelled()


@pytest.mark.parametrize(
    ("first", "last", "code"),
    [
        (FIRST, Head(grpc_status=14, grpc_message="no"), Code.UNAVAILABLE),
        (None, Head(200, "application/grpc", 11, "no"), Code.OUT_OF_RANGE),  # nothing but trailers
        (FIRST, Head(grpc_status=99), Code.UNKNOWN),
        (None, Head(status=503), Code.UNAVAILABLE),
        (Head(status=404), Head(), Code.UNIMPLEMENTED),
        (FIRST, Head(), Code.UNKNOWN),
        (FIRST, FINE, Code.INTERNAL),  # without a message
    ],
)
async def test_refusals(first: Head | None, last: Head, code: Code) -> None:
    call = unary()
    if first is not None:
        call.on_head(first, False)
    call.on_head(last, True)
    assert failure(call).code is code
    assert failure(call).begun


@pytest.mark.parametrize("body", [b"\0\0\0\0\x05hell", b"\1\0\0\0\x01x", b"\0\0\0\0\0extra", b"\0"])
async def test_bodies_that_are_no_message(body: bytes) -> None:
    call = unary()
    call.on_data(body, False)
    call.on_head(FINE, True)
    assert failure(call).code is Code.INTERNAL


@pytest.mark.parametrize(
    ("reset", "code"),
    [
        (h2.REFUSED_STREAM, Code.UNAVAILABLE),
        (h2.CANCEL, Code.CANCELLED),
        (h2.ENHANCE_YOUR_CALM, Code.RESOURCE_EXHAUSTED),
        (h2.PROTOCOL_ERROR, Code.INTERNAL),
    ],
)
async def test_resets(reset: int, code: Code) -> None:
    call = unary()
    call.on_failure(reset, "text", False)
    assert (failure(call).code, failure(call).begun) == (code, False)


class Watched:
    def __init__(self) -> None:
        self.given_back = 0
        self.stream = Streaming(self._taken)

    def _taken(self, stream: Stream, size: int) -> None:
        assert size >= 0
        self.given_back += size


@given(
    messages=st.lists(st.binary(max_size=40), max_size=8),
    cuts=st.lists(st.integers(0, 300), max_size=12),
)
def test_messages_come_in_any_pieces(messages: list[bytes], cuts: list[int]) -> None:
    async def run() -> None:
        wire = b"".join(framed(message) for message in messages)
        watched = Watched()
        start, found = 0, []
        for cut in [*sorted(min(cut, len(wire)) for cut in cuts), len(wire)]:
            watched.stream.on_data(wire[start:cut], False)
            start = cut
            if cut % 3 == 0 and watched.stream._messages:
                found += await watched.stream.read()
        if watched.stream._messages:
            found += await watched.stream.read()
        assert found == messages
        assert watched.given_back == len(wire)

    asyncio.run(run())


async def test_what_nobody_reads_is_not_given_back() -> None:
    watched = Watched()
    watched.stream.on_data(framed(b"one") + framed(b"two") + b"\0\0", False)
    assert watched.given_back == 2
    assert await watched.stream.read() == [b"one", b"two"]
    assert watched.given_back == 18


async def test_a_reader_is_woken_and_told_the_end() -> None:
    stream = Watched().stream
    reading = asyncio.ensure_future(stream.read())
    await asyncio.sleep(0)
    stream.on_data(framed(b"one"), False)
    assert await reading == [b"one"]
    stream.on_data(framed(b"last"), False)
    stream.on_head(Head(grpc_status=14, grpc_message="no leader"), True)
    assert await stream.read() == [b"last"]
    for _ in range(2):
        with pytest.raises(CallFailed, match="no leader"):
            await stream.read()


async def test_a_stream_that_just_ends_has_failed_too() -> None:
    stream = Watched().stream
    stream.on_head(FINE, True)
    with pytest.raises(CallFailed) as ended:
        await stream.read()
    assert ended.value.code is Code.OK
