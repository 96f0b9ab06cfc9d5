"""Which checks hold at a level as of a version.

A check begins with a version and may have been changed by a later one. A check of the restricted level
may take the place of a laxer one of the baseline level, so that nothing is said twice.

Source: k8s.io/pod-security-admission/policy/registry.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from apiserver.admission.pod_security import baseline, restricted
from apiserver.admission.pod_security.levels import BASELINE, PRIVILEGED, Standard
from apiserver.admission.pod_security.words import Check, Tree, Violation


class Rule(NamedTuple):
    """A check through the versions: (minor of the first version, check), and whom it replaces."""

    name: str
    versions: Sequence[tuple[int, Check]]
    replaces: str = ""


BASELINE_RULES: Final = (
    Rule("appArmorProfile", [(0, baseline.app_armor)]),
    Rule("capabilities_baseline", [(0, baseline.capabilities)]),
    Rule("hostNamespaces", [(0, baseline.host_namespaces)]),
    Rule("hostPathVolumes", [(0, baseline.host_path_volumes)]),
    Rule("hostPorts", [(0, baseline.host_ports)]),
    Rule("hostProbesAndHostLifecycle", [(34, baseline.handler_hosts)]),
    Rule("privileged", [(0, baseline.privileged)]),
    Rule("procMount", [(0, baseline.proc_mount), (35, baseline.proc_mount_35)]),
    Rule(
        "seLinuxOptions",
        [
            (0, baseline.selinux(baseline.SELINUX_TYPES)),
            (31, baseline.selinux(baseline.SELINUX_TYPES_31)),
        ],
    ),
    Rule("seccompProfile_baseline", [(0, baseline.seccomp_annotations), (19, baseline.seccomp)]),
    Rule(
        "sysctls",
        [
            (0, baseline.sysctls(baseline.SYSCTLS)),
            (27, baseline.sysctls(baseline.SYSCTLS_27)),
            (29, baseline.sysctls(baseline.SYSCTLS_29)),
            (32, baseline.sysctls(baseline.SYSCTLS_32)),
        ],
    ),
    Rule("windowsHostProcess", [(0, baseline.windows_host_process)]),
)
RESTRICTED_RULES: Final = (
    Rule(
        "allowPrivilegeEscalation",
        [
            (8, restricted.privilege_escalation),
            (25, restricted.not_on_windows(restricted.privilege_escalation)),
        ],
    ),
    Rule(
        "capabilities_restricted",
        [
            (22, restricted.capabilities),
            (25, restricted.not_on_windows(restricted.capabilities)),
        ],
        replaces="capabilities_baseline",
    ),
    Rule("procMount_restricted", [(35, baseline.proc_mount)], replaces="procMount"),
    Rule("restrictedVolumes", [(0, restricted.volumes)], replaces="hostPathVolumes"),
    Rule(
        "runAsNonRoot",
        [
            (0, restricted.run_as_non_root),
            (35, restricted.not_with_own_users(restricted.run_as_non_root)),
        ],
    ),
    Rule(
        "runAsUser",
        [
            (23, restricted.run_as_user),
            (35, restricted.not_with_own_users(restricted.run_as_user)),
        ],
    ),
    Rule(
        "seccompProfile_restricted",
        [(19, restricted.seccomp), (25, restricted.not_on_windows(restricted.seccomp))],
        replaces="seccompProfile_baseline",
    ),
)
# After this version nothing changed: later ones, and `latest`, are the same.
NEWEST: Final = max(
    first for rule in (*BASELINE_RULES, *RESTRICTED_RULES) for first, _ in rule.versions
)


def _at(rule: Rule, minor: int) -> Check | None:
    found = [check for first, check in rule.versions if first <= minor]
    return found[-1] if found else None


def _baseline(minor: int) -> list[tuple[str, Check]]:
    found = [(rule.name, _at(rule, minor)) for rule in BASELINE_RULES]
    return [(name, check) for name, check in found if check is not None]


def _restricted(minor: int) -> list[Check]:
    own = [(rule, _at(rule, minor)) for rule in RESTRICTED_RULES]
    replaced = {rule.replaces for rule, check in own if check is not None}
    kept = [check for name, check in _baseline(minor) if name not in replaced]
    return kept + [check for _, check in own if check is not None]


_BASELINE: Final = tuple(
    tuple(check for _, check in _baseline(minor)) for minor in range(NEWEST + 1)
)
_RESTRICTED: Final = tuple(tuple(_restricted(minor)) for minor in range(NEWEST + 1))


def checks_of(standard: Standard) -> tuple[Check, ...]:
    if standard.level == PRIVILEGED:
        return ()
    minor = standard.minor
    minor = NEWEST if minor is None else min(minor, NEWEST)
    return (_BASELINE if standard.level == BASELINE else _RESTRICTED)[minor]


def violations(standard: Standard, metadata: Tree, spec: Tree) -> tuple[Violation, ...]:
    """What a pod of this metadata and spec does that the standard forbids, in upstream's order."""
    found = (check(metadata, spec) for check in checks_of(standard))
    return tuple(one for one in found if one is not None)


def details(found: Sequence[Violation]) -> str:
    """`hostPort (container "a" uses hostPort 80), privileged (...)`"""
    return ", ".join(f"{one.reason} ({one.detail})" if one.detail else one.reason for one in found)


def reasons(found: Sequence[Violation]) -> str:
    """`hostPort, privileged`"""
    return ", ".join(one.reason for one in found)
