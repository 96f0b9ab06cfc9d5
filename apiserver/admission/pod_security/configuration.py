"""PodSecurityConfiguration: what holds where no label says otherwise, and who is exempt.

Source: k8s.io/pod-security-admission/admission/api.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from apiserver.admission.configuration import (
    BadConfiguration,
    kind_of,
    known_fields,
    mapping,
    texts,
)
from apiserver.admission.pod_security.levels import (
    LATEST,
    MODES,
    PRIVILEGED,
    Policy,
    Standard,
    check_level,
    check_version,
)
from wherry.api.errors import FieldError, duplicate, invalid, required
from wherry.api.names import dns1123_label, dns1123_subdomain

KIND: Final = "PodSecurityConfiguration"
GROUP: Final = "pod-security.admission.config.k8s.io"
VERSIONS: Final = tuple(f"{GROUP}/{version}" for version in ("v1", "v1beta1", "v1alpha1"))


@dataclass(frozen=True, slots=True)
class PodSecurityConfiguration:
    defaults: Policy = field(default_factory=Policy)
    namespaces: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    runtime_classes: frozenset[str] = frozenset()


def pod_security_configuration(found: Any) -> PodSecurityConfiguration:
    """From the plug-in's configuration, None when there is none. BadConfiguration."""
    if found is None:
        return PodSecurityConfiguration()
    tree = mapping(found, KIND)
    kind_of(tree, KIND, VERSIONS)
    known_fields(tree, "", ("apiVersion", "kind", "defaults", "exemptions"))
    errors: list[FieldError] = []
    defaults = _defaults(mapping(tree.get("defaults") or {}, "defaults"), errors)
    exempt = mapping(tree.get("exemptions") or {}, "exemptions")
    known_fields(exempt, "exemptions.", ("usernames", "namespaces", "runtimeClasses"))
    namespaces = _names(exempt, "namespaces", dns1123_label, errors)
    classes = _names(exempt, "runtimeClasses", dns1123_subdomain, errors)
    users = _names(exempt, "usernames", _no_name, errors)
    if errors:
        said = "; ".join(str(error) for error in errors)
        raise BadConfiguration(f"{KIND}: {said}")
    return PodSecurityConfiguration(defaults, namespaces, users, classes)


def _defaults(tree: Mapping[str, Any], errors: list[FieldError]) -> Policy:
    known_fields(tree, "defaults.", [f"{mode}{end}" for mode in MODES for end in ("", "-version")])
    found = []
    for mode in MODES:
        level = str(tree.get(mode) or PRIVILEGED)
        version = str(tree.get(f"{mode}-version") or LATEST)
        if why := check_level(level):
            errors.append(invalid(f"defaults.{mode}", level, why))
        if why := check_version(version):
            errors.append(invalid(f"defaults.{mode}-version", version, why))
        found.append(Standard(level, version))
    return Policy(*found)


def _names(
    tree: Mapping[str, Any],
    group: str,
    check: Callable[[str], Sequence[str]],
    errors: list[FieldError],
) -> frozenset[str]:
    seen: set[str] = set()
    for index, name in enumerate(texts(tree.get(group), f"exemptions.{group}")):
        path = f"exemptions.{group}[{index}]"
        if group == "usernames" and not name:
            errors.append(required(path))
        elif why := check(name):
            errors.append(invalid(path, name, ", ".join(why)))
        elif name in seen:
            errors.append(duplicate(path, name))
        seen.add(name)
    return frozenset(seen)


def _no_name(name: str) -> Sequence[str]:
    return ()
