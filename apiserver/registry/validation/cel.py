"""Expressions in CEL, as far as they can be judged without their objects: see `wherry.api.cel.check`.

Source: validateValidationExpression and its kin of pkg/apis/admissionregistration/validation.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from wherry.api.cel.check import complaint
from wherry.api.errors import FieldError, invalid

# What every expression about an admission may name.
ADMISSION: Final = ("object", "oldObject", "request", "namespaceObject", "authorizer")
BOOL: Final = ("bool",)
STRING: Final = ("string",)
STRING_OR_NULL: Final = ("string", "null_type")


def expression_errors(
    expression: str, path: str, variables: Collection[str], wanted: Collection[str] = ()
) -> list[FieldError]:
    """What is wrong with an expression; a blank one is the caller's business."""
    if not expression.strip():
        return []
    words = complaint(expression, variables, wanted)
    return [invalid(path, expression, words)] if words else []
