"""Devices: classes, claims and their status, templates, slices."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from apiserver.codec.canonical import canonical
from apiserver.registry.resource.deviceclass import DeviceClassStrategy
from apiserver.registry.resource.resourceclaim import (
    ResourceClaimStrategy,
    ResourceClaimTemplateStrategy,
)
from apiserver.registry.resource.resourceslice import ResourceSliceStrategy
from apiserver.registry.strategy import Strategy
from wherry.api.patch import copy_tree

CLASS, CLAIM = DeviceClassStrategy(), ResourceClaimStrategy()
TEMPLATE, SLICE = ResourceClaimTemplateStrategy(), ResourceSliceStrategy()
NOW = datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
Tree = dict[str, Any]


def made(strategy: Strategy, spec: Tree) -> Tree:
    metadata = {"name": "x", "creationTimestamp": "2026-01-01T00:00:00Z"}
    tree = canonical(strategy.resource.model, {"metadata": metadata, "spec": spec})
    strategy.default(tree)
    strategy.prepare_for_create(tree)
    return tree


def said(strategy: Strategy, spec: Tree) -> list[str]:
    return [str(error) for error in strategy.validate(made(strategy, spec))]


def claim(*requests: Tree, **devices: Any) -> Tree:
    return {"devices": {"requests": list(requests), **devices}}


def request(name: str = "r", **changes: Any) -> Tree:
    return {"name": name, "exactly": {"deviceClassName": "c", **changes}}


def test_a_claim_asks_for_one_device_by_default() -> None:
    spec = made(CLAIM, claim(request(tolerations=[{"key": "k"}])))["spec"]
    exactly = spec["devices"]["requests"][0]["exactly"]
    assert (exactly["allocationMode"], exactly["count"]) == ("ExactCount", 1)
    assert exactly["tolerations"] == [{"key": "k", "operator": "Equal"}]


NO_REQUEST = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (claim(request()), []),
        (claim({"name": "r"}), ["spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required"]),
        (claim({**request(), "firstAvailable": [{"name": "a", "deviceClassName": "c"}]}), ["spec.devices.requests[0]: Invalid value: null: exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set"]),
        (claim(request(deviceClassName="")), ["spec.devices.requests[0].exactly.deviceClassName: Required value"]),
        (claim(request(), request()), ['spec.devices.requests[1]: Duplicate value: "r"']),
        (claim(*(request(f"r{i}") for i in range(33))), ["spec.devices.requests: Too many: 33: must have at most 32 items"]),
        (claim(request(allocationMode="All", count=2)), ["spec.devices.requests[0].exactly.count: Invalid value: 2: must not be specified when allocationMode is 'All'"]),
        (claim(request(allocationMode="X")), ['spec.devices.requests[0].exactly.allocationMode: Unsupported value: "X": supported values: "All", "ExactCount"']),
        (claim(request(selectors=[{}])), ["spec.devices.requests[0].exactly.selectors[0].cel: Required value"]),
        (claim(request(tolerations=[{"operator": "Exists", "value": "v"}])), ['spec.devices.requests[0].exactly.tolerations[0].value: Invalid value: "v": must be empty for operator `Exists`']),
        (claim(request(), constraints=[{"requests": ["r"], "matchAttribute": "e.com/a"}]), []),
        (claim(request(), constraints=[{"requests": ["s"], "matchAttribute": "e.com/a"}]), [f'spec.devices.constraints[0].requests[0]: Invalid value: "s": {NO_REQUEST}']),
        (claim(request(), constraints=[{"matchAttribute": "a"}]), ['spec.devices.constraints[0].matchAttribute: Invalid value: "a": a fully qualified name must be a domain and a name separated by a slash']),
        (claim(request(), config=[{}]), ["spec.devices.config[0].opaque: Required value"]),
        (claim(request(), config=[{"opaque": {"driver": "", "parameters": {}}}]), ["spec.devices.config[0].opaque.driver: Required value"]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_claim(spec: Tree, expected: list[str]) -> None:
    assert said(CLAIM, spec) == expected


def test_what_is_asked_for_never_changes() -> None:
    old, new = made(CLAIM, claim(request())), made(CLAIM, claim(request("other")))
    assert [error.field for error in CLAIM.validate_update(new, old)] == ["spec"]
    assert CLAIM.validate_update(old, old) == []


DEVICE = {"driver": "d.com", "pool": "p", "device": "gpu"}
ALLOCATED = {"allocation": {"devices": {"results": [{"request": "r", **DEVICE}]}}}
USER = {"resource": "pods", "name": "p", "uid": "u"}


def status(tree: Tree, **fields: Any) -> Tree:
    found = copy_tree(tree)
    model = CLAIM.resource.model
    found["status"] = canonical(model, {**tree, "status": fields})["status"]
    return found


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (ALLOCATED, []),
        ({**ALLOCATED, "reservedFor": [USER]}, []),
        ({"reservedFor": [USER]}, ["status.reservedFor: Forbidden: may not be specified when `allocated` is not set"]),
        ({**ALLOCATED, "reservedFor": [{**USER, "name": ""}]}, ["status.reservedFor[0].name: Required value"]),
        ({**ALLOCATED, "devices": [DEVICE]}, []),
        ({"devices": [DEVICE]}, ['status.devices[0]: Invalid value: "d.com/p/gpu": must be an allocated device in the claim']),
    ],
)  # fmt: skip
def test_the_status_of_a_claim(fields: Tree, expected: list[str]) -> None:
    old = made(CLAIM, claim(request()))
    found = CLAIM.validate_status_update(status(old, **fields), old)
    assert [str(error) for error in found] == expected


def test_an_allocation_never_changes_but_may_end_with_its_devices() -> None:
    old = status(made(CLAIM, claim(request())), **ALLOCATED, devices=[DEVICE])
    other = copy_tree(old)
    other["status"]["allocation"]["devices"]["results"][0]["device"] = "cpu"
    assert "status.allocation" in [one.field for one in CLAIM.validate_status_update(other, old)]
    gone = status(old, devices=[DEVICE])
    CLAIM.prepare_for_status_update(gone, old)
    assert gone["status"] == {}
    assert CLAIM.validate_status_update(gone, old) == []


@pytest.mark.parametrize(
    ("fields", "deleted", "state"),
    [
        ({}, False, "pending"),
        ({}, True, "deleted"),
        (ALLOCATED, False, "allocated"),
        ({**ALLOCATED, "reservedFor": [USER]}, True, "deleted,allocated,reserved"),
    ],
)
def test_the_state_of_a_claim(fields: Tree, deleted: bool, state: str) -> None:
    tree = status(made(CLAIM, claim(request())), **fields)
    if deleted:
        tree["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert CLAIM.row(tree, NOW) == ("x", state, "60s")


def test_a_template_has_labels_and_annotations_only() -> None:
    spec = {"metadata": {"labels": {"a": "b"}, "name": "n"}, "spec": claim(request())}
    assert said(TEMPLATE, spec) == ["spec.metadata.name: Forbidden: cannot be set"]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, []),
        ({"selectors": [{"cel": {"expression": "true"}}]}, []),
        ({"selectors": [{"cel": {"expression": "x" * 10241}}]}, ["spec.selectors[0].cel.expression: Too long: may not be more than 10240 bytes"]),
        ({"extendedResourceName": "cpu"}, ['spec.extendedResourceName: Invalid value: "cpu": must be a valid extended resource name']),
        ({"extendedResourceName": "e.com/gpu"}, []),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_class(spec: Tree, expected: list[str]) -> None:
    assert said(CLASS, spec) == expected


def devices(*found: Tree, **changes: Any) -> Tree:
    pool = {"name": "p", "generation": 1, "resourceSliceCount": 1}
    return {"driver": "d.com", "pool": pool, "nodeName": "n", "devices": list(found), **changes}


def device(**fields: Any) -> Tree:
    return {"name": "gpu", **fields}


def capacity(**policy: Any) -> Tree:
    return device(
        allowMultipleAllocations=True,
        capacity={"memory": {"value": "8Gi", "requestPolicy": policy}},
    )


WHERE = (
    "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"
)
MEMORY = "spec.devices[0].capacity[memory].requestPolicy"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (devices(device()), []),
        (devices(nodeName=None), [f"spec: Required value: {WHERE}"]),
        (devices(allNodes=True), [f'spec: Invalid value: "{{`nodeName`, `allNodes`}}": {WHERE}, but multiple fields are set']),
        (devices(pool={"name": "p", "resourceSliceCount": 0}), ["spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero"]),
        (devices(device(attributes={"a": {"int": 1}, "e.com/b": {"version": "1.2.3"}})), []),
        (devices(device(attributes={"a": {}})), ['spec.devices[0].attributes[a]: Invalid value: "": exactly one value must be specified']),
        (devices(device(attributes={"a": {"version": "1"}})), ['spec.devices[0].attributes[a].version: Invalid value: "1": must be a string compatible with semver.org spec 2.0.0']),
        (devices(device(attributes={"/a": {"int": 1}})), ['spec.devices[0].attributes[/a]: Invalid value: "": the domain must not be empty']),
        (devices(device(nodeName="n")), ["spec.devices[0]: Invalid value: null: `nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec"]),
        (devices(device(nodeName="n"), nodeName=None, perDeviceNodeSelection=True), []),
        (devices(device(taints=[{"key": "k", "effect": ""}])), ["spec.devices[0].taints[0].effect: Required value"]),
        (devices(device(consumesCounters=[{"counterSet": "c", "counters": {}}])), ["spec.devices[0].consumesCounters[0].counters: Required value"]),
        (devices(sharedCounters=[{"name": "", "counters": {"a": {"value": "1"}}}]), ["spec.sharedCounters[0].name: Required value"]),
        (devices(device(capacity={"memory": {"value": "1", "requestPolicy": {}}})), [f"{MEMORY}: Forbidden: allowMultipleAllocations must be true"]),
        (devices(capacity(default="1Gi", validValues=["1Gi", "2Gi"])), []),
        (devices(capacity(validValues=["1Gi"])), [f"{MEMORY}.default: Required value: required when validValues is defined"]),
        (devices(capacity(default="3Gi", validValues=["1Gi", "9Gi"])), [f'{MEMORY}.validValues[1]: Invalid value: "9Gi": option is larger than capacity value: 8Gi', f'{MEMORY}.validValues: Invalid value: "3Gi": default value is not valid according to the requestPolicy']),
        (devices(capacity(default="1Gi", validValues=["1Gi", "1024Mi"])), [f'{MEMORY}.validValues[1]: Duplicate value: "1073741824"']),
        (devices(capacity(default="1Gi", validRange={"min": "1Gi", "max": "4Gi", "step": "1Gi"})), []),
        (devices(capacity(default="1Gi", validRange={"min": "2Gi"})), [f'{MEMORY}.validRange.min: Invalid value: "1Gi": default is less than min: 2Gi']),
        (devices(device(bindingConditions=["a"])), ["spec.devices[0].bindingFailureConditions: Invalid value: []: bindingFailureConditions are required to use bindingConditions"]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_slice(spec: Tree, expected: list[str]) -> None:
    assert said(SLICE, spec) == expected


def test_whose_a_slice_is_never_changes() -> None:
    old, new = made(SLICE, devices()), made(SLICE, devices(driver="e.com", nodeName="m"))
    assert [one.field for one in SLICE.validate_update(new, old)] == [
        "spec.driver",
        "spec.nodeName",
    ]


def test_slices_are_found_by_node_and_driver() -> None:
    tree = made(SLICE, devices())
    assert SLICE.selectable_fields(tree) == {"spec.driver": "d.com", "spec.nodeName": "n"}
    assert SLICE.row(tree, NOW) == ("x", "n", "d.com", "p", "60s")
