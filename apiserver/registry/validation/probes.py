"""Probes and lifecycle handlers.

Source: validateProbe, validateHandler of pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from apiserver.registry.validation.words import POSITIVE, invalids, non_negative
from wherry.api import names
from wherry.api.errors import FieldError, forbidden_field, invalid, not_supported, required

Tree = Mapping[str, Any]

SCHEMES: Final = ("HTTP", "HTTPS")
_COUNTS: Final = (
    "initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold",
    "failureThreshold",
)  # fmt: skip
_PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")


def port_number_or_name(port: int | str, path: str) -> list[FieldError]:
    """A port as number, or as the name a container gives it."""
    problems = names.port_name(port) if isinstance(port, str) else names.port_number(port)
    return invalids(path, port, problems)


def _exec(action: Tree, path: str) -> list[FieldError]:
    return [] if action.get("command") else [required(f"{path}.command")]


def _http_get(action: Tree, path: str) -> list[FieldError]:
    errors = [] if action.get("path") else [required(f"{path}.path")]
    errors += port_number_or_name(action["port"], f"{path}.port")
    scheme = action.get("scheme", "")
    if scheme not in SCHEMES:
        errors.append(not_supported(f"{path}.scheme", scheme, SCHEMES))
    for header in action.get("httpHeaders", ()):
        name = header["name"]
        errors += invalids(f"{path}.httpHeaders", name, names.header_name(name))
    return errors


def _port(action: Tree, path: str) -> list[FieldError]:
    return port_number_or_name(action["port"], f"{path}.port")


def _sleep(action: Tree, path: str) -> list[FieldError]:
    seconds = action["seconds"]
    if seconds >= 0:
        return []
    detail = "must be non-negative and less than terminationGracePeriodSeconds"
    return [invalid(f"{path}.seconds", seconds, detail)]


_HANDLERS: Final[Mapping[str, Callable[[Tree, str], list[FieldError]]]] = {
    "exec": _exec,
    "httpGet": _http_get,
    "tcpSocket": _port,
    "grpc": _port,
    "sleep": _sleep,
}


def validate_handler(handler: Tree, path: str) -> list[FieldError]:
    """Exactly one way to act."""
    errors: list[FieldError] = []
    found = 0
    for kind, check in _HANDLERS.items():
        action = handler.get(kind)
        if action is None:
            continue
        found += 1
        if found > 1:
            detail = "may not specify more than 1 handler type"
            errors.append(forbidden_field(f"{path}.{kind}", detail))
        else:
            errors += check(action, f"{path}.{kind}")
    return errors if found else [required(path, "must specify a handler type")]


def validate_probes(container: Tree, path: str) -> list[FieldError]:
    """All probes of a container."""
    errors: list[FieldError] = []
    for field in _PROBES:
        probe = container.get(field)
        if probe is None:
            continue
        at = f"{path}.{field}"
        errors += _probe(probe, at)
        seconds = probe.get("terminationGracePeriodSeconds")
        if field == "readinessProbe":
            if seconds is not None:
                detail = "must not be set for readinessProbes"
                errors.append(invalid(f"{at}.terminationGracePeriodSeconds", seconds, detail))
        elif probe.get("successThreshold", 0) != 1:
            threshold = probe.get("successThreshold", 0)
            errors.append(invalid(f"{at}.successThreshold", threshold, "must be 1"))
    return errors


def _probe(probe: Tree, path: str) -> list[FieldError]:
    errors = validate_handler(probe, path)
    for field in _COUNTS:
        errors += non_negative(probe.get(field), f"{path}.{field}")
    seconds = probe.get("terminationGracePeriodSeconds")
    if seconds is not None and seconds <= 0:
        errors.append(invalid(f"{path}.terminationGracePeriodSeconds", seconds, POSITIVE))
    return errors


def validate_lifecycle(lifecycle: Tree, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    for field in ("postStart", "preStop"):
        if (handler := lifecycle.get(field)) is not None:
            errors += validate_handler(handler, f"{path}.{field}")
    return errors
