"""Answers for /api, /apis and the lists below them, from bytes made once.

Which form a client gets is a matter of its Accept header; the aggregated form has an ETag, so that
kubectl's next call transfers nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from apiserver.accept import JSON, YAML, choices, not_acceptable
from apiserver.discovery import documents
from apiserver.http.request_info import no_such_path
from apiserver.request import RequestContext, Response
from wherry.api.scheme import Resource

_AGGREGATED = ("v2", "v2beta1")


@dataclass(frozen=True, slots=True)
class _Aggregated:
    body: bytes
    etag: str


class Discovery:
    """See the module. `address` is this server's, as host:port."""

    def __init__(self, resources: Iterable[Resource], address: str) -> None:
        groups = documents.grouped(resources)
        core = {"": groups.get("", {})}
        named = {name: versions for name, versions in groups.items() if name}
        self._legacy: dict[tuple[str, ...], bytes] = {
            ("api",): _json(documents.api_versions(list(core[""]), address)),
            ("apis",): _json(documents.api_group_list(named)),
        }
        for version, found in core[""].items():
            self._legacy["api", version] = _json(documents.resource_list(version, found))
        for name, versions in named.items():
            group = documents.api_group(name, list(versions))
            self._legacy["apis", name] = _json(group)
            for version, found in versions.items():
                listed = documents.resource_list(f"{name}/{version}", found)
                self._legacy["apis", name, version] = _json(listed)
        self._aggregated = {
            (root, version): _made(documents.aggregated(part, f"apidiscovery.k8s.io/{version}"))
            for root, part in (("api", core), ("apis", named))
            for version in _AGGREGATED
        }

    @property
    def paths(self) -> list[str]:
        """All paths that have a document."""
        return ["/" + "/".join(segments) for segments in self._legacy]

    def answer(self, segments: list[str], ctx: RequestContext, if_none_match: str) -> Response:
        """The document of this path; ApiError 404 for a group or version that there is not."""
        body = self._legacy.get(tuple(segments))
        if body is None:
            raise no_such_path()
        form = chosen_form(ctx.accept, aggregates=len(segments) == 1)
        if form == "":
            return Response(body=body)
        found = self._aggregated[segments[0], form]
        headers = {"ETag": found.etag, "Vary": "Accept"}
        content_type = f"{JSON};g=apidiscovery.k8s.io;v={form};as=APIGroupDiscoveryList"
        if if_none_match == found.etag:
            return Response(304, b"", content_type, headers)
        return Response(200, found.body, content_type, headers)


def _json(document: documents.Tree) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


def _made(document: documents.Tree) -> _Aggregated:
    body = _json(document)
    return _Aggregated(body, f'"{hashlib.sha512(body).hexdigest().upper()}"')


def chosen_form(accept: str, *, aggregates: bool) -> str:
    """The first acceptable form: "v2" or "v2beta1" when aggregated, "" for the legacy one."""
    for _, named in choices(accept):
        if "as" not in named:
            return ""
        version = named.get("v", "")
        wanted = (named["as"], named.get("g"))
        if (
            aggregates
            and wanted == ("APIGroupDiscoveryList", "apidiscovery.k8s.io")
            and version in _AGGREGATED
        ):
            return version
    raise not_acceptable(JSON, YAML)
