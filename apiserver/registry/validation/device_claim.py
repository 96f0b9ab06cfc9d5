"""Claims of devices: what is asked for, and what was allocated.

Source: pkg/apis/resource/{validation,v1/defaults.go}.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from apiserver.registry.validation.affinity import node_selector
from apiserver.registry.validation.devices import (
    CONFIG_MAX,
    REQUESTS_MAX,
    Tree,
    by_name,
    class_name,
    configuration_errors,
    full_name,
    label_errors,
    limited,
    pool_name,
    raw_errors,
    selectors_errors,
    toleration_errors,
    unique,
)
from apiserver.registry.validation.persistent_volume import csi_driver_name
from apiserver.registry.validation.words import immutable
from wherry.api.errors import (
    FieldError,
    forbidden_field,
    invalid,
    not_supported,
    required,
    too_long,
    too_many,
)

CONSTRAINTS_MAX: Final = 32
ALTERNATIVES_MAX: Final = 8
TOLERATIONS_MAX: Final = 16
RESERVED_MAX: Final = 256
RESULTS_MAX: Final = 32
CONDITIONS_MAX: Final = 8
STATUS_DATA_MAX: Final = 10 * 1024
INTERFACE_NAME_MAX, HARDWARE_ADDRESS_MAX, ADDRESSES_MAX = 256, 128, 16
ALL, EXACT = "All", "ExactCount"
SOURCES: Final = ("FromClaim", "FromClass")
_NO_REQUEST: Final = (
    "must be the name of a request in the claim or the name of a request and a subrequest "
    "separated by '/'"
)

# The names of a claim's requests, each with those of its alternatives.
Names = Mapping[str, frozenset[str]]


def default_claim(spec: dict[str, Any]) -> None:
    """One device, and tolerations that compare."""
    for request in (spec.get("devices") or {}).get("requests") or ():
        for one in (request.get("exactly"), *request.get("firstAvailable", ())):
            if one is None:
                continue
            if not one.get("allocationMode"):
                one["allocationMode"] = EXACT
            if one["allocationMode"] == EXACT and not one.get("count"):
                one["count"] = 1
            for toleration in one.get("tolerations", ()):
                if not toleration.get("operator"):
                    toleration["operator"] = "Equal"


def claim_errors(spec: Tree, path: str) -> list[FieldError]:
    devices, at = spec["devices"], f"{path}.devices"
    found = request_names(devices)
    requests = devices.get("requests") or ()
    errors = unique(requests, REQUESTS_MAX, f"{at}.requests", _request, by_name)
    errors += limited(
        devices.get("constraints", ()), CONSTRAINTS_MAX, f"{at}.constraints",
        lambda one, where: _constraint(one, where, found),
    )  # fmt: skip
    return errors + limited(
        devices.get("config", ()), CONFIG_MAX, f"{at}.config",
        lambda one, where: _claim_config(one, where, found),
    )  # fmt: skip


def request_names(devices: Tree) -> Names:
    return {
        request["name"]: frozenset(one["name"] for one in request.get("firstAvailable", ()))
        for request in devices.get("requests") or ()
    }


def _request(request: Tree, path: str) -> list[FieldError]:
    errors = label_errors(request["name"], f"{path}.name")
    exactly, alternatives = request.get("exactly"), request.get("firstAvailable", ())
    words = "exactly one of `exactly` or `firstAvailable` is required"
    if exactly is None and not alternatives:
        return [*errors, required(path, words)]
    if exactly is not None and alternatives:
        return [*errors, invalid(path, None, f"{words}, but multiple fields are set")]
    if exactly is not None:
        return errors + _wanted(exactly, f"{path}.exactly")
    at = f"{path}.firstAvailable"
    return errors + unique(alternatives, ALTERNATIVES_MAX, at, _alternative, by_name)


def _alternative(request: Tree, path: str) -> list[FieldError]:
    return label_errors(request["name"], f"{path}.name") + _wanted(request, path)


def _wanted(request: Tree, path: str) -> list[FieldError]:
    errors = class_name(request["deviceClassName"], f"{path}.deviceClassName")
    errors += selectors_errors(request.get("selectors", ()), f"{path}.selectors")
    mode, count = request.get("allocationMode", ""), request.get("count", 0)
    if mode == ALL:
        if count:
            words = f"must not be specified when allocationMode is '{ALL}'"
            errors.append(invalid(f"{path}.count", count, words))
    elif mode != EXACT:
        errors.append(not_supported(f"{path}.allocationMode", mode, (ALL, EXACT)))
    elif count <= 0:
        errors.append(invalid(f"{path}.count", count, "must be greater than zero"))
    tolerations = request.get("tolerations", ())
    return errors + limited(tolerations, TOLERATIONS_MAX, f"{path}.tolerations", toleration_errors)


def _references(found: Sequence[str], path: str, known: Names) -> list[FieldError]:
    return unique(
        found, REQUESTS_MAX, path, lambda one, at: _reference(one, at, known), lambda one: one
    )


def _reference(name: str, path: str, known: Names) -> list[FieldError]:
    request, slash, alternative = name.partition("/")
    if "/" in alternative:
        return [invalid(path, name, _NO_REQUEST)]
    errors = label_errors(request, path)
    if slash:
        errors += label_errors(alternative, path)
    if request not in known or (slash and alternative not in known[request]):
        errors.append(invalid(path, name, _NO_REQUEST))
    return errors


def _constraint(constraint: Tree, path: str, known: Names) -> list[FieldError]:
    errors = _references(constraint.get("requests", ()), f"{path}.requests", known)
    for field in ("matchAttribute", "distinctAttribute"):
        if (name := constraint.get(field)) is not None:
            return errors + full_name(name, f"{path}.{field}")
    words = (
        'exactly one of "matchAttribute" or "distinctAttribute" is required, '
        "but multiple fields are set"
    )
    return [*errors, required(path, words)]


def _claim_config(config: Tree, path: str, known: Names) -> list[FieldError]:
    errors = _references(config.get("requests", ()), f"{path}.requests", known)
    return errors + configuration_errors(config, path)


# --- status ---


def claim_status_errors(tree: Tree, old: Tree) -> list[FieldError]:
    status, before = tree["status"], old["status"]
    known = request_names(tree["spec"]["devices"])
    allocation, previous = status.get("allocation"), before.get("allocation")
    reserved = status.get("reservedFor", ())
    path = "status.reservedFor"
    errors = unique(reserved, RESERVED_MAX, path, _consumer, lambda one: one["uid"])
    allocated = allocated_devices(status)
    devices = status.get("devices", ())
    errors += unique(
        devices, len(devices), "status.devices",
        lambda one, at: _device_status(one, at, allocated), device_id,
    )  # fmt: skip
    if reserved and allocation is None:
        errors.append(forbidden_field(path, "may not be specified when `allocated` is not set"))
    elif tree["metadata"].get("deletionTimestamp"):
        known_before = before.get("reservedFor", ())
        if any(one not in known_before for one in reserved):
            words = (
                "new entries may not be added while `deallocationRequested` or "
                "`deletionTimestamp` are set"
            )
            errors.append(forbidden_field(path, words))
    if allocation is None:
        return errors
    if previous is not None:
        return errors + immutable(allocation, previous, "status.allocation")
    return errors + _allocation(allocation, "status.allocation", known)


def device_id(device: Tree) -> str:
    found = f"{device['driver']}/{device['pool']}/{device['device']}"
    share = device.get("shareID")
    return f"{found}/{share}" if share else found


def allocated_devices(status: Tree) -> frozenset[str]:
    devices = (status.get("allocation") or {}).get("devices") or {}
    return frozenset(device_id(one) for one in devices.get("results", ()))


def _consumer(consumer: Tree, path: str) -> list[FieldError]:
    return [
        required(f"{path}.{field}") for field in ("resource", "name", "uid") if not consumer[field]
    ]


def _device(device: Tree, path: str) -> list[FieldError]:
    errors = csi_driver_name(device["driver"], f"{path}.driver")
    errors += pool_name(device["pool"], f"{path}.pool")
    return errors + label_errors(device["device"], f"{path}.device")


def _device_status(device: Tree, path: str, allocated: frozenset[str]) -> list[FieldError]:
    errors = _device(device, path)
    if device_id(device) not in allocated:
        words = "must be an allocated device in the claim"
        errors.append(invalid(path, device_id(device), words))
    conditions = device.get("conditions") or ()
    if len(conditions) > CONDITIONS_MAX:
        errors.append(too_many(f"{path}.conditions", len(conditions), CONDITIONS_MAX))
    if (data := device.get("data")) is not None:
        errors += raw_errors(data, f"{path}.data", STATUS_DATA_MAX)
    network, at = device.get("networkData") or {}, f"{path}.networkData"
    for field, limit in (
        ("interfaceName", INTERFACE_NAME_MAX),
        ("hardwareAddress", HARDWARE_ADDRESS_MAX),
    ):
        if len(network.get(field, "")) > limit:
            errors.append(too_long(f"{at}.{field}", limit))
    return errors + unique(
        network.get("ips", ()), ADDRESSES_MAX, f"{at}.ips", lambda _one, _at: [], lambda one: one
    )


def _allocation(allocation: Tree, path: str, known: Names) -> list[FieldError]:
    devices, at = allocation["devices"], f"{path}.devices"

    def result(one: Tree, where: str) -> list[FieldError]:
        return _reference(one["request"], f"{where}.request", known) + _device(one, where)

    def config(one: Tree, where: str) -> list[FieldError]:
        source = one["source"]
        errors = [] if source else [required(f"{where}.source")]
        if source and source not in SOURCES:
            errors.append(not_supported(f"{where}.source", source, SOURCES))
        return errors + _claim_config(one, where, known)

    errors = limited(devices.get("results", ()), RESULTS_MAX, f"{at}.results", result)
    errors += limited(devices.get("config", ()), 2 * CONFIG_MAX, f"{at}.config", config)
    if (selector := allocation.get("nodeSelector")) is not None:
        errors += node_selector(selector, f"{path}.nodeSelector")
    return errors
