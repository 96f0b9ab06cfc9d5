"""HTTP to the API server for a short-lived process: one connection, nothing imported in vain.

`http.client` instead of the daemons' asyncio client, as a command makes a few requests one after
the other and must be done in a tenth of a second. Answers are decoded JSON trees, not models.
Refusals are `ApiError`, silence is `Unreachable`.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from cli.errors import Unreachable
from wherry.api.errors import ApiError
from wherry.client.kubeconfig import ClientConfig, tls_context

Tree = dict[str, Any]

JSON = "application/json"
TABLE = f"{JSON};as=Table;v=v1;g=meta.k8s.io,{JSON}"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
USER_AGENT = "wherry"
CONNECT_SECONDS_MAX = 30.0
REQUEST_SECONDS_MAX = 60.0
LINE_BYTES_MAX = 64 * 1024 * 1024  # one watch event


class Api:
    """One API server. Not for several threads."""

    def __init__(self, config: ClientConfig) -> None:
        self.config = config
        self._place = urlsplit(config.server)
        self._tls: ssl.SSLContext | None = None
        self._connection: http.client.HTTPConnection | None = None

    @property
    def address(self) -> str:
        """host:port, as messages name the server."""
        return self._place.netloc

    def get(self, path: str, params: Mapping[str, str] | None = None, accept: str = JSON) -> Tree:
        return self.request("GET", path, params=params, accept=accept)

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | Sequence[Any] | None = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> Tree:
        """One request; the answer as a tree. Warnings of the server go to stderr."""
        data = None if body is None else encode(body)
        response = self._open(method, path, params, data, content_type, accept)
        try:
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Unreachable(self.address, error) from error
        _show_warnings(response)
        if response.status >= 300:
            raise refusal(response.status, answer)
        decoded: Tree = json.loads(answer) if answer else {}
        return decoded

    @contextmanager
    def stream(
        self, path: str, params: Mapping[str, str] | None = None, accept: str = JSON
    ) -> Iterator[http.client.HTTPResponse]:
        """An answer that is read as it comes, on a connection of its own; without a time limit."""
        sole = Api(self.config)
        sole._tls = self._tls
        try:
            response = sole._open("GET", path, params, None, JSON, accept)
            if response.status >= 300:
                raise refusal(response.status, response.read())
            _show_warnings(response)
            if sole._connection is not None and sole._connection.sock is not None:
                sole._connection.sock.settimeout(None)
            yield response
        finally:
            sole.close()

    def events(
        self, path: str, params: Mapping[str, str], accept: str = JSON
    ) -> Iterator[tuple[str, Tree]]:
        """A watch's events as (type, object), until the server ends it. ApiError for an ERROR."""
        with self.stream(path, {**params, "watch": "true"}, accept) as response:
            try:
                while line := response.readline(LINE_BYTES_MAX):
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise ApiError(event["object"])
                    yield event["type"], event["object"]
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise Unreachable(self.address, error) from error

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        data: bytes | None,
        content_type: str,
        accept: str,
    ) -> http.client.HTTPResponse:
        target = self._place.path.rstrip("/") + path + (f"?{urlencode(params)}" if params else "")
        headers = {"Accept": accept, "User-Agent": USER_AGENT, **self.credentials()}
        if data is not None:
            headers["Content-Type"] = content_type
        # A kept connection may have been closed meanwhile; a fresh one that fails is an answer.
        for attempt in (1, 2):
            fresh = self._connection is None
            try:
                connection = self._connect()
                connection.request(method, target, data, headers)
                return connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                self.close()
                stale = isinstance(error, http.client.RemoteDisconnected | BrokenPipeError)
                if fresh or attempt == 2 or not stale:
                    raise Unreachable(self.address, error) from error
        raise AssertionError("unreachable")

    def credentials(self) -> dict[str, str]:
        """The header that says who we are, if it isn't the certificate."""
        token = self.config.token
        if not token and self.config.token_file:
            token = Path(self.config.token_file).read_text().strip()
        return {"Authorization": f"Bearer {token}"} if token else {}

    def tls(self) -> ssl.SSLContext | None:
        if self._tls is None:
            self._tls = tls_context(self.config)
        return self._tls

    def _connect(self) -> http.client.HTTPConnection:
        if self._connection is None:
            host, port = self._place.hostname or "localhost", self._place.port
            context = self.tls()
            if context is None:
                self._connection = http.client.HTTPConnection(host, port or 80)
            else:
                self._connection = http.client.HTTPSConnection(host, port or 443, context=context)
            self._connection.timeout = CONNECT_SECONDS_MAX
            self._connection.connect()
            self._connection.sock.settimeout(REQUEST_SECONDS_MAX)
        return self._connection


def encode(tree: Mapping[str, Any] | Sequence[Any]) -> bytes:
    return json.dumps(tree, separators=(",", ":"), ensure_ascii=False).encode()


def refusal(code: int, answer: bytes | bytearray) -> ApiError:
    """The server's Status, or one made up from an answer that is none."""
    try:
        status = json.loads(answer)
    except ValueError:
        status = None
    if not isinstance(status, dict) or status.get("kind") != "Status":
        text = answer.decode(errors="replace").strip()
        status = {"status": "Failure", "message": text or f"code {code}", "code": code}
    return ApiError(status)


def _show_warnings(response: http.client.HTTPResponse) -> None:
    for value in response.headers.get_all("Warning") or ():
        # 299 - "text"
        text = value.split('"', 1)[-1].rsplit('"', 1)[0].replace('\\"', '"').replace("\\\\", "\\")
        os.write(2, f"Warning: {text}\n".encode())
