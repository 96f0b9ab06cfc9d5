"""Somebody else's answer passed on: its own headers, its body as it comes.

Unlike a `Response` it brings its headers, length and content type with it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Relay:
    """`chunks` may raise what a broken answer ends in: then the client's connection breaks off, too."""

    status: int
    headers: Sequence[tuple[str, str]]
    chunks: AsyncIterator[bytes]
