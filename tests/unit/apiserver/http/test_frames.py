"""Counting WebSocket frames in bytes that come in any pieces."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Close, Frame, Opcode

from apiserver.http.frames import FrameCounter, close_frame


def frame(size: int, mask: bool) -> bytes:
    return Frame(Opcode.BINARY, b"x" * size).serialize(mask=mask)


@given(
    st.lists(st.tuples(st.sampled_from([0, 1, 125, 126, 127, 70_000]), st.booleans()), max_size=4),
    st.lists(st.integers(1, 400), max_size=30),
)
def test_boundaries_are_found(frames: list[tuple[int, bool]], cuts: list[int]) -> None:
    stream = b"".join(frame(*one) for one in frames)
    ends = {0}
    for one in frames:
        ends.add(max(ends) + len(frame(*one)))
    counter, at = FrameCounter(), 0
    for size in [*cuts, len(stream)]:
        counter.feed(stream[at : at + size])
        at = min(at + size, len(stream))
        assert (counter.missing == 0) is (at in ends)
        following = min(end for end in ends if end >= at)
        assert counter.missing <= following - at


def test_a_close_frame_is_understood() -> None:
    data = close_frame(1001, "bye")
    assert data == Frame(Opcode.CLOSE, Close(1001, "bye").serialize()).serialize(mask=False)
