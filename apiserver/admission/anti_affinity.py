"""LimitPodHardAntiAffinityTopology: no pod keeps others off a whole zone. Off by default.

Source: plugin/pkg/admission/antiaffinity.
"""

from __future__ import annotations

from apiserver.admission.attributes import PODS, is_main, refuse
from apiserver.admission.interface import Attributes, Lister, Plugin

HOSTNAME = "kubernetes.io/hostname"


class LimitPodHardAntiAffinityTopology(Plugin):
    name = "LimitPodHardAntiAffinityTopology"
    about = frozenset({PODS})

    def validate(self, attributes: Attributes, lister: Lister) -> None:
        if attributes.tree is None or not is_main(attributes, PODS, "CREATE", "UPDATE"):
            return
        affinity = (attributes.tree["spec"].get("affinity") or {}).get("podAntiAffinity") or {}
        for term in affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or ():
            key = term.get("topologyKey", "")
            if key != HOSTNAME:
                why = (
                    "affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey "
                    f"{key} but only key {HOSTNAME} is allowed"
                )
                raise refuse(attributes, why)
