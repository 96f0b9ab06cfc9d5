"""Who asks, told in headers by a front proxy (an aggregating server) that has authenticated them.

Only read when the connection's certificate is a front proxy's; from anybody else the same headers
mean nothing. Source: k8s.io/apiserver/pkg/authentication/request/headerrequest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from apiserver.request import User

Fields = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class FrontProxy:
    """Names of headers, in lower case; the first of `names` (and of `uids`) with a value counts."""

    names: tuple[str, ...]
    uids: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    extra_prefixes: tuple[str, ...] = ()
    allowed_names: tuple[str, ...] = ()  # common names of certificates; empty: any

    def user(self, fields: Fields) -> User | None:
        """The user the headers name; None when they name nobody."""
        name = first_of(fields, self.names)
        if not name:
            return None
        groups = tuple(
            value for header in self.groups for value in values_of(fields, header) if value
        )
        extra: dict[str, tuple[str, ...]] = {}
        for prefix in self.extra_prefixes:
            for key, value in prefixed(fields, prefix):
                extra[key] = (*extra.get(key, ()), value)
        return User(name, first_of(fields, self.uids), groups, extra)


def values_of(fields: Fields, header: str) -> list[str]:
    """All values of a header (named in lower case), in their order."""
    wanted = header.encode("latin-1")
    return [_text(value) for name, value in fields if name == wanted]


def first_of(fields: Fields, headers: Sequence[str]) -> str:
    """The first value of the first header that has one; "" when none has."""
    for header in headers:
        for value in values_of(fields, header)[:1]:
            if value:
                return value
    return ""


def prefixed(fields: Fields, prefix: str) -> list[tuple[str, str]]:
    """The headers with a prefix (in lower case): what follows it, percent-decoded; and the value."""
    start = prefix.encode("latin-1")
    return [
        (unquote(name[len(start) :].decode("latin-1")), _text(value))
        for name, value in fields
        if name.startswith(start)
    ]


def _text(value: bytes) -> str:
    """UTF-8 as clients write it; what is none keeps its bytes apart."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
