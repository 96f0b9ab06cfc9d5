"""The checks of the restricted level: what hardening asks for must be said.

Source: k8s.io/pod-security-admission/policy/check_*.go.
"""

from __future__ import annotations

from typing import Final

from apiserver.admission.pod_security.baseline import PROFILE_TYPES, seccomp_violation
from apiserver.admission.pod_security.words import (
    Check,
    Tree,
    Violation,
    containers,
    has_own_users,
    is_windows,
    name_of,
    named,
    plural,
    quoted,
    security,
    setters,
)

VOLUMES: Final = frozenset(
    {
        "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image",
        "persistentVolumeClaim", "projected", "secret",
    }
)  # fmt: skip


def not_on_windows(check: Check) -> Check:
    """From v1.25 on, pods that say they are Windows' need not say what only Linux knows."""

    def checked(metadata: Tree, spec: Tree) -> Violation | None:
        return None if is_windows(spec) else check(metadata, spec)

    return checked


def not_with_own_users(check: Check) -> Check:
    """From v1.35 on, root of a user namespace is as good as no root."""

    def checked(metadata: Tree, spec: Tree) -> Violation | None:
        return None if has_own_users(spec) else check(metadata, spec)

    return checked


def privilege_escalation(metadata: Tree, spec: Tree) -> Violation | None:
    """No process gains rights that its parent has not."""
    bad = [
        name_of(one)
        for one in containers(spec)
        if security(one).get("allowPrivilegeEscalation") is not False
    ]
    if not bad:
        return None
    words = f"{named(bad)} must set securityContext.allowPrivilegeEscalation=false"
    return Violation("allowPrivilegeEscalation != false", words)


def capabilities(metadata: Tree, spec: Tree) -> Violation | None:
    """Every container drops ALL and adds at most NET_BIND_SERVICE."""
    keeping: list[str] = []
    adding: list[str] = []
    values: set[str] = set()
    for container in containers(spec):
        said = security(container).get("capabilities") or {}
        if "ALL" not in (said.get("drop") or ()):
            keeping.append(name_of(container))
        if extra := set(said.get("add") or ()) - {"NET_BIND_SERVICE"}:
            adding.append(name_of(container))
            values |= extra
    what = []
    if keeping:
        what.append(f'{named(keeping)} must set securityContext.capabilities.drop=["ALL"]')
    if adding:
        words = f"{named(adding)} must not include {quoted(sorted(values))}"
        what.append(f"{words} in securityContext.capabilities.add")
    return Violation("unrestricted capabilities", "; ".join(what)) if what else None


def volumes(metadata: Tree, spec: Tree) -> Violation | None:
    """Volumes come from the API or from drivers, not from the node or a server of the pod's choice."""
    bad: list[str] = []
    types: set[str] = set()
    for volume in spec.get("volumes") or ():
        sources = [key for key in volume if key != "name" and volume[key] is not None]
        if VOLUMES.isdisjoint(sources):
            bad.append(volume["name"])
            types.add(sources[0] if sources else "unknown")
    if not bad:
        return None
    uses = "uses" if len(bad) == 1 else "use"
    what = plural("restricted volume type", len(types))
    words = f"{plural('volume', len(bad))} {quoted(bad)} {uses} {what} {quoted(sorted(types))}"
    return Violation("restricted volume types", words)


def run_as_non_root(metadata: Tree, spec: Tree) -> Violation | None:
    """Every container says that it is not root, or its pod says so."""
    pod = security(spec).get("runAsNonRoot")
    said = [(name_of(one), security(one).get("runAsNonRoot")) for one in containers(spec)]
    reason = "runAsNonRoot != true"
    if who := setters(pod is False, [name for name, value in said if value is False]):
        return Violation(reason, f"{who} must not set securityContext.runAsNonRoot=false")
    silent = [name for name, value in said if value is None]
    if pod or not silent:
        return None
    return Violation(reason, f"pod or {named(silent)} must set securityContext.runAsNonRoot=true")


def run_as_user(metadata: Tree, spec: Tree) -> Violation | None:
    """Nobody asks to be user 0."""
    bad = [name_of(one) for one in containers(spec) if security(one).get("runAsUser") == 0]
    who = setters(security(spec).get("runAsUser") == 0, bad)
    return Violation("runAsUser=0", f"{who} must not set runAsUser=0") if who else None


def seccomp(metadata: Tree, spec: Tree) -> Violation | None:
    """Every container names a seccomp profile that filters, or its pod does."""
    values: set[str] = set()
    bad: list[str] = []
    silent: list[str] = []
    pod = security(spec).get("seccompProfile")
    pod_is_bad = pod is not None and pod.get("type", "") not in PROFILE_TYPES
    if pod is not None and pod_is_bad:
        values.add(pod.get("type", ""))
    for container in containers(spec):
        profile = security(container).get("seccompProfile")
        if profile is None:
            silent.append(name_of(container))
        elif profile.get("type", "") not in PROFILE_TYPES:
            bad.append(name_of(container))
            values.add(profile.get("type", ""))
    if who := setters(pod_is_bad, bad):
        return seccomp_violation(who, values)
    if pod is not None or not silent:
        return None
    words = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return Violation("seccompProfile", f"pod or {named(silent)} {words}")
