"""One etcd endpoint: a connection to it that is made when somebody asks and made anew when it was lost.

Of a call that fails it is known whether it can have happened: what could not be sent has not.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from apiserver.storage.etcd.calls import CallFailed, Code, Streaming
from apiserver.storage.etcd.connection import Connection
from apiserver.storage.etcd.headers import request_block
from apiserver.storage.etcd.tls import EtcdTls
from wherry.daemon.backoff import Backoff

PORT = 2379
CONNECT_SECONDS_MAX = 3.0
RETRY_SECONDS_MAX = 1.0


@dataclass(frozen=True, slots=True)
class Method:
    """A gRPC method: its path, the deadline of a call in seconds (0: none), its metadata."""

    path: str
    seconds: float = 0
    metadata: dict[str, str] = field(default_factory=dict, hash=False)


class Endpoint:
    """Calls to one URL. OSError, ssl.SSLError: TLS's files are amiss.

    patient: a call waits for the connection up to its deadline instead of failing with the attempt
    """

    def __init__(self, url: str, tls: EtcdTls, *, patient: bool) -> None:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        self._url = url
        self._host, self._port = parts.hostname or "localhost", parts.port or PORT
        host = f"[{self._host}]" if ":" in self._host else self._host
        self._authority = f"{host}:{self._port}"
        self._scheme = parts.scheme
        self._tls = tls if parts.scheme == "https" else None
        if self._tls is not None:
            self._tls.context()
        self._patient = patient
        self._blocks: dict[Method, bytes] = {}
        self._connection: Connection | None = None
        self._attempt: asyncio.Task[None] | None = None
        self._backoff = Backoff(initial=0.1, maximum=RETRY_SECONDS_MAX)
        self._not_before = 0.0  # the loop's time
        self._failure = "not tried yet"

    async def call(self, method: Method, message: bytes) -> bytes:
        """Ask for one message, within the method's deadline. CallFailed."""
        deadline = asyncio.get_running_loop().time() + method.seconds
        connection = self._connection
        if connection is None or not connection.usable:
            connection = await self._connected(deadline)
        call = connection.call(self._block(method), message, deadline)
        try:
            return await call.answer
        except asyncio.CancelledError:
            connection.cancel(call)
            raise

    async def open(self, method: Method, message: bytes, seconds: float) -> Stream:
        """Open a stream, over a connection that stands within so many seconds. CallFailed."""
        connection = await self._connected(asyncio.get_running_loop().time() + seconds)
        return Stream(connection, connection.stream(self._block(method), message))

    async def close(self) -> None:
        if self._attempt is not None:
            self._attempt.cancel()
            await asyncio.wait([self._attempt])
        if self._connection is not None:
            self._connection.close()

    def _block(self, method: Method) -> bytes:
        found = self._blocks.get(method)
        if found is None:
            found = self._blocks[method] = request_block(
                scheme=self._scheme,
                authority=self._authority,
                path=method.path,
                seconds=method.seconds,
                metadata=method.metadata,
            )
        return found

    async def _connected(self, deadline: float) -> Connection:
        """The connection, once there is one. CallFailed: there is none, and nothing was sent."""
        loop = asyncio.get_running_loop()
        while self._connection is None or not self._connection.usable:
            if self._attempt is None:
                if not self._patient and loop.time() < self._not_before:
                    raise self._unreachable()
                self._attempt = loop.create_task(self._connect())
            # Those who wait share the attempt; one who stops waiting does not stop it.
            done, _ = await asyncio.wait([self._attempt], timeout=deadline - loop.time())
            if not done or (not self._patient and self._failure):
                raise self._unreachable()
        return self._connection

    def _unreachable(self) -> CallFailed:
        text = f"no connection to {self._url}: {self._failure or 'it was lost'}"
        return CallFailed(Code.UNAVAILABLE, text, begun=False)

    async def _connect(self) -> None:
        """One attempt, not too soon after the last one."""
        loop = asyncio.get_running_loop()
        try:
            await asyncio.sleep(self._not_before - loop.time())
            async with asyncio.timeout(CONNECT_SECONDS_MAX):
                self._connection = await self._open_connection()
        except TimeoutError:
            self._failed(f"no answer within {CONNECT_SECONDS_MAX:g} s")
        except OSError as error:  # refused, unreachable, TLS
            self._failed(str(error))
        else:
            # Should it be lost at once, the next attempt waits as after a first failure.
            self._backoff.reset()
            self._failed("")
        finally:
            self._attempt = None

    def _failed(self, why: str) -> None:
        """Note why there is no connection ("": there is one), and not to try again at once."""
        self._failure = why
        self._not_before = asyncio.get_running_loop().time() + self._backoff.next()

    async def _open_connection(self) -> Connection:
        # Made anew each time: certificates may have been renewed.
        context = self._tls.context() if self._tls is not None else None
        transport, connection = await asyncio.get_running_loop().create_connection(
            Connection, self._host, self._port, ssl=context,
            server_hostname=self._host if context is not None else None,
        )  # fmt: skip
        try:
            tls = transport.get_extra_info("ssl_object")
            if tls is not None and tls.selected_alpn_protocol() != "h2":
                raise ConnectionError("the peer does not offer HTTP/2")
            failure = await connection.opened
            if failure:
                raise ConnectionError(failure)
        except BaseException:
            transport.abort()
            raise
        return connection


class Stream:
    """An open stream of messages; close it when done."""

    def __init__(self, connection: Connection, call: Streaming) -> None:
        self._connection, self._call = connection, call

    async def read(self) -> list[bytes]:
        """What came since the last time, at least one message. CallFailed: there are no more."""
        return await self._call.read()

    def close(self) -> None:
        self._connection.cancel(self._call)
