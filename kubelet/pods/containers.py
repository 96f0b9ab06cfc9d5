"""A pod's containers under one type. Pure.

Ephemeral containers have a type of their own in the API, with the same fields and the name of the
container whose processes they see. Nothing else here needs to know.
"""

from __future__ import annotations

from wherry.api.core_v1 import Container, EphemeralContainer, Pod

_FIELDS = frozenset(Container.model_fields)


def _plain(given: EphemeralContainer) -> Container:
    return Container.model_construct(**{name: getattr(given, name) for name in _FIELDS})


def ephemeral(pod: Pod) -> list[Container]:
    """The ephemeral containers, as containers."""
    return [_plain(one) for one in pod.spec.ephemeral_containers]


def everyone(pod: Pod) -> list[Container]:
    """Init containers, containers and ephemeral ones."""
    return [*pod.spec.init_containers, *pod.spec.containers, *ephemeral(pod)]


def target_of(pod: Pod, name: str) -> str:
    """The container whose processes an ephemeral container joins; empty = none."""
    found = (one for one in pod.spec.ephemeral_containers if one.name == name)
    return next((one.target_container_name for one in found), "")


def kind(pod: Pod, name: str) -> str:
    """As metrics call it."""
    if any(one.name == name for one in pod.spec.init_containers):
        return "init_container"
    is_main = any(one.name == name for one in pod.spec.containers)
    return "container" if is_main else "ephemeral_container"


def field_path(pod: Pod, name: str) -> str:
    """As events name a container: `spec.containers{c}`."""
    spec = pod.spec
    for field, names in (
        ("initContainers", (one.name for one in spec.init_containers)),
        ("ephemeralContainers", (one.name for one in spec.ephemeral_containers)),
    ):
        if name in names:
            return f"spec.{field}{{{name}}}"
    return f"spec.containers{{{name}}}"
