"""Whether a control plane's machine has its taint: pure, from the nodes there are.

kubeadm taints such machines once, and a person untaints the only one. Here the taint comes with the
first other node and goes with the last. An annotation says for which of the two a Node was last seen
to; nothing is done while that stays as it is, so what people change in between is theirs. Nodes without
the annotation (`wherry up` writes it) are not touched.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from controller_manager.plan import NOTHING, Plan, Update
from wherry.api.core_v1 import Node, Taint

ROLE: Final = "node-role.kubernetes.io/control-plane"  # label and taint, as kubeadm's
SEEN_TO: Final = "wherry.io/control-plane-taint"
ALONE, OTHERS = "alone", "others"
TAINT: Final = Taint(key=ROLE, effect="NoSchedule")


def is_looked_after(node: Node) -> bool:
    return ROLE in node.metadata.labels and SEEN_TO in node.metadata.annotations


def plan_taint(node: Node, nodes: Iterable[Node]) -> Plan:
    """Add or take the taint when there are others for the first time, or no more."""
    if not is_looked_after(node):
        return NOTHING
    others = any(
        ROLE not in one.metadata.labels and one.metadata.deletion_timestamp is None for one in nodes
    )
    now = OTHERS if others else ALONE
    if node.metadata.annotations[SEEN_TO] == now:
        return NOTHING
    taints = [one for one in node.spec.taints if (one.key, one.effect) != (ROLE, TAINT.effect)]
    if others:
        taints.append(TAINT)
    annotations = {**node.metadata.annotations, SEEN_TO: now}
    return Plan(
        (
            Update(
                node.with_(
                    metadata=node.metadata.with_(annotations=annotations),
                    spec=node.spec.with_(taints=taints),
                )
            ),
        )
    )
