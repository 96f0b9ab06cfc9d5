"""Refusals as the API words them: a `Status` with a code, a reason and causes.

Source: k8s.io/apimachinery/pkg/api/errors and util/validation/field.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

CODES: Mapping[str, int] = {
    "BadRequest": 400,
    "Unauthorized": 401,
    "Forbidden": 403,
    "NotFound": 404,
    "MethodNotAllowed": 405,
    "NotAcceptable": 406,
    "AlreadyExists": 409,
    "Conflict": 409,
    "Gone": 410,
    "Expired": 410,
    "RequestEntityTooLarge": 413,
    "UnsupportedMediaType": 415,
    "Invalid": 422,
    "TooManyRequests": 429,
    "InternalError": 500,
    "ServiceUnavailable": 503,
    "ServerTimeout": 500,
    "Timeout": 504,
}


class FieldError(NamedTuple):
    """One thing wrong with an object: the field's path, upstream's cause type and the words."""

    type: str  # FieldValueRequired, FieldValueInvalid, FieldValueNotSupported, ...
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def go_quote(value: Any) -> str:
    """A bad value as field.Error prints it: strings in quotes, numbers bare, the rest as JSON."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def required(field: str, detail: str = "") -> FieldError:
    return FieldError("FieldValueRequired", field, _with("Required value", detail))


def invalid(field: str, value: Any, detail: str) -> FieldError:
    return FieldError(
        "FieldValueInvalid", field, _with(f"Invalid value: {go_quote(value)}", detail)
    )


def forbidden_field(field: str, detail: str) -> FieldError:
    return FieldError("FieldValueForbidden", field, _with("Forbidden", detail))


def duplicate(field: str, value: Any) -> FieldError:
    return FieldError("FieldValueDuplicate", field, f"Duplicate value: {go_quote(value)}")


def not_found_field(field: str, value: Any) -> FieldError:
    return FieldError("FieldValueNotFound", field, f"Not found: {go_quote(value)}")


def not_supported(field: str, value: Any, supported: Sequence[str]) -> FieldError:
    words = ", ".join(go_quote(one) for one in sorted(supported))
    message = f"Unsupported value: {go_quote(value)}: supported values: {words}"
    return FieldError("FieldValueNotSupported", field, message)


def too_long(field: str, limit: int) -> FieldError:
    return FieldError("FieldValueTooLong", field, f"Too long: may not be more than {limit} bytes")


def too_many(field: str, actual: int, limit: int) -> FieldError:
    message = f"Too many: {actual}: must have at most {limit} items"
    return FieldError("FieldValueTooMany", field, message)


def _with(head: str, detail: str) -> str:
    return f"{head}: {detail}" if detail else head


class ApiError(Exception):
    """A refusal, on either side of the wire. `status` is the whole Status tree."""

    def __init__(self, status: Mapping[str, Any]) -> None:
        super().__init__(status.get("message", ""))
        self.status = dict(status)

    @property
    def code(self) -> int:
        return int(self.status.get("code", 0))

    @property
    def reason(self) -> str:
        return str(self.status.get("reason", ""))

    @property
    def message(self) -> str:
        return str(self.status.get("message", ""))

    @property
    def causes(self) -> list[dict[str, Any]]:
        return list(self.status.get("details", {}).get("causes", ()))

    @property
    def retry_after_seconds(self) -> int:
        return int(self.status.get("details", {}).get("retryAfterSeconds", 0))


def status_error(
    reason: str, message: str, *, code: int = 0, details: Mapping[str, Any] | None = None
) -> ApiError:
    """An ApiError of this reason; its code is the reason's usual one unless given."""
    status: dict[str, Any] = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
    }
    if details is not None:
        status["details"] = dict(details)
    status["code"] = code or CODES[reason]
    return ApiError(status)


def _details(group: str, kind: str, name: str, **more: Any) -> dict[str, Any]:
    details = {"name": name, "group": group, "kind": kind, **more}
    return {key: value for key, value in details.items() if value}


def bad_request(message: str) -> ApiError:
    return status_error("BadRequest", message)


def not_found(qualified: str, name: str) -> ApiError:
    """`qualified` is the resource as `deployments.apps` or `pods`."""
    plural, _, group = qualified.partition(".")
    message = f'{qualified} "{name}" not found'
    return status_error("NotFound", message, details=_details(group, plural, name))


def already_exists(qualified: str, name: str) -> ApiError:
    plural, _, group = qualified.partition(".")
    message = f'{qualified} "{name}" already exists'
    return status_error("AlreadyExists", message, details=_details(group, plural, name))


def conflict(qualified: str, name: str, why: str) -> ApiError:
    plural, _, group = qualified.partition(".")
    message = f'Operation cannot be fulfilled on {qualified} "{name}": {why}'
    return status_error("Conflict", message, details=_details(group, plural, name))


OBJECT_MODIFIED = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


def forbidden(qualified: str, name: str, why: str) -> ApiError:
    plural, _, group = qualified.partition(".")
    message = f'{qualified} "{name}" is forbidden: {why}'
    if not name:
        message = f"{qualified} is forbidden: {why}"
    return status_error("Forbidden", message, details=_details(group, plural, name))


def invalid_object(group: str, kind: str, name: str, errors: Sequence[FieldError]) -> ApiError:
    """422 with one cause for each field error, worded as NewInvalid does."""
    texts: list[str] = []
    for error in errors:
        if str(error) not in texts:
            texts.append(str(error))
    said = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    qualified = f"{kind}.{group}" if group else kind
    causes = [{"reason": e.type, "message": e.message, "field": e.field} for e in errors]
    return status_error(
        "Invalid",
        f'{qualified} "{name}" is invalid: {said}',
        details=_details(group, kind, name, causes=causes),
    )
