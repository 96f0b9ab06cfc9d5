from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.storage.etcd import frames as h2
from apiserver.storage.etcd.frames import FrameBuffer, ProtocolError

FRAMES = st.lists(
    st.tuples(
        st.integers(0, 20),
        st.integers(0, 255),
        st.integers(0, h2.STREAM_ID_LIMIT),
        st.binary(max_size=300),
    ),
    max_size=8,
)


@given(sent=FRAMES, cuts=st.lists(st.integers(0, 3000), max_size=10))
def test_frames_come_in_any_pieces(sent: list[h2.Frame], cuts: list[int]) -> None:
    wire = b"".join(h2.frame(*one) for one in sent)
    buffer = FrameBuffer()
    found: list[h2.Frame] = []
    start = 0
    for cut in [*sorted(min(cut, len(wire)) for cut in cuts), len(wire)]:
        found += buffer.feed(wire[start:cut])
        start = cut
    assert found == sent


def test_the_reserved_bit_is_ignored() -> None:
    assert FrameBuffer().feed(h2.frame(h2.PING, 0, 0x80000003)) == [(h2.PING, 0, 3, b"")]


def test_a_frame_above_the_limit_is_refused_before_it_is_there() -> None:
    with pytest.raises(ProtocolError) as refused:
        FrameBuffer().feed(h2.head(h2.FRAME_BYTES_MAX + 1, h2.DATA, 0, 1))
    assert refused.value.code == h2.FRAME_SIZE_ERROR


@pytest.mark.parametrize(
    ("kind", "flags", "payload", "inside"),
    [
        (h2.DATA, 0, b"data", b"data"),
        (h2.DATA, h2.PADDED, b"\x03dataPAD", b"data"),
        (h2.DATA, h2.PADDED, b"\x00data", b"data"),
        (h2.HEADERS, h2.WITH_PRIORITY, b"12345block", b"block"),
        (h2.HEADERS, h2.WITH_PRIORITY | h2.PADDED, b"\x0112345blockP", b"block"),
        (h2.DATA, h2.PADDED, b"", None),
        (h2.DATA, h2.PADDED, b"\x05data", None),
        (h2.HEADERS, h2.WITH_PRIORITY, b"123", None),
    ],
)
def test_padding_and_priority_are_taken_off(
    kind: int, flags: int, payload: bytes, inside: bytes | None
) -> None:
    if inside is None:
        with pytest.raises(ProtocolError):
            h2.content(kind, flags, payload)
    else:
        assert h2.content(kind, flags, payload) == inside


def test_long_header_blocks_are_continued() -> None:
    frames = FrameBuffer().feed(h2.header_frames(5, b"abcdefg", end=True, size=3))
    assert frames == [
        (h2.HEADERS, h2.END_STREAM, 5, b"abc"),
        (h2.CONTINUATION, 0, 5, b"def"),
        (h2.CONTINUATION, h2.END_HEADERS, 5, b"g"),
    ]


def test_settings_and_goaway_round_trip() -> None:
    [(kind, _, _, payload)] = FrameBuffer().feed(h2.settings({1: 0, 4: 70_000}))
    assert (kind, h2.read_settings(payload)) == (h2.SETTINGS, [(1, 0), (4, 70_000)])
    [(kind, _, _, payload)] = FrameBuffer().feed(h2.goaway(11, "too_many_pings"))
    assert (kind, h2.read_goaway(payload)) == (h2.GOAWAY, (0, 11, "too_many_pings"))
    for reader in (h2.read_settings, h2.read_goaway, h2.read_number):
        with pytest.raises(ProtocolError):
            reader(b"12345")
