"""The scalars of the wire: each checked and brought into its one canonical form.

A converter answers with the canonical value. It raises `Mismatch` for a value of a wrong JSON type and
ValueError, in upstream's words where there are any, for a text that has not the form it should have.

Source: encoding/json, resource.Quantity, metav1.Time and intstr.IntOrString of upstream.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from wherry.api import quantity
from wherry.api.model import format_micro_time, format_time, parse_time

INT32_MAX: Final = 2**31 - 1
INT32_MIN: Final = -(2**31)
INT64_MAX: Final = 2**63 - 1
INT64_MIN: Final = -(2**63)

# Distinct quantity texts remembered ("100m", "64Mi"); a cluster uses few.
_QUANTITIES_MAX: Final = 4096


class Mismatch(Exception):
    """A value has a type its field can't take. A signal to explain, never shown."""


_canonical_quantity = lru_cache(maxsize=_QUANTITIES_MAX)(quantity.canonical)


def to_string(value: Any) -> Any:
    if value.__class__ is str:
        return value
    raise Mismatch


def to_boolean(value: Any) -> Any:
    if value is True or value is False:
        return value
    raise Mismatch


def to_int32(value: Any) -> Any:
    if value.__class__ is int and INT32_MIN <= value <= INT32_MAX:
        return value
    raise Mismatch


def to_int64(value: Any) -> Any:
    if value.__class__ is int and INT64_MIN <= value <= INT64_MAX:
        return value
    raise Mismatch


def to_number(value: Any) -> Any:
    if value.__class__ is int or value.__class__ is float:
        return value
    raise Mismatch


def to_quantity(value: Any) -> Any:
    if value.__class__ is str:
        return _canonical_quantity(value)
    if value.__class__ is int or value.__class__ is float:
        return _canonical_quantity(str(value))
    raise ValueError(quantity.BAD_FORMAT)


def to_int_or_string(value: Any) -> Any:
    if value.__class__ is str:
        return value
    return to_int32(value)


_WHOLE_SECOND_UTC = re.compile(
    r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])T([01]\d|2[0-3]):[0-5]\d:[0-5]\dZ"
)


def to_time(value: Any) -> Any:
    if value.__class__ is not str:
        raise Mismatch
    if _WHOLE_SECOND_UTC.fullmatch(value):
        return value
    return format_time(parse_time(value))


def to_micro_time(value: Any) -> Any:
    if value.__class__ is not str:
        raise Mismatch
    return format_micro_time(parse_time(value))


def to_base64(value: Any) -> Any:
    if value.__class__ is not str:
        raise Mismatch
    try:
        return base64.b64encode(base64.b64decode(value, validate=True)).decode()
    except binascii.Error:
        bare = value.replace("\n", "").replace("\r", "")
        if bare == value:
            raise
        return to_base64(bare)


def to_object(value: Any) -> Any:
    return value


# By the name a shape gives the scalar: its converter and its zero.
SCALARS: Final[Mapping[str, tuple[Callable[[Any], Any], Any]]] = MappingProxyType(
    {
        "string": (to_string, ""),
        "boolean": (to_boolean, False),
        "int32": (to_int32, 0),
        "int64": (to_int64, 0),
        "number": (to_number, 0),
        "quantity": (to_quantity, "0"),
        "int-or-string": (to_int_or_string, 0),
        "time": (to_time, None),
        "micro-time": (to_micro_time, None),
        "byte": (to_base64, ""),
        "object": (to_object, None),
    }
)
