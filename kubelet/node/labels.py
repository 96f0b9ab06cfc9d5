"""Which labels a kubelet may give its own node. Pure.

The names of Kubernetes' own domains are the administrator's to give, but for a few: the API server
refuses a node that takes others (NodeRestriction), so we say so at the start.

Source: upstream's cmd/kubelet/app/options (ValidateKubeletFlags), pkg/kubelet/apis/well_known_labels.go.
"""

from __future__ import annotations

from collections.abc import Mapping

from wherry.api.names import label_value, qualified_name

NAMESPACES = ("kubelet.kubernetes.io", "node.kubernetes.io")
ALLOWED = (
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/instance-type",
    "beta.kubernetes.io/os",
    "failure-domain.beta.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "kubernetes.io/arch",
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "node.kubernetes.io/instance-type",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
)


def problem(labels: Mapping[str, str]) -> str:
    """Why `--node-labels` can't be these; empty when they can."""
    unknown = sorted(name for name in labels if _is_reserved(name) and not _is_ours(name))
    if unknown:
        return (
            "unknown 'kubernetes.io' or 'k8s.io' labels specified with --node-labels: "
            f"[{' '.join(unknown)}]\n--node-labels in the 'kubernetes.io' namespace must begin with an "
            f"allowed prefix ({', '.join(NAMESPACES)}) or be in the specifically allowed set "
            f"({', '.join(ALLOWED)})"
        )
    wrong = [
        f"'{text}' - {', '.join(problems)}"
        for name, value in labels.items()
        for text, problems in (
            (name, qualified_name(name)), (value, label_value(value)),
        )
        if problems
    ]  # fmt: skip
    return f"invalid node labels: {'; '.join(wrong)}" if wrong else ""


def _namespace(name: str) -> str:
    return name.partition("/")[0] if "/" in name else ""


def _is_within(domain: str, parents: tuple[str, ...]) -> bool:
    return any(domain == parent or domain.endswith(f".{parent}") for parent in parents)


def _is_reserved(name: str) -> bool:
    return _is_within(_namespace(name), ("kubernetes.io", "k8s.io"))


def _is_ours(name: str) -> bool:
    return name in ALLOWED or _is_within(_namespace(name), NAMESPACES)
