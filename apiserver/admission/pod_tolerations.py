"""PodTolerationRestriction: which taints the pods of a namespace bear, and which they may. Off by default.

A namespace says both in annotations, as JSON; who says nothing gets what the configuration says. A pod that
has any resources promised bears memory pressure, too.

Source: plugin/pkg/admission/podtolerationrestriction, pkg/util/tolerations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from apiserver.admission.attributes import NAMESPACES, PODS, is_main
from apiserver.admission.configuration import kind_of, known_fields, mapping, mappings
from apiserver.admission.interface import Attributes, Lister, Plugin
from wherry.api.errors import ApiError, not_found, status_error

PREFIX: Final = "scheduler.alpha.kubernetes.io/"
DEFAULTS: Final = f"{PREFIX}defaultTolerations"
ALLOWED: Final = f"{PREFIX}tolerationsWhitelist"
KIND: Final = "Configuration"
VERSIONS: Final = ("podtolerationrestriction.admission.k8s.io/v1alpha1",)
MEMORY_PRESSURE: Final = {
    "key": "node.kubernetes.io/memory-pressure", "operator": "Exists", "effect": "NoSchedule",
}  # fmt: skip

Toleration = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Tolerations:
    """For namespaces that do not say."""

    default: tuple[Toleration, ...] = ()
    allowed: tuple[Toleration, ...] = ()


class PodTolerationRestriction(Plugin):
    name = "PodTolerationRestriction"
    about = frozenset({PODS})

    def __init__(self, configured: Tolerations) -> None:
        self._configured = configured

    def admit(self, attributes: Attributes, lister: Lister) -> None:
        if attributes.tree is None or not is_main(attributes, PODS, "CREATE", "UPDATE"):
            return
        spec: dict[str, Any] = attributes.tree["spec"]
        extra: list[Toleration] = []
        if attributes.operation == "CREATE":
            said = self._said(attributes, lister, DEFAULTS)
            extra += self._configured.default if said is None else said
        if has_promises(spec):
            extra.append(MEMORY_PRESSURE)
        if extra:
            present = spec.get("tolerations") or []
            spec["tolerations"] = merged([*present, *extra])
        self.validate(attributes, lister)

    def validate(self, attributes: Attributes, lister: Lister) -> None:
        if attributes.tree is None or not is_main(attributes, PODS, "CREATE", "UPDATE"):
            return
        present = attributes.tree["spec"].get("tolerations") or []
        if not present:
            return
        said, scope = self._said(attributes, lister, ALLOWED), "namespace"
        if said is None:
            said, scope = list(self._configured.allowed), "cluster"
        if said and not all(any(covers(one, wanted) for one in said) for wanted in present):
            words = (
                "pod tolerations (possibly merged with namespace default tolerations) conflict "
                f"with its {scope} whitelist"
            )
            raise _internal(words)

    def _said(
        self, attributes: Attributes, lister: Lister, annotation: str
    ) -> list[Toleration] | None:
        """What the namespace says; None when it says nothing."""
        namespace = lister.get(NAMESPACES, "", attributes.namespace)
        if namespace is None:
            raise not_found("namespaces", attributes.namespace)
        text = (namespace["metadata"].get("annotations") or {}).get(annotation)
        if text is None:
            return None
        try:
            found = orjson.loads(text or "[]")
        except orjson.JSONDecodeError as error:
            raise _internal(f"annotation {annotation}: {error}") from error
        if not isinstance(found, list) or any(not isinstance(one, dict) for one in found):
            raise _internal(f"annotation {annotation} is not a list of tolerations")
        return found


def has_promises(spec: Mapping[str, Any]) -> bool:
    """Whether a pod is more than best effort: it has requests or limits of CPU or memory."""
    owners = [spec, *(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    return any(
        amount not in ("0", 0)
        for owner in owners
        for amounts in ("requests", "limits")
        for name, amount in ((owner.get("resources") or {}).get(amounts) or {}).items()
        if name in ("cpu", "memory")
    )


def covers(wide: Toleration, narrow: Toleration) -> bool:
    """Whether the first bears all that the second does.

    Source: isSuperset of pkg/util/tolerations.
    """
    if dict(wide) == dict(narrow):
        return True
    key, effect = wide.get("key", ""), wide.get("effect", "")
    if key != narrow.get("key", "") and (key or wide.get("operator") != "Exists"):
        return False
    if effect and effect != narrow.get("effect", ""):
        return False
    if effect == "NoExecute":
        longest = wide.get("tolerationSeconds")
        seconds = narrow.get("tolerationSeconds")
        if longest is not None and (seconds is None or seconds > longest):
            return False
    if (wide.get("operator") or "Equal") == "Equal":
        equal = (narrow.get("operator") or "Equal") == "Equal"
        return equal and wide.get("value", "") == narrow.get("value", "")
    return wide.get("operator") == "Exists"


def merged(tolerations: Sequence[Toleration]) -> list[Toleration]:
    """All of them but those that another one covers."""
    kept: list[Toleration] = []
    for index, one in enumerate(tolerations):
        others = [*kept, *tolerations[index + 1 :]]
        if not any(covers(other, one) and other != one for other in others) and one not in kept:
            kept.append(one)
    return kept


def tolerations_of(found: Any) -> Tolerations:
    """From the plug-in's configuration, None when there is none. BadConfiguration."""
    if found is None:
        return Tolerations()
    tree = mapping(found, KIND)
    kind_of(tree, KIND, VERSIONS)
    known_fields(tree, "", ("apiVersion", "kind", "default", "whitelist"))
    default, allowed = (tuple(mappings(tree, field)) for field in ("default", "whitelist"))
    return Tolerations(default, allowed)


def _internal(why: str) -> ApiError:
    """Upstream refuses with a bare error, which is answered with 500."""
    return status_error("InternalError", f"Internal error occurred: {why}")
