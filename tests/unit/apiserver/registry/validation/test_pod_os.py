"""Pods for an operating system, and pods with users of their own."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.registry.validation.pod_os import validate_host_users, validate_os

WINDOWS, LINUX = {"name": "windows"}, {"name": "linux"}


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        pytest.param({"securityContext": {"fsGroup": 0}}, [], id="no system named"),
        pytest.param({"os": WINDOWS, "securityContext": {"fsGroup": 0}}, ["securityContext.fsGroup"], id="a group"),
        pytest.param({"os": WINDOWS, "hostPID": True, "hostUsers": False}, ["hostUsers", "securityContext.hostPID"], id="the node's"),
        pytest.param({"os": WINDOWS, "shareProcessNamespace": False}, ["shareProcessNamespace"], id="processes"),
        pytest.param({"os": WINDOWS, "containers": [{"name": "c", "securityContext": {"runAsUser": 0}}]},
                     ["containers[0].securityContext.runAsUser"], id="a container's user"),
        pytest.param({"os": WINDOWS, "securityContext": {"windowsOptions": {}}}, [], id="its own options"),
        pytest.param({"os": LINUX, "securityContext": {"windowsOptions": {}, "fsGroup": 1}},
                     ["securityContext.windowsOptions"], id="the other's options"),
    ],
)  # fmt: skip
def test_systems(spec: dict[str, Any], fields: list[str]) -> None:
    assert [error.field for error in validate_os(spec, "spec")] == [f"spec.{one}" for one in fields]


def test_own_users() -> None:
    spec = {"hostNetwork": True, "hostIPC": True}
    assert validate_host_users(spec, "spec") == []
    found = validate_host_users({**spec, "hostUsers": False}, "spec")
    assert [error.field for error in found] == ["spec.hostNetwork", "spec.HostIPC"]
