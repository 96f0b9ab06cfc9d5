"""ResourceQuota: pods say what they need where that is bounded, and nothing exceeds the bounds.

Whether there is room is asked of `apiserver/quota/`, which also writes usage down, after all else has
let a write pass. Upstream does both in one plug-in.

Source: k8s.io/apiserver/pkg/admission/plugin/resourcequota, podEvaluator.Constraints.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from apiserver.admission.attributes import PODS, QUOTAS, is_main, refuse
from apiserver.admission.interface import Attributes, Lister, Plugin
from apiserver.quota.scopes import lets_in
from apiserver.quota.usage import compute

# Where one of these is bounded, every container must say it.
MUST_BE_SAID: Final = frozenset(
    {"cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"}
)


class ResourceQuota(Plugin):
    name = "ResourceQuota"
    about = frozenset({PODS})

    def validate(self, attributes: Attributes, lister: Lister) -> None:
        tree = attributes.tree
        if tree is None or not is_main(attributes, PODS, "CREATE"):
            return
        for quota in lister.list(QUOTAS, attributes.namespace):
            spec = quota["spec"]
            bounded = MUST_BE_SAID & spec.get("hard", {}).keys()
            if not bounded or not lets_in(spec, PODS, tree):
                continue
            missing = _missing(tree["spec"], bounded)
            if missing:
                words = "; ".join(
                    f"{name} for: {','.join(missing[name])}" for name in sorted(missing)
                )
                why = f"failed quota: {quota['metadata']['name']}: must specify {words}"
                raise refuse(attributes, why)


def _missing(spec: Mapping[str, Any], bounded: frozenset[str]) -> dict[str, list[str]]:
    """The bounded resources and the containers that do not say them."""
    resources = spec.get("resources") or {}
    whole = compute(resources.get("requests", {}), resources.get("limits", {}))
    found: dict[str, set[str]] = {}
    for container in _containers(spec):
        said = compute(
            container["resources"].get("requests", {}), container["resources"].get("limits", {})
        )
        for name in bounded - said.keys() - whole.keys():
            found.setdefault(name, set()).add(container["name"])
    return {name: sorted(containers) for name, containers in found.items()}


def _containers(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for field in ("containers", "initContainers"):
        yield from spec.get(field) or ()
