"""What a log query asks for."""

from datetime import UTC, datetime, timedelta

import pytest

from kubelet.server.containers import Refusal
from kubelet.server.logs import LogOptions, limited, log_options

NOW = datetime(2026, 11, 21, 17, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param({}, LogOptions(), id="nothing"),
        pytest.param(
            {"follow": "true", "previous": "1", "timestamps": "true"},
            LogOptions(follow=True, previous=True, timestamps=True),
            id="flags",
        ),
        pytest.param({"follow": "false"}, LogOptions(), id="flag off"),
        pytest.param({"tailLines": "0"}, LogOptions(tail=0), id="no lines"),
        pytest.param(
            {"sinceSeconds": "90"}, LogOptions(since=NOW - timedelta(seconds=90)), id="seconds"
        ),
        pytest.param({"sinceTime": "2026-11-21T17:00:00Z"}, LogOptions(since=NOW), id="time"),
        pytest.param({"stream": "Stderr"}, LogOptions(stdout=False), id="one stream"),
    ],
)
def test_options(query, expected):
    assert log_options(query, NOW) == expected


@pytest.mark.parametrize(
    "query",
    [
        {"tailLines": "-1"}, {"tailLines": "x"}, {"limitBytes": "0"}, {"sinceTime": "yesterday"},
        {"sinceTime": "2026-11-21T17:00:00Z", "sinceSeconds": "1"},
    ],
    ids=str,
)  # fmt: skip
def test_refused(query):
    with pytest.raises(Refusal) as caught:
        log_options(query, NOW)
    assert caught.value.code == 422


@pytest.mark.parametrize(
    ("limit", "expected"), [(None, b"hello world"), (7, b"hello w"), (5, b"hello")]
)
async def test_limit(limit, expected):
    closed = []

    async def pieces():
        try:
            yield 1, b"hello"
            yield 2, b" world"
        finally:
            closed.append(True)

    assert b"".join([piece async for piece in limited(pieces(), limit)]) == expected
    assert closed == [True]
