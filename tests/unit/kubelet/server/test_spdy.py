"""SPDY frames: what one codec writes another reads, however the bytes are cut."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubelet.server.spdy import (
    DATA_BYTES_MAX,
    DICTIONARY,
    Codec,
    Data,
    Frame,
    GoAway,
    Ping,
    Reset,
    SpdyError,
    SynReply,
    SynStream,
)

texts = st.text(st.characters(codec="ascii", categories=["Ll", "Nd"]), max_size=20)
headers = st.dictionaries(texts, texts, max_size=4)
streams = st.integers(1, 2**31 - 1)
frames = st.one_of(
    st.builds(SynStream, streams, headers, st.booleans()),
    st.builds(SynReply, streams, headers, st.booleans()),
    st.builds(Data, streams, st.binary(max_size=50), st.booleans()),
    st.builds(Reset, streams, st.integers(1, 11)),
    st.builds(Ping, st.integers(0, 2**32 - 1)),
    st.builds(GoAway, streams, st.integers(0, 2)),
)


def joined(found: list[Frame]) -> list[Frame]:
    """The pieces of a data frame put together (one that ends is followed by a new one)."""
    whole: list[Frame] = []
    for frame in found:
        before = whole[-1] if whole else None
        if (
            isinstance(frame, Data) and isinstance(before, Data)
            and before.stream == frame.stream and not before.fin
        ):  # fmt: skip
            whole[-1] = Data(frame.stream, before.data + frame.data, frame.fin)
        else:
            whole.append(frame)
    return whole


def test_the_dictionary_is_the_protocols() -> None:
    assert zlib.adler32(DICTIONARY) == 0xE3C6A7C2


@given(st.lists(frames, max_size=8), st.integers(1, 40))
def test_what_is_written_is_read(sent: list[Frame], step: int) -> None:
    writer, reader = Codec(), Codec()
    raw = b"".join(writer.encode(frame) for frame in sent)
    found: list[Frame] = []
    for at in range(0, len(raw), step):
        found += reader.feed(raw[at : at + step])
    assert joined(found) == joined(sent)


def test_a_data_frame_comes_in_pieces() -> None:
    raw = Codec().encode(Data(1, b"abcdef", fin=True))
    codec = Codec()
    assert codec.feed(raw[:11]) == [Data(1, b"abc")]
    assert codec.feed(raw[11:]) == [Data(1, b"def", fin=True)]


@pytest.mark.parametrize("size", [0, 1, DATA_BYTES_MAX, DATA_BYTES_MAX + 1, 3 * DATA_BYTES_MAX])
def test_long_data_becomes_frames(size: int) -> None:
    data = bytes(size)
    found = Codec().feed(Codec().encode(Data(3, data, fin=True)))
    assert [frame.fin for frame in found if isinstance(frame, Data)][-1]
    assert joined(found) == [Data(3, data, fin=True)]


def test_frames_of_no_interest_are_passed_over() -> None:
    settings = struct.pack("!HHI", 0x8003, 4, 12) + struct.pack("!III", 1, 4, 100)
    window = struct.pack("!HHI", 0x8003, 9, 8) + struct.pack("!II", 1, 100)
    assert Codec().feed(settings + window + Codec().encode(Ping(7))) == [Ping(7)]


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(struct.pack("!HHI", 0x8002, 1, 0), id="SPDY/2"),
        pytest.param(struct.pack("!HHI", 0x8003, 1, 0xFFFFFF), id="too long"),
        pytest.param(struct.pack("!HHI", 0x8003, 1, 4) + b"\0\0\0\1", id="too short"),
        pytest.param(struct.pack("!HHI", 0x8003, 2, 9) + b"\0\0\0\1hello", id="not compressed"),
        pytest.param(struct.pack("!HHI", 0x8003, 6, 1) + b"x", id="short ping"),
    ],
)
def test_broken_frames_end_the_connection(raw: bytes) -> None:
    with pytest.raises(SpdyError):
        Codec().feed(raw)


def test_a_header_bomb_is_refused() -> None:
    packer = zlib.compressobj(zdict=DICTIONARY)
    bomb = packer.compress(struct.pack("!I", 1) + bytes(10_000_000)) + packer.flush()
    body = struct.pack("!I", 1) + bomb
    with pytest.raises(SpdyError):
        Codec().feed(struct.pack("!HHI", 0x8003, 2, len(body)) + body)


@given(st.binary(max_size=200))
def test_random_bytes_never_break_the_codec(raw: bytes) -> None:
    try:
        Codec().feed(raw)
    except SpdyError:
        return
