"""DefaultTolerationSeconds: a pod bears a lost node for so long, unless it says otherwise.

Source: kubernetes/plugin/pkg/admission/defaulttolerationseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.admission.attributes import PODS, is_main
from apiserver.admission.interface import Attributes, Lister, Plugin

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"


class DefaultTolerationSeconds(Plugin):
    name = "DefaultTolerationSeconds"
    about = frozenset({PODS})

    def __init__(self, not_ready: int, unreachable: int) -> None:
        self._seconds = {NOT_READY: not_ready, UNREACHABLE: unreachable}

    def admit(self, attributes: Attributes, lister: Lister) -> None:
        if not is_main(attributes, PODS, "CREATE", "UPDATE") or attributes.tree is None:
            return
        spec: dict[str, Any] = attributes.tree["spec"]
        tolerations = spec.get("tolerations") or []
        missing = [
            {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds}
            for key, seconds in self._seconds.items()
            if not any(_covers(toleration, key) for toleration in tolerations)
        ]
        if missing:
            spec["tolerations"] = [*tolerations, *missing]


def _covers(toleration: Mapping[str, Any], key: str) -> bool:
    """Whether it speaks of this taint's NoExecute, or of everything."""
    return toleration.get("key", "") in (key, "") and toleration.get("effect", "") in (
        "NoExecute",
        "",
    )
