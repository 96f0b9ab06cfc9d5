"""TaintNodesByCondition: a new node takes no pods until the node controller has seen it ready.

Source: kubernetes/plugin/pkg/admission/nodetaint.
"""

from __future__ import annotations

from apiserver.admission.attributes import NODES, is_main
from apiserver.admission.interface import Attributes, Lister, Plugin

TAINT = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


class TaintNodesByCondition(Plugin):
    name = "TaintNodesByCondition"
    about = frozenset({NODES})

    def admit(self, attributes: Attributes, lister: Lister) -> None:
        if not is_main(attributes, NODES, "CREATE") or attributes.tree is None:
            return
        spec = attributes.tree.setdefault("spec", {})
        taints = spec.get("taints") or []
        if any(
            taint.get("key") == TAINT["key"] and taint.get("effect") == TAINT["effect"]
            for taint in taints
        ):
            return
        spec["taints"] = [*taints, dict(TAINT)]
