"""Which labels a node may give itself: those that say what it is, none that draw pods to it.

Source: plugin/pkg/admission/noderestriction (getForbiddenLabels), k8s.io/kubelet/pkg/apis.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

RESTRICTED: Final = "node-restriction.kubernetes.io"
KUBELET_LABELS: Final = frozenset(
    {
        "kubernetes.io/hostname", "topology.kubernetes.io/zone", "topology.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region",
        "beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type",
        "kubernetes.io/os", "kubernetes.io/arch", "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch",
    }
)  # fmt: skip
KUBELET_DOMAINS: Final = ("kubelet.kubernetes.io", "node.kubernetes.io")


def changed(new: Mapping[str, str], old: Mapping[str, str]) -> set[str]:
    """The keys of labels that were set, changed or taken away."""
    return {key for key in new.keys() | old.keys() if new.get(key) != old.get(key)}


def forbidden(keys: Iterable[str]) -> list[str]:
    """Those that a node must not touch, sorted."""
    return sorted(key for key in keys if not is_allowed(key))


def is_allowed(key: str) -> bool:
    domain, slash, _ = key.partition("/")
    if not slash or key in KUBELET_LABELS:
        return True
    if _is_within(domain, RESTRICTED):
        return False
    if not _is_within(domain, "kubernetes.io") and not _is_within(domain, "k8s.io"):
        return True
    return any(_is_within(domain, allowed) for allowed in KUBELET_DOMAINS)


def _is_within(domain: str, parent: str) -> bool:
    return domain == parent or domain.endswith(f".{parent}")
