"""Resource quantities: `100m`, `1.5Gi`, `2e3`.

The wire keeps a quantity as the text its writer chose, in *canonical form*: no fractional digits, no
more exponent than needed, and never in another family of suffixes (binary, decimal, exponent) than
written. Finer than nano is rounded up; so is whatever a caller asks for in whole or milli units.

Source: k8s.io/apimachinery/pkg/api/resource/quantity.go and its doc comment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_UP, Context, Decimal
from functools import lru_cache
from typing import Final

BAD_FORMAT: Final = (
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
)
BAD_NUMBER: Final = "unable to parse numeric part of quantity"
BAD_SUFFIX: Final = "unable to parse quantity's suffix"

BINARY: Final[Mapping[str, int]] = {
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60,
}  # fmt: skip
DECIMAL: Final[Mapping[str, int]] = {
    "n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18,
}  # fmt: skip
_DECIMAL_OF: Final = {exponent: suffix for suffix, exponent in DECIMAL.items()}
CACHED: Final = 1024  # distinct texts; a cluster's pods ask for the same few amounts
MAX_DIGITS: Final = 200  # of one text; more is refused rather than computed with
_CONTEXT: Final = Context(prec=2 * MAX_DIGITS, Emax=9999, Emin=-9999)
_NANO: Final = Decimal("1e-9")
_MAX: Final = Decimal(2**63 - 1)

_TEXT = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([^0-9.].*)?", re.DOTALL)
_EXPONENT = re.compile(r"[eE]([+-]?[0-9]{1,4})")


def _split(text: str) -> tuple[Decimal, str]:
    """The number before the suffix, and the suffix. ValueError in upstream's words."""
    match = _TEXT.fullmatch(text) if len(text) <= MAX_DIGITS else None
    if match is None or not (match[2] or match[3]):
        raise ValueError(BAD_FORMAT)
    return Decimal(f"{match[1]}{match[2] or '0'}.{match[3] or '0'}"), match[4] or ""


def _read(text: str) -> tuple[Decimal, str]:
    """The value (rounded away from zero to nano, capped) and the family: binary, decimal, exponent."""
    number, suffix = _split(text)
    if suffix in DECIMAL:
        family, value = "decimal", number.scaleb(DECIMAL[suffix], _CONTEXT)
    elif suffix in BINARY:
        family, value = "binary", _CONTEXT.multiply(number, Decimal(BINARY[suffix]))
    elif exponent := _EXPONENT.fullmatch(suffix):
        family, value = "exponent", number.scaleb(int(exponent[1]), _CONTEXT)
    else:
        raise ValueError(BAD_SUFFIX if _looks_like_suffix(suffix) else BAD_FORMAT)
    if abs(value) > _MAX:  # upstream caps what does not fit 63 bits
        value = _MAX.copy_sign(value)
    return value.quantize(_NANO, ROUND_UP, _CONTEXT), family


def _looks_like_suffix(suffix: str) -> bool:
    return re.fullmatch(r"[eEinumkKMGTP]*[-+]?[0-9]*", suffix) is not None


@lru_cache(CACHED)
def parse(text: str) -> Decimal:
    """The exact value (rounded away from zero to nano); ValueError in upstream's words."""
    return _read(text)[0]


@lru_cache(CACHED)
def canonical(text: str) -> str:
    """The form in which the API writes this quantity."""
    value, family = _read(text)
    return _format(value, family)


def _format(value: Decimal, family: str) -> str:
    if family == "binary":
        if -1024 < value < 1024 or value != value.to_integral_value():
            family = "decimal"  # binary suffixes are for whole numbers of some size
        else:
            return _format_binary(int(value))
    if not value:
        return "0"
    sign, digits, exponent = value.normalize(_CONTEXT).as_tuple()
    assert isinstance(exponent, int), "a quantity is finite"
    shift = exponent % 3  # suffixes go by thousands: give digits until the exponent fits
    mantissa = "".join(map(str, digits)) + "0" * shift
    exponent -= shift
    while exponent > DECIMAL["E"] and family == "decimal":
        mantissa, exponent = f"{mantissa}000", exponent - 3
    exponents = f"e{exponent}" if exponent else ""
    suffix = _DECIMAL_OF[exponent] if family == "decimal" else exponents
    return f"{'-' if sign else ''}{mantissa}{suffix}"


def _format_binary(value: int) -> str:
    suffix = ""
    for name, factor in BINARY.items():
        if value % factor:
            break
        suffix = name
    return f"{value // BINARY.get(suffix, 1)}{suffix}"


def value(text: str) -> int:
    """The quantity in whole units, rounded up: bytes, pods."""
    return int(parse(text).to_integral_value(ROUND_CEILING))


def milli(text: str) -> int:
    """The quantity in thousandths, rounded up: CPU."""
    return int((parse(text) * 1000).to_integral_value(ROUND_CEILING))


def format_value(amount: int, *, binary: bool = False) -> str:
    """A canonical text for whole units."""
    return _format(Decimal(amount), "binary" if binary else "decimal")


def format_milli(amount: int) -> str:
    """A canonical text for thousandths: 1500 → `1500m`, 2000 → `2`."""
    return _format(Decimal(amount).scaleb(-3), "decimal")


def add(left: str, right: str) -> str:
    """The sum, in the family of suffixes of the left one unless that is zero."""
    return _sum(left, right, 1)


def subtract(left: str, right: str) -> str:
    """The difference, in the family of suffixes of the left one unless that is zero."""
    return _sum(left, right, -1)


def _sum(left: str, right: str, sign: int) -> str:
    value, family = _read(left)
    other, its_family = _read(right)
    return _format(value + sign * other, family if value else its_family)
