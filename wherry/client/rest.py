"""The typed client of the API: a method per verb, generic over the kind's model.

Refusals are `ApiError` (the server's Status), silence is `ApiUnavailable`; nothing else leaves.
Requests that the server asks to repeat (429 or 5xx with Retry-After) are repeated a few times
within the call's timeout; nothing else is retried here, for only the caller knows what it means.

Source: the API conventions' verbs; retry rule as k8s.io/client-go/rest.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar
from urllib.parse import quote, urlencode

from wherry.api.errors import ApiError
from wherry.api.meta_v1.status import DeleteOptions, Preconditions, Status
from wherry.api.model import TypedModel
from wherry.api.scheme import Resource, resource_of
from wherry.client.decode import (
    LineSplitter,
    M,
    ObjectList,
    PartialObjectMetadata,
    WatchEvent,
    decode_error,
    decode_event,
    decode_list,
    decode_object,
)
from wherry.client.kubeconfig import ClientConfig, tls_context
from wherry.client.transport import ApiUnavailable, Pool, Response, StreamResponse

__all__ = ["ApiError", "ApiUnavailable", "Client", "ObjectList", "PatchType", "WatchEvent"]

B = TypeVar("B", bound=TypedModel)
PatchType = Literal["merge", "strategic", "json"]
PATCH_TYPES: Mapping[str, str] = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
}
JSON = "application/json"
_PARTIAL = "application/json;as={};g=meta.k8s.io;v=v1"
TOKEN_SECONDS_MAX = 60.0  # a rotated token file is noticed within this time
RETRIES_MAX = 5
RETRY_SECONDS_MAX = 10.0
PAGE_LIMIT_MAX = 10_000  # pages followed in one list
Params = Mapping[str, str]


class Client:
    """Speaks to one API server. Use as an async context manager; methods are safe to run at once."""

    def __init__(
        self, config: ClientConfig, *, user_agent: str = "wherry", timeout: float = 30.0
    ) -> None:
        self.config = config
        self.timeout = timeout
        self._pool = Pool(config.server, tls_context(config), server_name=config.server_name)
        self._user_agent = config.user_agent or user_agent
        self._token = config.token
        self._token_read = -TOKEN_SECONDS_MAX

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.close()

    # -- reads

    async def get(self, model: type[M], name: str, namespace: str = "") -> M:
        path = resource_of(model).path(namespace, quote(name))
        return decode_object(model, (await self._send("GET", path)).body)

    async def list(
        self,
        model: type[M],
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 0,
        resource_version: str = "",
        resource: Resource | None = None,
    ) -> ObjectList[M]:
        """All matching objects at one revision; `limit` is the page size, pages are followed.

        With `PartialObjectMetadata`, `resource` says whose metadata.
        """
        path = (resource or resource_of(model)).path(namespace)
        params = _selection(label_selector, field_selector, resource_version)
        if limit:
            params["limit"] = str(limit)
        accept = _accept(model, "PartialObjectMetadataList")
        found: list[M] = []
        for _ in range(PAGE_LIMIT_MAX):
            page = decode_list(model, (await self._send("GET", path, params, accept=accept)).body)
            found = [*found, *page.items] if found else page.items
            if not page.continue_:
                return ObjectList(found, page.resource_version)
            params = {**params, "continue": page.continue_}
            params.pop("resourceVersion", None)
        raise ApiUnavailable(f"{path} has more than {PAGE_LIMIT_MAX} pages")

    async def watch(
        self,
        model: type[M],
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        resource_version: str = "",
        timeout_seconds: int = 0,
        bookmarks: bool = True,
        send_initial_events: bool = False,
        silence_seconds_max: float = 0.0,
        resource: Resource | None = None,
    ) -> AsyncIterator[WatchEvent[M]]:
        """Events after `resource_version`, until the server ends the watch.

        ApiError on an ERROR event (410: list again); ApiUnavailable when the connection breaks or,
        with `silence_seconds_max`, when nothing at all arrives for so long.
        """
        path = (resource or resource_of(model)).path(namespace)
        params = _selection(label_selector, field_selector, resource_version)
        params["watch"] = "true"
        if timeout_seconds:
            params["timeoutSeconds"] = str(timeout_seconds)
        if bookmarks:
            params["allowWatchBookmarks"] = "true"
        if send_initial_events:
            params["sendInitialEvents"] = "true"
            params["resourceVersionMatch"] = "NotOlderThan"
        accept = _accept(model, "PartialObjectMetadata")
        lines = LineSplitter()
        async with self.stream("GET", path, params=params, accept=accept) as response:
            chunks = response.chunks()
            while True:
                piece = await _next(chunks, silence_seconds_max, path)
                if not piece:
                    return
                for line in lines.feed(piece):
                    yield decode_event(model, line)

    # -- writes

    async def create(
        self, obj: M, *, subresource: str = "", name: str = "", dry_run: bool = False
    ) -> M:
        """Create the object in its metadata's namespace; the stored form comes back."""
        model, meta = type(obj), _meta(obj)
        path = resource_of(model).path(meta.namespace, quote(name), subresource)
        response = await self._send("POST", path, _dry(dry_run), body=obj.to_json())
        return decode_object(model, response.body)

    async def update(self, obj: M, *, subresource: str = "", dry_run: bool = False) -> M:
        """Replace the object; 409 when its resourceVersion is set and no longer the newest."""
        model, meta = type(obj), _meta(obj)
        path = resource_of(model).path(meta.namespace, quote(meta.name), subresource)
        response = await self._send("PUT", path, _dry(dry_run), body=obj.to_json())
        return decode_object(model, response.body)

    async def update_status(self, obj: M) -> M:
        return await self.update(obj, subresource="status")

    async def patch(
        self,
        model: type[M],
        name: str,
        namespace: str,
        patch: Mapping[str, Any] | Sequence[Any],
        *,
        type: PatchType = "merge",
        subresource: str = "",
        dry_run: bool = False,
    ) -> M:
        path = resource_of(model).path(namespace, quote(name), subresource)
        response = await self._send(
            "PATCH", path, _dry(dry_run), body=encode(patch), content_type=PATCH_TYPES[type]
        )
        return decode_object(model, response.body)

    async def delete(
        self,
        model: type[TypedModel],
        name: str,
        namespace: str = "",
        *,
        grace_period_seconds: int | None = None,
        propagation_policy: str | None = None,
        uid: str | None = None,
        resource_version: str | None = None,
        resource: Resource | None = None,
    ) -> None:
        """Ask for the object's deletion, under the given preconditions."""
        options = _options(grace_period_seconds, propagation_policy, uid, resource_version)
        path = (resource or resource_of(model)).path(namespace, quote(name))
        await self._send("DELETE", path, body=options)

    async def delete_collection(
        self,
        model: type[TypedModel],
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        grace_period_seconds: int | None = None,
        propagation_policy: str | None = None,
        resource: Resource | None = None,
    ) -> None:
        path = (resource or resource_of(model)).path(namespace)
        params = _selection(label_selector, field_selector, "")
        options = _options(grace_period_seconds, propagation_policy, None, None)
        await self._send("DELETE", path, params, body=options)

    async def create_subresource(
        self, model: type[TypedModel], name: str, namespace: str, subresource: str, body: B
    ) -> B | Status:
        """POST `body` to an object's subresource (binding, eviction, token)."""
        path = resource_of(model).path(namespace, quote(name), subresource)
        answer = (await self._send("POST", path, body=body.to_json())).body
        if b'"kind":"Status"' in answer[:64] or json.loads(answer).get("kind") == "Status":
            return decode_object(Status, answer)
        return decode_object(type(body), answer)

    # -- raw

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | Mapping[str, Any] | None = None,
        content_type: str | None = None,
        params: Params | None = None,
        accept: str | None = None,
        timeout: float | None = None,
    ) -> Response:
        """Any request; a refusal raises ApiError, every 2xx is returned."""
        data = body if isinstance(body, bytes) or body is None else encode(body)
        return await self._send(
            method, path, params, body=data or b"", content_type=content_type or JSON,
            accept=accept or JSON, timeout=timeout,
        )  # fmt: skip

    def stream(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: bytes = b"",
        accept: str = JSON,
        timeout: float | None = None,
    ) -> AbstractAsyncContextManager[StreamResponse]:
        """A request whose answer is read as it comes; a refusal raises ApiError."""
        return self._open(method, path, params, body, accept, timeout or self.timeout)

    # -- inside

    @asynccontextmanager
    async def _open(
        self,
        method: str,
        path: str,
        params: Params | None,
        body: bytes,
        accept: str,
        timeout: float,
    ) -> AsyncIterator[StreamResponse]:
        head = self._head(method, path, params, len(body), JSON, accept)
        async with self._pool.stream(head, body, timeout) as response:
            if response.status >= 300:
                async with asyncio.timeout(timeout):
                    answer = await response.read()
                raise decode_error(response.status, answer, response.headers.get("retry-after", ""))
            yield response

    async def _send(
        self,
        method: str,
        path: str,
        params: Params | None = None,
        *,
        body: bytes = b"",
        content_type: str = JSON,
        accept: str = JSON,
        timeout: float | None = None,
    ) -> Response:
        head = self._head(method, path, params, len(body), content_type, accept)
        left = timeout or self.timeout
        end = time.monotonic() + left
        for attempt in range(RETRIES_MAX + 1):
            response = await self._pool.request(method, head, body, left)
            if response.status < 300:
                return response
            retry_after = response.headers.get("retry-after", "")
            wait = _retry_seconds(response.status, retry_after)
            left = end - time.monotonic() - (wait or 0.0)
            if wait is None or attempt == RETRIES_MAX or left <= 0:
                break
            await asyncio.sleep(wait)
        raise decode_error(response.status, response.body, retry_after)

    def _head(
        self,
        method: str,
        path: str,
        params: Params | None,
        length: int,
        content_type: str,
        accept: str,
    ) -> bytes:
        target = self._pool.prefix + path + (f"?{urlencode(params)}" if params else "")
        lines = [
            f"{method} {target} HTTP/1.1",
            f"Host: {self._pool.authority}",
            f"User-Agent: {self._user_agent}",
            f"Accept: {accept}",
        ]
        token = self._bearer()
        if token:
            lines.append(f"Authorization: Bearer {token}")
        if length or method in ("POST", "PUT", "PATCH"):
            lines += [f"Content-Type: {content_type}", f"Content-Length: {length}"]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _bearer(self) -> str:
        file = self.config.token_file
        if file and time.monotonic() - self._token_read >= TOKEN_SECONDS_MAX:
            try:
                self._token = Path(file).read_text().strip()
            except OSError as error:
                raise ApiUnavailable(f"cannot read token file {file}: {error.strerror}") from error
            self._token_read = time.monotonic()
        return self._token


def encode(tree: Mapping[str, Any] | Sequence[Any]) -> bytes:
    """A tree as compact JSON."""
    return json.dumps(tree, separators=(",", ":"), ensure_ascii=False).encode()


async def _next(chunks: AsyncIterator[bytes], silence_max: float, path: str) -> bytes:
    """The next piece, empty at the end."""
    if not silence_max:
        return await anext(chunks, b"")
    try:
        async with asyncio.timeout(silence_max):
            return await anext(chunks, b"")
    except TimeoutError:
        raise ApiUnavailable(f"nothing heard from {path} for {silence_max:g} s") from None


def _meta(obj: TypedModel) -> Any:
    return getattr(obj, "metadata")  # noqa: B009  # TypedModel itself declares none: reviews lack it


def _accept(model: type[TypedModel], kind: str) -> str:
    return _PARTIAL.format(kind) if model is PartialObjectMetadata else JSON


def _dry(dry_run: bool) -> Params | None:
    return {"dryRun": "All"} if dry_run else None


def _selection(labels: str, fields: str, resource_version: str) -> dict[str, str]:
    params = {
        "labelSelector": labels, "fieldSelector": fields, "resourceVersion": resource_version,
    }  # fmt: skip
    return {key: value for key, value in params.items() if value}


def _options(
    grace: int | None, propagation: str | None, uid: str | None, resource_version: str | None
) -> bytes:
    conditions = None
    if uid is not None or resource_version is not None:
        conditions = Preconditions(uid=uid, resource_version=resource_version)
    return DeleteOptions(
        grace_period_seconds=grace, propagation_policy=propagation, preconditions=conditions
    ).to_json()


def _retry_seconds(status: int, retry_after: str) -> float | None:
    """How long the server asks us to wait before saying it again; None: it does not ask."""
    if (status == 429 or status >= 500) and retry_after.isdigit():
        return min(float(retry_after), RETRY_SECONDS_MAX)
    return None
