"""When a network of Services is ready, and when it may go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from controller_manager.plan import NOTHING
from controller_manager.servicecidr.plan import (
    ALLOCATOR,
    FINALIZER,
    GRACE_SECONDS,
    MANAGED_BY,
    plan_service_cidr,
)
from wherry.api.networking_v1 import IPAddress, ServiceCIDR

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LONG_AGO = NOW - timedelta(seconds=GRACE_SECONDS)


def cidr(*networks: str, deleted: datetime | None = None, finalizer: bool = True) -> ServiceCIDR:
    metadata: dict[str, object] = {"name": "c", "resourceVersion": "7"}
    if deleted is not None:
        metadata["deletionTimestamp"] = deleted.isoformat().replace("+00:00", "Z")
    if finalizer:
        metadata["finalizers"] = ["other/one", FINALIZER]
    return ServiceCIDR.from_wire({"metadata": metadata, "spec": {"cidrs": [*networks]}})


def address(name: str, manager: str = ALLOCATOR) -> IPAddress:
    parent = {"resource": "services", "namespace": "n", "name": "s"}
    metadata = {"name": name, "labels": {MANAGED_BY: manager}}
    return IPAddress.from_wire({"metadata": metadata, "spec": {"parentRef": parent}})


def test_a_new_one_is_protected_and_ready() -> None:
    first, second = plan_service_cidr(cidr("10.0.0.0/24", finalizer=False), [], [], NOW).actions
    assert first.patch["metadata"] == {"resourceVersion": "7", "finalizers": [FINALIZER]}
    (condition,) = second.patch["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("Ready", "True")
    assert second.subresource == "status"


def test_nothing_is_left_to_do() -> None:
    made = cidr("10.0.0.0/24")
    (patch,) = plan_service_cidr(made, [], [], NOW).actions
    tree = made.to_wire() | {"status": patch.patch["status"]}
    assert plan_service_cidr(ServiceCIDR.from_wire(tree), [], [], NOW) == NOTHING


@pytest.mark.parametrize(
    ("others", "addresses", "goes"),
    [
        pytest.param([], [], True, id="nobody in it"),
        pytest.param([], [address("10.0.0.7")], False, id="an address in it"),
        pytest.param([], [address("10.1.0.7")], True, id="an address elsewhere"),
        pytest.param([], [address("10.0.0.7", "me")], True, id="somebody else's address"),
        pytest.param([cidr("10.0.0.0/16")], [address("10.0.0.7")], True, id="within another"),
        pytest.param([cidr("10.0.0.0/25")], [address("10.0.0.7")], True, id="address in another"),
        pytest.param([cidr("10.0.0.128/25")], [address("10.0.0.7")], False, id="another part"),
        pytest.param([cidr("fd00::/64")], [address("10.0.0.7")], False, id="another family"),
    ],
)
def test_a_deleted_one(others: list[ServiceCIDR], addresses: list[IPAddress], goes: bool) -> None:
    (action,) = plan_service_cidr(
        cidr("10.0.0.0/24", deleted=LONG_AGO), others, addresses, NOW
    ).actions
    if goes:
        assert action.patch["metadata"]["finalizers"] == ["other/one"]
    else:
        (condition,) = action.patch["status"]["conditions"]
        assert (condition["status"], condition["reason"]) == ("False", "Terminating")


def test_it_waits_a_moment() -> None:
    plan = plan_service_cidr(cidr("10.0.0.0/24", deleted=NOW - timedelta(seconds=4)), [], [], NOW)
    assert plan.actions == ()
    assert plan.requeue_after == GRACE_SECONDS - 4


def test_one_that_is_let_go_already() -> None:
    gone = cidr("10.0.0.0/24", deleted=LONG_AGO, finalizer=False)
    assert plan_service_cidr(gone, [], [address("10.0.0.7")], NOW) == NOTHING
