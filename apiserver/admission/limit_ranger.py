"""LimitRanger: what a namespace's LimitRanges give to and ask of each pod and claim.

Source: kubernetes/plugin/pkg/admission/limitranger.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from apiserver.admission.attributes import CLAIMS, LIMIT_RANGES, PODS, is_main, refuse
from apiserver.admission.interface import Attributes, Lister, Plugin
from apiserver.quota.pod_resources import pod_amounts
from wherry.api import quantity

ANNOTATION: Final = "kubernetes.io/limit-ranger"
CONTAINER: Final = "Container"
POD: Final = "Pod"
CLAIM: Final = "PersistentVolumeClaim"
_NONE: Final[Mapping[str, str]] = {}

Tree = dict[str, Any]


class LimitRanger(Plugin):
    name = "LimitRanger"
    about = frozenset({PODS, CLAIMS})

    def admit(self, attributes: Attributes, lister: Lister) -> None:
        if attributes.tree is None or not is_main(attributes, PODS, "CREATE"):
            return
        for limit_range in lister.list(LIMIT_RANGES, attributes.namespace):
            give_defaults(attributes.tree, limit_range)

    def validate(self, attributes: Attributes, lister: Lister) -> None:
        tree = attributes.tree
        if tree is None:
            return
        pod = is_main(attributes, PODS, "CREATE") or _is_resize(attributes)
        claim = is_main(attributes, CLAIMS, "CREATE", "UPDATE")
        if not pod and not claim:
            return
        for limit_range in lister.list(LIMIT_RANGES, attributes.namespace):
            problems = list(
                pod_problems(tree, limit_range) if pod else claim_problems(tree, limit_range)
            )
            if problems:
                raise refuse(attributes, _together(problems))


def _is_resize(attributes: Attributes) -> bool:
    return attributes.resource is PODS and attributes.subresource == "resize"


def give_defaults(pod: Tree, limit_range: Mapping[str, Any]) -> None:
    """Write default requests and limits into containers that say none, and tell so."""
    requests: dict[str, str] = {}
    limits: dict[str, str] = {}
    for item in _items(limit_range, CONTAINER):
        requests |= item.get("defaultRequest", _NONE)
        limits |= item.get("default", _NONE)
    told: list[str] = []
    spec = pod["spec"]
    for field, what in (("containers", "container"), ("initContainers", "init container")):
        for container in spec.get(field) or ():
            for kind, defaults in (("requests", requests), ("limits", limits)):
                given = _give(container["resources"], kind, defaults)
                if given:
                    word = kind.removesuffix("s")
                    told.append(f"{', '.join(given)} {word} for {what} {container['name']}")
    if told:
        annotations = pod["metadata"].get("annotations", {})
        annotations = {**annotations, ANNOTATION: "LimitRanger plugin set: " + "; ".join(told)}
        pod["metadata"]["annotations"] = {key: annotations[key] for key in sorted(annotations)}


def _give(resources: Tree, kind: str, defaults: Mapping[str, str]) -> list[str]:
    said = resources.get(kind, {})
    given = sorted(defaults.keys() - said.keys())
    if given:
        merged = {**defaults, **said}
        resources[kind] = {name: merged[name] for name in sorted(merged)}
    return given


def _items(limit_range: Mapping[str, Any], kind: str) -> Iterator[Mapping[str, Any]]:
    return (one for one in limit_range["spec"].get("limits") or () if one["type"] == kind)


def pod_problems(pod: Mapping[str, Any], limit_range: Mapping[str, Any]) -> Iterator[str]:
    """Why a pod, or a container of it, is too small, too large or too uneven."""
    spec = pod["spec"]
    for item in limit_range["spec"].get("limits") or ():
        if item["type"] == CONTAINER:
            for field in ("containers", "initContainers"):
                for container in spec.get(field) or ():
                    resources = container["resources"]
                    yield from _bounds(
                        item, resources.get("requests", _NONE), resources.get("limits", _NONE)
                    )
        elif item["type"] == POD:
            yield from _bounds(item, pod_amounts(spec, "requests"), pod_amounts(spec, "limits"))


def claim_problems(claim: Mapping[str, Any], limit_range: Mapping[str, Any]) -> Iterator[str]:
    """Why a claim is too small or too large."""
    requests = claim["spec"]["resources"].get("requests", _NONE)
    for item in _items(limit_range, CLAIM):
        for name, bound in item.get("min", _NONE).items():
            yield from _at_least(CLAIM, name, bound, requests, _NONE)
        for name, bound in item.get("max", _NONE).items():
            words = f"maximum {name} usage per {CLAIM} is {bound}"
            if name not in requests:
                yield f"{words}.  No request is specified"
            elif quantity.parse(requests[name]) > quantity.parse(bound):
                yield f"{words}, but request is {requests[name]}"


def _bounds(
    item: Mapping[str, Any], requests: Mapping[str, str], limits: Mapping[str, str]
) -> Iterator[str]:
    kind = item["type"]
    for name, bound in item.get("min", _NONE).items():
        yield from _at_least(kind, name, bound, requests, limits)
    for name, bound in item.get("max", _NONE).items():
        yield from _at_most(kind, name, bound, requests, limits)
    for name, bound in item.get("maxLimitRequestRatio", _NONE).items():
        yield from _ratio(kind, name, bound, requests, limits)


def _at_least(
    kind: str, name: str, bound: str, requests: Mapping[str, str], limits: Mapping[str, str]
) -> Iterator[str]:
    words = f"minimum {name} usage per {kind} is {bound}"
    if name not in requests:
        yield f"{words}.  No request is specified"
    elif quantity.parse(requests[name]) < quantity.parse(bound):
        yield f"{words}, but request is {requests[name]}"
    elif name in limits and quantity.parse(limits[name]) < quantity.parse(bound):
        yield f"{words}, but limit is {limits[name]}"


def _at_most(
    kind: str, name: str, bound: str, requests: Mapping[str, str], limits: Mapping[str, str]
) -> Iterator[str]:
    words = f"maximum {name} usage per {kind} is {bound}"
    if name not in limits:
        yield f"{words}.  No limit is specified"
    elif quantity.parse(limits[name]) > quantity.parse(bound):
        yield f"{words}, but limit is {limits[name]}"
    elif name in requests and quantity.parse(requests[name]) > quantity.parse(bound):
        yield f"{words}, but request is {requests[name]}"


def _ratio(
    kind: str, name: str, bound: str, requests: Mapping[str, str], limits: Mapping[str, str]
) -> Iterator[str]:
    words = f"{name} max limit to request ratio per {kind} is {bound}"
    request, limit = quantity.parse(requests.get(name, "0")), quantity.parse(limits.get(name, "0"))
    if not request:
        yield f"{words}, but no request is specified or request is 0"
    elif not limit:
        yield f"{words}, but no limit is specified or limit is 0"
    elif limit / request > quantity.parse(bound):
        yield f"{words}, but provided ratio is {limit / request:.6f}"


def _together(problems: Sequence[str]) -> str:
    """Several reasons as upstream's aggregate prints them: each once, in brackets."""
    found = list(dict.fromkeys(problems))
    return found[0] if len(found) == 1 else "[" + ", ".join(found) + "]"
