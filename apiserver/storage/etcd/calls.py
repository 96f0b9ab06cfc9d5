"""gRPC on HTTP/2 streams: what a call's answer means. Pure but for the futures that are told.

A message is five bytes (compressed or not, its length) and protobuf. An answer ends with trailers
that hold its status; one that fails at once is nothing but trailers.

Source: gRPC's doc/PROTOCOL-HTTP2.md, doc/http-grpc-status-mapping.md, doc/statuscodes.md.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from enum import IntEnum

from apiserver.storage.etcd import frames as h2
from apiserver.storage.etcd.headers import Head
from apiserver.storage.etcd.streams import LOST, Stream

PREFIX_BYTES = 5


class Code(IntEnum):
    """How a call ended."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


_OF_HTTP = {
    400: Code.INTERNAL,
    401: Code.UNAUTHENTICATED,
    403: Code.PERMISSION_DENIED,
    404: Code.UNIMPLEMENTED,
    429: Code.UNAVAILABLE,
    502: Code.UNAVAILABLE,
    503: Code.UNAVAILABLE,
    504: Code.UNAVAILABLE,
}
_OF_RESET = {
    h2.REFUSED_STREAM: Code.UNAVAILABLE,
    LOST: Code.UNAVAILABLE,
    h2.CANCEL: Code.CANCELLED,
    h2.ENHANCE_YOUR_CALM: Code.RESOURCE_EXHAUSTED,
    h2.INADEQUATE_SECURITY: Code.PERMISSION_DENIED,
}


class CallFailed(Exception):
    """A call ended otherwise than with an answer.

    begun: whether the peer may have acted on it
    """

    def __init__(self, code: Code, text: str, *, begun: bool = True) -> None:
        super().__init__(f"{code.name}: {text}")
        self.code = code
        self.text = text
        self.begun = begun


def framed(message: bytes) -> bytes:
    """A message as it travels."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def status_of(head: Head, first: Head | None) -> CallFailed | None:
    """What trailers (after a first head, or alone) say; None: all is well."""
    if head.grpc_status == 0:
        return None
    if head.grpc_status is None:
        status = (first or head).status
        code = _OF_HTTP.get(status, Code.UNKNOWN)
        return CallFailed(code, f"an answer without a gRPC status (HTTP {status})")
    try:
        code = Code(head.grpc_status)
    except ValueError:
        code = Code.UNKNOWN
    return CallFailed(code, head.grpc_message)


class Call(Stream):
    """A call in flight. `deadline` is of the loop's clock."""

    __slots__ = ("deadline", "first")

    def __init__(self, deadline: float = math.inf) -> None:
        super().__init__()
        self.deadline = deadline
        self.first: Head | None = None

    def fail(self, failure: CallFailed) -> None:
        raise NotImplementedError

    def on_failure(self, code: int, text: str, begun: bool) -> None:
        self.fail(CallFailed(_OF_RESET.get(code, Code.INTERNAL), text, begun=begun))

    def overdue(self, begun: bool) -> None:
        self.fail(CallFailed(Code.DEADLINE_EXCEEDED, "no answer in time", begun=begun))


class Unary(Call):
    """One message each way; `answer` is told the message, or CallFailed."""

    __slots__ = ("_body", "answer")

    def __init__(self, answer: asyncio.Future[bytes], deadline: float) -> None:
        super().__init__(deadline)
        self.answer = answer
        self._body: list[bytes] = []

    def fail(self, failure: CallFailed) -> None:
        if not self.answer.done():
            self.answer.set_exception(failure)

    def on_data(self, data: bytes, ended: bool) -> None:
        self._body.append(data)
        if ended:
            self.fail(CallFailed(Code.INTERNAL, "the answer has no trailers"))

    def on_head(self, head: Head, ended: bool) -> None:
        if not ended:
            self.first = head
            return
        failure = status_of(head, self.first)
        if failure is not None:
            self.fail(failure)
            return
        body = b"".join(self._body)  # of one piece it is that piece
        length = int.from_bytes(body[1:PREFIX_BYTES], "big")
        if len(body) != PREFIX_BYTES + length or body[0]:
            self.fail(CallFailed(Code.INTERNAL, f"no message in {len(body)} bytes"))
        elif not self.answer.done():
            self.answer.set_result(body[PREFIX_BYTES:])


class Streaming(Call):
    """One message out, our side left open, many messages in.

    taken: told of every number of bytes the stream's window may open by. Whole messages count when
           they are read, so what lies here is bounded by the window; unfinished ones at once, so that
           one message may be larger than the window.
    """

    __slots__ = ("_failure", "_messages", "_need", "_rest", "_size", "_taken", "_wake")
    prompt = False

    def __init__(self, taken: Callable[[Stream, int], None]) -> None:
        super().__init__()
        self.ends = False
        self._taken = taken
        self._messages: list[bytes] = []
        self._size = 0  # bytes of messages that nobody has read
        self._rest = bytearray()  # of a message that is not complete
        self._need = 0  # bytes before it is worth looking at the rest again
        self._failure: CallFailed | None = None
        self._wake: asyncio.Future[None] | None = None

    async def read(self) -> list[bytes]:
        """The messages that came since the last time, at least one. CallFailed: there are no more."""
        while not self._messages:
            if self._failure is not None:
                raise self._failure
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
        messages, self._messages = self._messages, []
        size, self._size = self._size, 0
        if size:
            self._taken(self, size)
        return messages

    def fail(self, failure: CallFailed) -> None:
        if self._failure is None:
            self._failure = failure
        self._notify()

    def on_data(self, data: bytes, ended: bool) -> None:
        before, size = len(self._rest), len(data)
        if before:
            self._rest += data
            if len(self._rest) < self._need:
                self._taken(self, size)
                data = b""
            else:
                data = bytes(self._rest)
                self._rest.clear()
        if data:
            whole = self._split(data)
            self._size += whole - before if whole else 0
            unfinished = len(data) - whole if whole else size
            if unfinished:
                self._taken(self, unfinished)
        if ended:
            self.fail(CallFailed(Code.INTERNAL, "the stream has no trailers"))
        elif self._messages:
            self._notify()

    def _split(self, data: bytes) -> int:
        """Take over the messages in `data`; how many bytes those are."""
        at, size = 0, len(data)
        self._need = PREFIX_BYTES
        while size - at >= PREFIX_BYTES:
            if data[at]:
                self.fail(CallFailed(Code.INTERNAL, "a compressed message"))
                return size
            start = at + PREFIX_BYTES
            end = start + int.from_bytes(data[at + 1 : start], "big")
            if end > size:
                self._need = end - at
                break
            self._messages.append(data[start:end])
            at = end
        self._rest += data[at:]
        return at

    def on_head(self, head: Head, ended: bool) -> None:
        if not ended:
            self.first = head
            return
        failure = status_of(head, self.first)
        self.fail(failure or CallFailed(Code.OK, "the stream has ended"))

    def _notify(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)
