"""PodTopologyLabels: a pod learns the zone and region of the node it is given.

Source: plugin/pkg/admission/podtopologylabels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from apiserver.admission.attributes import NODES, PODS
from apiserver.admission.interface import Attributes, Lister, Plugin

LABELS: Final = ("topology.kubernetes.io/region", "topology.kubernetes.io/zone")


class PodTopologyLabels(Plugin):
    """The pod's own labels of these names are overwritten: they must be true."""

    name = "PodTopologyLabels"
    about = frozenset({PODS})

    def admit(self, attributes: Attributes, lister: Lister) -> None:
        tree = attributes.tree
        if tree is None or attributes.operation != "CREATE":
            return
        if attributes.subresource == "binding":
            target = tree.get("target") or {}
            node = target.get("name", "") if target.get("kind", "") in ("", "Node") else ""
        elif not attributes.subresource:
            node = tree["spec"].get("nodeName", "")
        else:
            return
        if node and (found := _labels_of(lister, node)):
            metadata = tree.setdefault("metadata", {})
            labels = {**(metadata.get("labels") or {}), **found}
            metadata["labels"] = {key: labels[key] for key in sorted(labels)}


def _labels_of(lister: Lister, node: str) -> Mapping[str, str]:
    stored = lister.get(NODES, "", node)
    labels = (stored or {}).get("metadata", {}).get("labels") or {}
    return {key: labels[key] for key in LABELS if key in labels}
