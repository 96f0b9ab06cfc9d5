"""The decisions about a quota's recorded usage. Pure, on ResourceQuota trees.

`status.used` never is less than what there is: it is raised before an object is stored, and lowered
after it is gone. A quota whose status does not match its spec is *settled* first, from what there is.

Source: k8s.io/apiserver/pkg/admission/plugin/resourcequota/controller.go (CheckRequest, checkQuota).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from apiserver.admission.interface import Lister
from apiserver.quota.pod_resources import Amounts, add, raise_to
from apiserver.quota.scopes import lets_in
from apiserver.quota.usage import kinds_of, usage_of
from wherry.api import quantity
from wherry.api.scheme import Resource

Tree = dict[str, Any]
Refuse = Callable[[str], Exception]


def share(quota: Mapping[str, Any], resource: Resource, tree: Mapping[str, Any] | None) -> Amounts:
    """What an object uses of a quota."""
    spec = quota["spec"]
    hard = spec.get("hard", {})
    if tree is None or not hard or not lets_in(spec, resource, tree):
        return {}
    used = usage_of(resource, tree)
    return {name: used[name] for name in hard if name in used}


def growth(more: Mapping[str, str], less: Mapping[str, str]) -> Amounts:
    """By how much `more` is more; nothing for what is less or zero."""
    found: Amounts = {}
    for name, amount in more.items():
        extra = quantity.subtract(amount, less.get(name, "0"))
        if quantity.parse(extra) > 0:
            found[name] = extra
    return found


def is_settled(quota: Mapping[str, Any]) -> bool:
    """Whether the status speaks of the same bounds as the spec."""
    hard, status = quota["spec"].get("hard", {}), quota["status"]
    return bool(status.get("hard", {}) == hard and hard.keys() == status.get("used", {}).keys())


def there_is(quota: Mapping[str, Any], lister: Lister, namespace: str) -> Amounts:
    """What the objects of a namespace use of a quota, counted."""
    hard = quota["spec"].get("hard", {})
    total: Amounts = dict.fromkeys(hard, "0")
    for resource in kinds_of(hard):
        for tree in lister.list(resource, namespace):
            add(total, share(quota, resource, tree))
    return total


def settle(quota: Tree, counted: Mapping[str, str]) -> None:
    """Bring the status in line with the spec; what is recorded already stays."""
    hard, used = quota["spec"].get("hard", {}), quota["status"].get("used", {})
    kept = {name: used.get(name, counted.get(name, "0")) for name in hard}
    quota["status"] = {"hard": dict(hard), "used": {name: kept[name] for name in sorted(kept)}}


def charge(quota: Tree, extra: Mapping[str, str], refuse: Refuse) -> None:
    """Record more usage. Raises what `refuse` makes of the reason when it is too much."""
    name, status = quota["metadata"]["name"], quota["status"]
    hard, used = status.get("hard", {}), dict(status.get("used", {}))
    unknown = [one for one in sorted(extra) if one in hard and one not in used]
    if unknown:
        raise refuse(f"status unknown for quota: {name}, resources: {','.join(unknown)}")
    asked = {one: amount for one, amount in extra.items() if one in hard}
    over = [
        one
        for one, amount in asked.items()
        if quantity.parse(used[one]) + quantity.parse(amount) > quantity.parse(hard[one])
    ]
    if over:
        raise refuse(
            f"exceeded quota: {name}, requested: {_words(asked, over)}, "
            f"used: {_words(used, over)}, limited: {_words(hard, over)}"
        )
    add(used, asked)
    status["used"] = used


def release(quota: Tree, less: Mapping[str, str], counted: Mapping[str, str]) -> None:
    """Record less usage, though never less than was counted.

    A quota controller may have counted after the object had gone: then it is recorded already.
    """
    used = quota["status"].get("used", {})
    lowered = {
        name: quantity.subtract(used[name], amount) for name, amount in less.items() if name in used
    }
    floor = {name: counted.get(name, "0") for name in lowered}
    raise_to(lowered, floor)
    lowered = {
        name: amount
        for name, amount in lowered.items()
        if quantity.parse(amount) < quantity.parse(used[name])
    }
    quota["status"]["used"] = {**used, **lowered}


def _words(amounts: Mapping[str, str], names: list[str]) -> str:
    return ",".join(f"{name}={amounts[name]}" for name in sorted(names))
