"""A container's output as the log endpoint gives it.

Docker has kept the lines and demultiplexes, tails and stamps them; here are the query's meaning and
the byte limit.

Source: PodLogOptions of the core API and its validation.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from kubelet.server.containers import Refusal
from wherry.api.model import parse_time

_TRUE = ("1", "true", "True", "t", "T", "TRUE", "")


@dataclass(frozen=True)
class LogOptions:
    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail: int | None = None
    since: datetime | None = None
    limit_bytes: int | None = None
    stdout: bool = True
    stderr: bool = True


def log_options(query: Mapping[str, str], now: datetime) -> LogOptions:
    """What a query asks for; Refusal 422 when it is not understood."""
    seconds = _integer(query, "sinceSeconds", 1)
    since_text = query.get("sinceTime", "")
    if seconds is not None and since_text:
        raise Refusal(422, "at most one of `sinceTime` or `sinceSeconds` may be specified")
    since = None
    if seconds is not None:
        since = now - timedelta(seconds=seconds)
    elif since_text:
        try:
            since = parse_time(since_text)
        except ValueError as error:
            raise Refusal(422, f"sinceTime: {error}") from error
    stream = query.get("stream", "All")
    return LogOptions(
        follow=_boolean(query, "follow"),
        previous=_boolean(query, "previous"),
        timestamps=_boolean(query, "timestamps"),
        tail=_integer(query, "tailLines", 0),
        since=since,
        limit_bytes=_integer(query, "limitBytes", 1),
        stdout=stream in ("All", "Stdout"),
        stderr=stream in ("All", "Stderr"),
    )


def _boolean(query: Mapping[str, str], name: str) -> bool:
    return name in query and query[name] in _TRUE


def _integer(query: Mapping[str, str], name: str, least: int) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not text.lstrip("-").isdigit() or int(text) < least:
        raise Refusal(422, f"{name}: Invalid value: {text!r}: must be at least {least}")
    return int(text)


async def limited(
    pieces: AsyncIterator[tuple[int, bytes]], limit_bytes: int | None
) -> AsyncIterator[bytes]:
    """The bytes of all channels, no more than the limit."""
    left = limit_bytes
    source = cast("AsyncGenerator[tuple[int, bytes], None]", pieces)  # runtimes write generators
    async with aclosing(source):
        async for _, data in source:
            if left is None:
                yield data
                continue
            yield data[:left]
            left -= len(data)
            if left <= 0:
                return
