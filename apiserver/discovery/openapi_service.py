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

from apiserver.discovery import openapi_v2
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
        self._made_v2: dict[str, _Document] = {}
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
        headers = {"Cache-Control": FOR_EVER} if digest else {}
        return await self._answer(
            found, headers, JSON, accept_encoding=accept_encoding, if_none_match=if_none_match
        )

    async def version_2(self, *, accept: str, accept_encoding: str, if_none_match: str) -> Response:
        """/openapi/v2: as JSON, or as protobuf for those who ask for it (kubectl)."""
        form = openapi_v2.PROTOBUF if "proto-openapi" in accept else JSON
        async with self._making:
            if form not in self._made_v2:
                self._made_v2[form] = await asyncio.to_thread(self._make_v2, form)
        return await self._answer(
            self._made_v2[form], {}, form, accept_encoding=accept_encoding,
            if_none_match=if_none_match,
        )  # fmt: skip

    async def _answer(
        self,
        found: _Document,
        headers: dict[str, str],
        content_type: str,
        *,
        accept_encoding: str,
        if_none_match: str,
    ) -> Response:
        headers |= {"ETag": f'"{found.digest}"', "Vary": "Accept-Encoding, Accept"}
        if if_none_match == headers["ETag"]:
            return Response(304, b"", headers=headers)
        if "gzip" in accept_encoding:
            headers["Content-Encoding"] = "gzip"
            return Response(200, found.packed, content_type, headers)
        body = await asyncio.to_thread(zlib.decompress, found.packed, zlib.MAX_WBITS | 16)
        return Response(200, body, content_type, headers)

    def _make_v2(self, form: str) -> _Document:
        from apiserver.discovery import openapi

        parts = self._parts()
        documents = [
            openapi.document(resources, self._resources, self._version)
            for resources in parts.values()
        ]
        tree = openapi_v2.document(documents, self._version)
        return _pack(orjson.dumps(tree) if form == JSON else openapi_v2.to_protobuf(tree))

    async def _documents(self) -> dict[str, _Document]:
        async with self._making:
            if self._made is None:
                self._made = await asyncio.to_thread(self._make)
        return self._made

    def _parts(self) -> dict[str, list[Resource]]:
        """The resources of each document."""
        from apiserver.discovery import openapi

        parts: dict[str, list[Resource]] = {}
        for resource in self._resources:
            parts.setdefault(openapi.document_path(resource), []).append(resource)
        return parts

    def _make(self) -> dict[str, _Document]:
        from apiserver.discovery import openapi

        return {
            path: _pack(orjson.dumps(openapi.document(resources, self._resources, self._version)))
            for path, resources in self._parts().items()
        }


def _pack(body: bytes) -> _Document:
    packer = zlib.compressobj(GZIP_LEVEL, wbits=zlib.MAX_WBITS | 16)
    packed = packer.compress(body) + packer.flush()
    return _Document(packed, hashlib.sha512(body).hexdigest().upper())
