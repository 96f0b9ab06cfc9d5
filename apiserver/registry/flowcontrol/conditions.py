"""What the statuses of the group's kinds share.

Source: pkg/apis/flowcontrol/validation (ValidateFlowSchemaStatus).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wherry.api.errors import FieldError, duplicate, required


def status_errors(status: Mapping[str, Any]) -> list[FieldError]:
    """Conditions have types, each its own."""
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, condition in enumerate(status.get("conditions", ())):
        path, kind = f"status.conditions[{index}].type", condition.get("type", "")
        if kind in seen:
            errors.append(duplicate(path, kind))
        seen.add(kind)
        if not kind:
            errors.append(required(path, "must not be empty"))
    return errors
