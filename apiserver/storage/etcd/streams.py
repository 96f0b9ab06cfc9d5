"""A stream as a session knows it: one request, whole or left open, and who is told of its answer.

Each is told of headers, data and its end; nothing is told twice, and nothing after the end.
"""

from __future__ import annotations

from apiserver.storage.etcd.headers import Head

LOST = -1  # beside HTTP/2's error codes: the connection went
NOTHING = memoryview(b"")


class Stream:
    """A request and who is told of its answer.

    prompt: whether data counts as read when it comes; if not, `Session.read` must be told
    """

    __slots__ = ("ends", "id", "owed", "unsent", "window")
    prompt = True

    def __init__(self) -> None:
        self.id = 0  # none yet
        self.ends = True  # our side ends with what is sent at first
        self.window = 0  # bytes the peer would still take
        self.owed = 0  # bytes read and not yet given back
        self.unsent = NOTHING  # bytes that wait for a window

    def on_head(self, head: Head, ended: bool) -> None:
        """Headers or trailers."""
        raise NotImplementedError

    def on_data(self, data: bytes, ended: bool) -> None:
        raise NotImplementedError

    def on_failure(self, code: int, text: str, begun: bool) -> None:
        """It ends with an HTTP/2 error code or LOST; `begun`: the peer may have acted on it."""
        raise NotImplementedError
