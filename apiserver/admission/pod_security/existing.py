"""The pods that a namespace has already, when it becomes stricter: they stay, but who did it is told.

Source: EvaluatePodsInNamespace of k8s.io/pod-security-admission/admission.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from itertools import islice
from typing import Final

from apiserver.admission.attributes import PODS
from apiserver.admission.interface import Lister
from apiserver.admission.pod_security.levels import Standard
from apiserver.admission.pod_security.standards import reasons, violations
from apiserver.admission.pod_security.words import Tree

# So many pods are looked at, for so long.
PODS_CHECKED_MAX: Final = 3000
# Upstream takes up to a second, but not from everybody else.
READ_SECONDS_MAX: Final = 0.05
CHECK_SECONDS_MAX: Final = 0.1


def told_of_existing(
    lister: Lister,
    namespace: str,
    standard: Standard,
    exempt: Container[str],
    seconds: Callable[[], float],
) -> list[str]:
    """What the pods of a namespace would not be let in for now; `exempt`: runtime classes."""
    started = seconds()
    total, stored = lister.each(PODS, namespace)
    pods: list[Tree] = []
    for pod in islice(stored, PODS_CHECKED_MAX):
        pods.append(pod)
        if seconds() > started + READ_SECONDS_MAX:
            break
    names: dict[str, list[str]] = {}
    checked = 0
    for pod in _one_of_each_first(pods):
        checked += 1
        if pod["spec"].get("runtimeClassName") not in exempt and (
            found := violations(standard, pod["metadata"], pod["spec"])
        ):
            names.setdefault(reasons(found), []).append(pod["metadata"]["name"])
        if seconds() > started + CHECK_SECONDS_MAX:
            break
    told = []
    if checked < total:
        words = f"the first {checked} of {total} existing pods"
        told.append(f"new PodSecurity enforce level only checked against {words}")
    if names:
        words = f'violate the new PodSecurity enforce level "{standard}"'
        told.append(f'existing pods in namespace "{namespace}" {words}')
    return told + sorted(_pods(found) + f": {reason}" for reason, found in names.items())


def _one_of_each_first(pods: Iterable[Tree]) -> list[Tree]:
    """One pod of each controller before the others of the same: they are mostly alike."""
    first: list[Tree] = []
    rest: list[Tree] = []
    seen: set[str] = set()
    for pod in pods:
        owners = pod["metadata"].get("ownerReferences") or ()
        owner = next((one["uid"] for one in owners if one.get("controller")), "")
        (rest if owner in seen else first).append(pod)
        if owner:
            seen.add(owner)
    return first + rest


def _pods(names: list[str]) -> str:
    others = len(names) - 1
    if not others:
        return names[0]
    return f"{min(names)} (and {others} other pod{'s' if others > 1 else ''})"
