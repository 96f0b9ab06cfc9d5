"""Whole numbers and booleans in texts, read as Go's strconv reads them. Pure.

ParseInt(text, 10, 64): Python's own `int` takes more (`1_0`, ` 1`, digits of other scripts) and raises beyond 4,300 digits.
"""

from __future__ import annotations

import re
from typing import Final

_WHOLE: Final = re.compile(r"[+-]?[0-9]+")
_DIGITS_MAX: Final = 1000  # zeros in front included
_MIN, _MAX = -(1 << 63), (1 << 63) - 1
_BOOLEANS: Final = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
}


def is_whole(text: str) -> bool:
    """Whether the text has the syntax of a whole number, of any size."""
    return _WHOLE.fullmatch(text) is not None


def whole(text: str) -> int | None:
    """The number, None when the text is none or it does not fit 64 bits."""
    if len(text) > _DIGITS_MAX or not is_whole(text):
        return None
    number = int(text)
    return number if _MIN <= number <= _MAX else None


def boolean(text: str) -> bool | None:
    """What strconv.ParseBool says, None when the text is none."""
    return _BOOLEANS.get(text)
