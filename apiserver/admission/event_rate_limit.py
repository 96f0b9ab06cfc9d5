"""EventRateLimit: no more Events than the store can bear; beyond it 429. Off by default.

Limits of a type `Namespace`, `User` or `SourceAndObject` count each of those apart, remembering so many
of them (`cacheSize`); `Server` counts all together. Each limit is a bucket of `burst` tokens that fills
at `qps` a second.

Source: plugin/pkg/admission/eventratelimit.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from apiserver.admission.configuration import (
    BadConfiguration,
    kind_of,
    known_fields,
    mapping,
    mappings,
)
from apiserver.admission.interface import Attributes, Lister, Plugin
from wherry.api.errors import ApiError, FieldError, invalid, not_supported, status_error
from wherry.api.scheme import BY_PLURAL
from wherry.daemon.token_bucket import TokenBucket

EVENTS: Final = BY_PLURAL["", "v1", "events"]
KIND: Final = "Configuration"
VERSIONS: Final = ("eventratelimit.admission.k8s.io/v1alpha1",)
CACHE_SIZE: Final = 4096  # buckets of one limit, unless the configuration says otherwise
CACHE_SIZE_MAX: Final = 1_000_000
_SOURCE: Final = ("component", "host")
_OBJECT: Final = ("kind", "namespace", "name", "uid", "apiVersion")

Tree = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Limit:
    type: str
    qps: int
    burst: int
    cache_size: int = CACHE_SIZE


def _source_and_object(attributes: Attributes) -> str:
    tree = attributes.tree or {}
    source, about = tree.get("source") or {}, tree.get("involvedObject") or {}
    parts = [source.get(key, "") for key in _SOURCE] + [about.get(key, "") for key in _OBJECT]
    return "".join(parts)


KEYS: Final[Mapping[str, Callable[[Attributes], str]]] = {
    "Server": lambda attributes: "",
    "Namespace": lambda attributes: attributes.namespace,
    "User": lambda attributes: attributes.user.name,
    "SourceAndObject": _source_and_object,
}


class _Limiter:
    """One limit and its buckets; the one not asked for longest is forgotten, which refills it."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.key_of = KEYS[limit.type]
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def accepts(self, key: str, now: float) -> bool:
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = TokenBucket(self.limit.qps, self.limit.burst, now)
            self._buckets[key] = bucket
            if len(self._buckets) > self.limit.cache_size:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return bucket.take(now)


class EventRateLimit(Plugin):
    name = "EventRateLimit"
    about = frozenset({EVENTS})

    def __init__(
        self, limits: tuple[Limit, ...], seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._limiters = tuple(_Limiter(limit) for limit in limits)
        self._seconds = seconds

    def validate(self, attributes: Attributes, lister: Lister) -> None:
        if attributes.operation not in ("CREATE", "UPDATE"):
            return
        now = self._seconds()
        refused: ApiError | None = None
        for limiter in self._limiters:  # each counts it, whatever the others say
            key = limiter.key_of(attributes)
            if not limiter.accepts(key, now):
                why = f"limit reached on type {limiter.limit.type} for key {key}"
                refused = status_error("TooManyRequests", why)
        if refused is not None:
            raise refused


def limits_of(found: Any) -> tuple[Limit, ...]:
    """From the plug-in's configuration. BadConfiguration, also when there is none."""
    if found is None:
        raise BadConfiguration("needs a configuration with limits")
    tree = mapping(found, KIND)
    kind_of(tree, KIND, VERSIONS)
    known_fields(tree, "", ("apiVersion", "kind", "limits"))
    entries = mappings(tree, "limits")
    errors: list[FieldError] = []
    if not entries:
        errors.append(invalid("limits", entries, "must not be empty"))
    limits = [_limit(one, index, errors) for index, one in enumerate(entries)]
    if errors:
        raise BadConfiguration("; ".join(str(error) for error in errors))
    return tuple(limits)


def _limit(tree: Tree, index: int, errors: list[FieldError]) -> Limit:
    path = f"limits[{index}]"
    known_fields(tree, f"{path}.", ("type", "qps", "burst", "cacheSize"))
    kind = str(tree.get("type") or "")
    if kind not in KEYS:
        errors.append(not_supported(f"{path}.type", kind, list(KEYS)))
    numbers = {}
    for field, least, words in (
        ("burst", 1, "must be positive"),
        ("qps", 1, "must be positive"),
        ("cacheSize", 0, "must not be negative"),
    ):
        value = tree.get(field, 0)
        if not isinstance(value, int) or not least <= value:
            errors.append(invalid(f"{path}.{field}", value, words))
            value = least
        numbers[field] = value
    size = min(numbers["cacheSize"], CACHE_SIZE_MAX) or CACHE_SIZE
    return Limit(kind, numbers["qps"], numbers["burst"], size)
