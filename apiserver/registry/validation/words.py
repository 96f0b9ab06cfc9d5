"""The phrases and small checks that many kinds share.

Source: k8s.io/apimachinery/pkg/api/validation, pkg/apis/core/validation.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from wherry.api import names
from wherry.api.errors import FieldError, forbidden_field, go_quote, invalid

IMMUTABLE: Final = "field is immutable"
NON_NEGATIVE: Final = "must be greater than or equal to 0"
POSITIVE: Final = "must be greater than 0"
IS_NEGATIVE: Final = "must be greater than or equal to 0"
VALID_IP: Final = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"

NO_FIELDS: Final[Mapping[str, Any]] = {}


def non_negative(value: int | None, path: str) -> list[FieldError]:
    return [invalid(path, value, NON_NEGATIVE)] if value is not None and value < 0 else []


def immutable(new: Any, old: Any, path: str) -> list[FieldError]:
    """An error when a field that may not change did."""
    return [] if new == old else [invalid(path, new, IMMUTABLE)]


def unsupported(path: str, value: Any, supported: Sequence[str]) -> FieldError:
    """A value outside a list that upstream prints unsorted."""
    words = ", ".join(go_quote(one) for one in supported)
    message = f"Unsupported value: {go_quote(value)}: supported values: {words}"
    return FieldError("FieldValueNotSupported", path, message)


def invalids(path: str, value: Any, messages: Iterable[str]) -> list[FieldError]:
    return [invalid(path, value, message) for message in messages]


def labels(found: Mapping[str, str], path: str) -> list[FieldError]:
    """Keys and values of labels. All errors point at the map itself."""
    errors: list[FieldError] = []
    for key, value in found.items():
        errors += invalids(path, key, names.label_key(key))
        errors += invalids(path, value, names.label_value(value))
    return errors


def ip(value: str, path: str) -> list[FieldError]:
    """An IP address as Go's strict parser reads it."""
    return [] if is_ip(value) else [invalid(path, value, VALID_IP)]


def is_ip(value: str) -> bool:
    return parse_ip(value) is not None


def parse_ip(value: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address in a text; None when it is none (zones are refused, as upstream does)."""
    if "%" in value:
        return None
    try:
        return ipaddress.ip_address(value)
    except ValueError:
        return None


def each(
    items: Sequence[Any], path: str, check: Callable[[Any, str], list[FieldError]]
) -> list[FieldError]:
    """What `check` says about every item, each at its own path."""
    errors: list[FieldError] = []
    for index, item in enumerate(items):
        errors += check(item, f"{path}[{index}]")
    return errors


def only_change(new: Any, old: Any, path: str, detail: str) -> list[FieldError]:
    """Forbidden with `detail` when two values differ."""
    return [] if new == old else [forbidden_field(path, detail)]
