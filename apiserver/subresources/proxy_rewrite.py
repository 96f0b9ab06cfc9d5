"""What `proxy` changes on the way: headers, redirects and links in HTML. Pure.

A page behind `/api/v1/.../proxy/` thinks that it lives at `/`. Its absolute links and redirects get the
proxy's path in front, so that a browser comes back the same way.

Source: k8s.io/apimachinery/pkg/util/proxy/transport.go; net/http/httputil's reverse proxy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from posixpath import normpath
from urllib.parse import urlsplit, urlunsplit

TAIL_BYTES_MAX = 64 * 1024  # of a tag whose end has not come yet

Headers = list[tuple[str, str]]

_HOP_BY_HOP = frozenset(
    (
        "connection", "proxy-connection", "keep-alive", "proxy-authenticate", "proxy-authorization",
        "te", "trailer", "transfer-encoding", "upgrade",
    )
)  # fmt: skip
# The caller's credentials are meant for us; we have answered `expect` ourselves.
_OURS = frozenset(("authorization", "expect"))
_IMPERSONATION = "impersonate-"  # what is behind must not act on it a second time
_LINKS = {
    b"a": b"href", b"applet": b"codebase", b"area": b"href", b"audio": b"src", b"base": b"href",
    b"blockquote": b"cite", b"body": b"background", b"button": b"formaction", b"command": b"icon",
    b"del": b"cite", b"embed": b"src", b"form": b"action", b"frame": b"longdesc|src",
    b"head": b"profile", b"html": b"manifest", b"iframe": b"longdesc|src",
    b"img": b"longdesc|src|usemap", b"input": b"src|usemap|formaction", b"ins": b"cite",
    b"link": b"href", b"object": b"classid|codebase|data|usemap", b"q": b"cite", b"script": b"src",
    b"source": b"src", b"video": b"poster|src",
}  # fmt: skip
_PATTERNS = {
    tag: re.compile(
        rb"(\s(?:" + names + rb')\s*=\s*)("[^"]*"|\'[^\']*\'|[^\s>"\']+)', re.IGNORECASE
    )
    for tag, names in _LINKS.items()
}
_RAW_TEXT = (b"script", b"style", b"textarea", b"title")  # no tags inside
_TAG = re.compile(rb"<([a-zA-Z][a-zA-Z0-9]*)(?:[^>\"']|\"[^\"]*\"|'[^']*')*>")


def request_headers(headers: Iterable[tuple[str, str]], *, upgrade: bool) -> Headers:
    """The client's headers without those that are for this hop only."""
    every = [(name.lower(), value) for name, value in headers]
    dropped = _HOP_BY_HOP | _OURS | _named(every)
    kept = [
        (name, value)
        for name, value in every
        if name not in dropped and not name.startswith(_IMPERSONATION)
    ]
    if upgrade:
        return [*kept, *((n, v) for n, v in every if n in ("connection", "upgrade"))]
    if any(name == "transfer-encoding" for name, _ in every):
        kept.append(("transfer-encoding", "chunked"))
    return [*kept, ("connection", "close")]


def response_headers(headers: Sequence[tuple[str, str]]) -> Headers:
    """The answer's headers without those of its hop; `date` is written by our server."""
    dropped = _HOP_BY_HOP | _named(headers) | {"date"}
    return [(name, value) for name, value in headers if name not in dropped]


def _named(headers: Iterable[tuple[str, str]]) -> frozenset[str]:
    """What `Connection` names is for one hop only, too."""
    return frozenset(
        token.strip().lower()
        for name, value in headers if name == "connection" for token in value.split(",")
    )  # fmt: skip


def rewrite_url(url: str, prefix: str, own_hosts: Sequence[str]) -> str:
    """A link as the outside must follow it: absolute paths on our or the server's host get the prefix."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return url
    if (parts.netloc and parts.netloc not in own_hosts) or not parts.path.startswith("/"):
        return url
    if parts.scheme not in ("", "http", "https"):
        return url
    path = parts.path
    if path != prefix and not path.startswith(f"{prefix}/"):
        ending = "/" if path.endswith("/") else ""
        path = normpath(f"{prefix}/{path}") + ending
    # No host: relative to where the client found us.
    return urlunsplit(("", "", path, parts.query, parts.fragment))


class HtmlRewriter:
    """Rewrites links in a page as it comes: feed bytes, get what is ready; `finish` gives the rest."""

    def __init__(self, prefix: str, own_hosts: Sequence[str]) -> None:
        self._prefix = prefix
        self._own_hosts = own_hosts
        self._rest = b""
        self._until: bytes = b""  # inside raw text: the end tag that ends it

    def feed(self, data: bytes) -> bytes:
        self._rest += data
        done: list[bytes] = []
        while True:
            if self._until:
                at = self._rest.lower().find(self._until)
                if at < 0:
                    return b"".join(done) + self._keep(len(self._until))
                done.append(self._cut(at))
                self._until = b""
            at = self._rest.find(b"<")
            if at < 0:
                return b"".join(done) + self._cut(len(self._rest))
            done.append(self._cut(at))
            if self._rest.startswith(b"<!--"):
                self._until = b"-->"
                continue
            tag = _TAG.match(self._rest)
            if tag is not None:
                done.append(self._tag(self._cut(tag.end()), tag[1].lower()))
            elif self._is_half_a_tag():
                return b"".join(done)
            else:
                done.append(self._cut(1))

    def finish(self) -> bytes:
        return self._cut(len(self._rest))

    def _cut(self, size: int) -> bytes:
        head, self._rest = self._rest[:size], self._rest[size:]
        return head

    def _keep(self, size: int) -> bytes:
        """All but the last bytes, which may be the beginning of what is looked for."""
        return self._cut(max(0, len(self._rest) - size))

    def _is_half_a_tag(self) -> bool:
        if len(self._rest) < len(b"<!--"):
            return True
        return self._rest[1:2].isalpha() and len(self._rest) < TAIL_BYTES_MAX

    def _tag(self, raw: bytes, name: bytes) -> bytes:
        if name in _RAW_TEXT:
            self._until = b"</" + name
        pattern = _PATTERNS.get(name)
        return raw if pattern is None else pattern.sub(self._link, raw)

    def _link(self, found: re.Match[bytes]) -> bytes:
        value = found[2]
        quote = value[:1] if value[:1] in (b'"', b"'") else b""
        url = value.strip(quote) if quote else value
        try:
            text = url.decode()
        except UnicodeDecodeError:
            return found[0]
        return found[1] + quote + rewrite_url(text, self._prefix, self._own_hosts).encode() + quote
