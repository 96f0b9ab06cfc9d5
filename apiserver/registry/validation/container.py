"""Containers: regular, init and ephemeral.

Source: validateContainers, validateInitContainers of pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from apiserver.registry.validation.env import validate_env
from apiserver.registry.validation.ports import PROTOCOLS
from apiserver.registry.validation.probes import validate_lifecycle, validate_probes
from apiserver.registry.validation.resources import validate_resources
from apiserver.registry.validation.restart_rules import validate_restart_policy
from apiserver.registry.validation.security import validate_container_security
from apiserver.registry.validation.volume_mounts import validate_mounts
from apiserver.registry.validation.words import invalids, unsupported
from wherry.api import names
from wherry.api.errors import (
    FieldError,
    duplicate,
    forbidden_field,
    invalid,
    not_supported,
    required,
)  # fmt: skip

Tree = Mapping[str, Any]
Volumes = Mapping[str, Tree]

PULL_POLICIES: Final = ("Always", "IfNotPresent", "Never")
MESSAGE_POLICIES: Final = ("FallbackToLogsOnError", "File")
_PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
_RESIZABLE: Final = ("cpu", "memory")
_RESIZE_POLICIES: Final = ("NotRequired", "RestartContainer")
_EPHEMERAL_FORBIDS: Final = (
    "ports", "resources", "resizePolicy", "restartPolicy", "restartPolicyRules",
    "livenessProbe", "readinessProbe", "startupProbe", "lifecycle",
)  # fmt: skip
_NOT_EPHEMERAL: Final = "cannot be set for an Ephemeral Container"


def validate_containers(spec: Tree, volumes: Volumes, path: str) -> list[FieldError]:
    """The regular containers."""
    at = f"{path}.containers"
    containers = spec["containers"]
    if not containers:
        return [required(at)]
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, container in enumerate(containers):
        here = f"{at}[{index}]"
        errors += _common(container, volumes, here)
        name = container["name"]
        if name in seen:
            errors.append(duplicate(f"{here}.name", name))
        seen.add(name)
        if lifecycle := container.get("lifecycle"):
            errors += validate_lifecycle(lifecycle, f"{here}.lifecycle")
        errors += validate_probes(container, here)
        errors += validate_restart_policy(container, here)
    if spec.get("restartPolicy") == "Never":
        errors += _restarts_never(containers, at)
    return errors + _host_port_conflicts(containers, at)


def validate_init_containers(spec: Tree, volumes: Volumes, path: str) -> list[FieldError]:
    """Init containers; those that restart always are sidecars and may have probes."""
    at = f"{path}.initContainers"
    errors: list[FieldError] = []
    seen = {one["name"] for one in spec["containers"] or ()}
    for index, container in enumerate(spec.get("initContainers", ())):
        here = f"{at}[{index}]"
        errors += _common(container, volumes, here)
        name = container["name"]
        if name and name in seen:
            errors.append(duplicate(f"{here}.name", name))
        seen.add(name)
        errors += _host_port_conflicts([container], f"{at}", start=index)
        if container.get("restartPolicy") == "Always":
            if lifecycle := container.get("lifecycle"):
                errors += validate_lifecycle(lifecycle, f"{here}.lifecycle")
            errors += validate_probes(container, here)
        else:
            errors += _not_a_sidecar(container, here)
        errors += validate_restart_policy(container, here)
    return errors


def _not_a_sidecar(container: Tree, path: str) -> list[FieldError]:
    detail = "may not be set for init containers without restartPolicy=Always"
    return [
        forbidden_field(f"{path}.{field}", detail)
        for field in ("lifecycle", *_PROBES)
        if container.get(field) is not None
    ]


def validate_ephemeral_containers(spec: Tree, volumes: Volumes, path: str) -> list[FieldError]:
    """Containers added to a running pod, for people who look for trouble."""
    at = f"{path}.ephemeralContainers"
    errors: list[FieldError] = []
    regular = {one["name"] for one in spec["containers"] or ()}
    seen = regular | {one["name"] for one in spec.get("initContainers", ())}
    targets = set(seen)
    for index, container in enumerate(spec.get("ephemeralContainers", ())):
        here = f"{at}[{index}]"
        errors += _common(container, volumes, here)
        name = container["name"]
        if name and name in seen:
            errors.append(duplicate(f"{here}.name", name))
        seen.add(name)
        target = container.get("targetContainerName", "")
        if target and target not in targets:
            errors.append(
                FieldError(
                    "FieldValueNotFound", f"{here}.targetContainerName", f'Not found: "{target}"'
                )
            )
        errors += [
            forbidden_field(f"{here}.{field}", _NOT_EPHEMERAL)
            for field in _EPHEMERAL_FORBIDS
            if container.get(field)
        ]
        # The traces of a sub path would outlive its container.
        errors += [
            forbidden_field(f"{here}.volumeMounts[{place}].{field}", _NOT_EPHEMERAL)
            for place, mount in enumerate(container.get("volumeMounts", ()))
            for field in ("subPath", "subPathExpr")
            if mount.get(field)
        ]
    return errors


def _common(container: Tree, volumes: Volumes, path: str) -> list[FieldError]:
    """What all containers must be."""
    name = container["name"]
    errors = (
        invalids(f"{path}.name", name, names.dns1123_label(name))
        if name
        else [required(f"{path}.name")]
    )
    if not container.get("image"):
        errors.append(required(f"{path}.image"))
    policy = container.get("terminationMessagePolicy", "")
    if policy not in MESSAGE_POLICIES:
        at = f"{path}.terminationMessagePolicy"
        errors.append(not_supported(at, policy, MESSAGE_POLICIES) if policy else required(at))
    if ports := container.get("ports"):
        errors += _ports(ports, f"{path}.ports")
    errors += validate_env(container, path)
    errors += validate_mounts(container, volumes, path)
    pull = container.get("imagePullPolicy", "")
    if pull not in PULL_POLICIES:
        at = f"{path}.imagePullPolicy"
        errors.append(not_supported(at, pull, PULL_POLICIES) if pull else required(at))
    if resources := container.get("resources"):
        errors += validate_resources(resources, f"{path}.resources")
    errors += _resize_policy(container.get("resizePolicy", ()), f"{path}.resizePolicy")
    return errors + validate_container_security(
        container.get("securityContext"), f"{path}.securityContext"
    )


def _ports(ports: Sequence[Tree], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, port in enumerate(ports):
        at = f"{path}[{index}]"
        if name := port.get("name"):
            problems = names.port_name(name)
            errors += invalids(f"{at}.name", name, problems)
            if not problems and name in seen:
                errors.append(duplicate(f"{at}.name", name))
            seen.add(name)
        number = port["containerPort"]
        if number:
            errors += invalids(f"{at}.containerPort", number, names.port_number(number))
        else:
            errors.append(required(f"{at}.containerPort"))
        if host := port.get("hostPort"):
            errors += invalids(f"{at}.hostPort", host, names.port_number(host))
        protocol = port.get("protocol", "")
        if not protocol:
            errors.append(required(f"{at}.protocol"))
        elif protocol not in PROTOCOLS:
            errors.append(not_supported(f"{at}.protocol", protocol, PROTOCOLS))
    return errors


def _host_port_conflicts(containers: Sequence[Tree], path: str, start: int = 0) -> list[FieldError]:
    """One port of the host serves one container."""
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, container in enumerate(containers, start):
        for place, port in enumerate(container.get("ports", ())):
            host = port.get("hostPort")
            if not host:
                continue
            taken = f"{port.get('protocol', '')}/{port.get('hostIP', '')}/{host}"
            if taken in seen:
                errors.append(duplicate(f"{path}[{index}].ports[{place}].hostPort", taken))
            seen.add(taken)
    return errors


def _resize_policy(policies: Sequence[Tree], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for policy in policies:
        name, restart = policy["resourceName"], policy["restartPolicy"]
        if name in seen:
            errors.append(duplicate(path, name))
        seen.add(name)
        if name not in _RESIZABLE:
            errors.append(unsupported(path, name, _RESIZABLE) if name else required(path))
        if restart not in _RESIZE_POLICIES:
            errors.append(
                unsupported(path, restart, _RESIZE_POLICIES) if restart else required(path)
            )
    return errors


def _restarts_never(containers: Sequence[Tree], path: str) -> list[FieldError]:
    detail = "must be 'NotRequired' when `restartPolicy` is 'Never'"
    return [
        invalid(f"{path}[{index}].resizePolicy", policy["restartPolicy"], detail)
        for index, container in enumerate(containers)
        for policy in container.get("resizePolicy", ())
        if policy["restartPolicy"] == "RestartContainer"
    ]


def trimmed_images(containers: Sequence[Tree], path: str) -> list[FieldError]:
    """Only pods, not templates, are held to this."""
    detail = "must not have leading or trailing whitespace"
    return [
        invalid(f"{path}[{index}].image", container["image"], detail)
        for index, container in enumerate(containers)
        if container.get("image", "") != container.get("image", "").strip()
    ]
