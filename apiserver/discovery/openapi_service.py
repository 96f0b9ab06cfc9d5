"""Serving OpenAPI: made on the first demand, off the loop, and kept compressed.

An address with the right `hash` may be cached for ever; the index tells the hashes.
Source: k8s.io/kube-openapi/pkg/handler3.
"""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from apiserver.request import Response
from wherry.api.errors import status_error
from wherry.api.scheme import Resource

GZIP_LEVEL = 6
JSON = "application/json"
FOR_EVER = "public, immutable"


@dataclass(frozen=True, slots=True)
class _Document:
    packed: bytes  # gzip
    digest: str


class OpenApi:
    """See the module."""

    def __init__(self, resources: Sequence[Resource], version: str) -> None:
        self._resources = tuple(resources)
        self._version = version
        self._made: dict[str, _Document] | None = None
        self._making = asyncio.Lock()

    async def index(self, if_none_match: str) -> Response:
        """/openapi/v3: where each group and version's document is."""
        documents = await self._documents()
        paths = {
            path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={document.digest}"}
            for path, document in documents.items()
        }
        body = orjson.dumps({"paths": paths})
        etag = f'"{hashlib.sha512(body).hexdigest().upper()}"'
        if if_none_match == etag:
            return Response(304, b"", headers={"ETag": etag})
        return Response(200, body, headers={"ETag": etag})

    async def document(
        self, path: str, digest: str, *, accept: str, accept_encoding: str, if_none_match: str
    ) -> Response:
        """/openapi/v3/<group and version>."""
        documents = await self._documents()
        found = documents.get(path)
        if found is None:
            return Response(404, b"404 page not found\n", "text/plain; charset=utf-8")
        if accept and not any(one in accept for one in ("json", "*/*", "application/*")):
            raise status_error("NotAcceptable", f"only {JSON} is served", details={})
        if digest and digest != found.digest:
            where = f"/openapi/v3/{path}?hash={found.digest}"
            return Response(301, b"", headers={"Location": where})
        headers = {"ETag": f'"{found.digest}"', "Vary": "Accept-Encoding, Accept"}
        if digest:
            headers["Cache-Control"] = FOR_EVER
        if if_none_match == headers["ETag"]:
            return Response(304, b"", headers=headers)
        if "gzip" in accept_encoding:
            return Response(200, found.packed, headers={**headers, "Content-Encoding": "gzip"})
        body = await asyncio.to_thread(zlib.decompress, found.packed, zlib.MAX_WBITS | 16)
        return Response(200, body, headers=headers)

    async def _documents(self) -> dict[str, _Document]:
        async with self._making:
            if self._made is None:
                self._made = await asyncio.to_thread(self._make)
        return self._made

    def _make(self) -> dict[str, _Document]:
        from apiserver.discovery import openapi

        parts: dict[str, list[Resource]] = {}
        for resource in self._resources:
            parts.setdefault(openapi.document_path(resource), []).append(resource)
        made = {}
        for path, resources in parts.items():
            body = orjson.dumps(openapi.document(resources, self._resources, self._version))
            packer = zlib.compressobj(GZIP_LEVEL, wbits=zlib.MAX_WBITS | 16)
            packed = packer.compress(body) + packer.flush()
            made[path] = _Document(packed, hashlib.sha512(body).hexdigest().upper())
        return made
