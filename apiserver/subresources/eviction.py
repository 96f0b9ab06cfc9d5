"""Evicting a pod: a deletion that its PodDisruptionBudget may refuse, with 429.

A budget is an optimistic counter: an eviction takes one from `disruptionsAllowed` and notes the pod in
`disruptedPods`, until the disruption controller has seen it go.

Source: kubernetes/pkg/registry/core/pod/storage/eviction.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import orjson

from apiserver.admission.chain import Chain
from apiserver.codec.body import JSON
from apiserver.http.exchange import Exchange
from apiserver.registry.deletion import DeleteOptions, check_preconditions
from apiserver.registry.options import delete_options
from apiserver.registry.store import Registry
from apiserver.request import RequestContext, Response
from apiserver.storage.encoder import decode_item
from apiserver.subresources.answers import body_of, success
from wherry.api.errors import ApiError, bad_request, forbidden, status_error
from wherry.api.model import format_time
from wherry.api.policy_v1 import Eviction
from wherry.api.scheme import BY_PLURAL
from wherry.api.selectors import label_selector

PODS: Final = BY_PLURAL["", "v1", "pods"]
BUDGETS: Final = BY_PLURAL["policy", "v1", "poddisruptionbudgets"]
DISRUPTED_PODS_MAX: Final = 2000  # that the disruption controller has not confirmed yet
RETRY_SECONDS: Final = 10
_VIOLATED: Final = "Cannot evict pod as it would violate the pod's disruption budget."
_SEVERAL: Final = (
    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not "
    "support."
)
_ENDED: Final = ("Succeeded", "Failed")

Tree = dict[str, Any]


class EvictionEndpoint:
    """POST pods/eviction."""

    def __init__(self, registry: Registry, chain: Chain) -> None:
        self._registry = registry
        self._chain = chain

    async def evict(self, ctx: RequestContext, exchange: Exchange) -> Response:
        eviction = await body_of(Eviction, ctx, exchange)
        named = eviction.get("metadata", {}).get("name", "")
        if named and named != ctx.info.name:
            raise bad_request("name in URL does not match name in Eviction object")
        options = _options(ctx, eviction)
        self._chain.ask(ctx, "CREATE", eviction)
        namespace, name = ctx.info.namespace, ctx.info.name
        cached = await self._registry.read(PODS, namespace, name)
        pod = decode_item(cached.item, PODS.gvk)
        if needs_no_budget(pod):
            if not has_ended(pod) and not options.resource_version:
                options = replace(options, resource_version=pod["metadata"]["resourceVersion"])
            await self._registry.delete(PODS, namespace, name, ctx, options)
            return success()
        budget = self._budget(pod)
        unhealthy = budget is not None and is_free_to_go(pod, budget)
        if budget is not None and not unhealthy:
            await self._take(ctx, budget["metadata"]["name"], name)
        insists = bool(options.resource_version)
        if unhealthy and not insists:
            options = replace(options, resource_version=pod["metadata"]["resourceVersion"])
        try:
            await self._condition_and_delete(ctx, options)
        except ApiError as error:
            if budget is None or not unhealthy or insists or error.reason != "Conflict":
                raise
            raise being_processed(budget["metadata"]["name"]) from None
        return success()

    def _budget(self, pod: Mapping[str, Any]) -> Mapping[str, Any] | None:
        lister = self._registry.cache.lister()
        found = [
            one
            for one in lister.list(BUDGETS, pod["metadata"]["namespace"])
            if guards(one, pod)
        ]  # fmt: skip
        if len(found) > 1:
            raise status_error("", _SEVERAL, code=500)
        return found[0] if found else None

    async def _take(self, ctx: RequestContext, budget: str, pod: str) -> None:
        def take(tree: Tree) -> None:
            take_disruption(tree, pod, ctx.now)

        await self._registry.update(BUDGETS, ctx.info.namespace, budget, take, ctx, "status")

    async def _condition_and_delete(self, ctx: RequestContext, options: DeleteOptions) -> None:
        """Say in the pod's status why it goes, then delete it."""
        namespace, name = ctx.info.namespace, ctx.info.name

        def mark(tree: Tree) -> None:
            check_preconditions(PODS, tree, options.uid, options.resource_version)
            add_condition(tree, ctx.now)

        if not options.dry_run:
            marked = await self._registry.update(PODS, namespace, name, mark, ctx, "status")
            if options.resource_version:
                version = marked["metadata"]["resourceVersion"]
                options = replace(options, resource_version=version)
        await self._registry.delete(PODS, namespace, name, ctx, options)


def _options(ctx: RequestContext, eviction: Mapping[str, Any]) -> DeleteOptions:
    asked = dict(eviction.get("deleteOptions") or {})
    if ctx.dry_run:
        asked["dryRun"] = ["All"]
    return delete_options(ctx.query, orjson.dumps(asked) if asked else b"", JSON)


def has_ended(pod: Mapping[str, Any]) -> bool:
    """Whether it serves nobody any more, and never will."""
    return bool(pod["status"].get("phase") in _ENDED or pod["metadata"].get("deletionTimestamp"))


def needs_no_budget(pod: Mapping[str, Any]) -> bool:
    """Whether its going disrupts nothing: it has ended or not begun."""
    return has_ended(pod) or pod["status"].get("phase") == "Pending"


def guards(budget: Mapping[str, Any], pod: Mapping[str, Any]) -> bool:
    """Whether a budget is about this pod. An empty selector is about all that have labels."""
    labels = pod["metadata"].get("labels")
    selector = budget["spec"].get("selector")
    return bool(labels) and selector is not None and label_selector(selector).matches(labels)


def is_free_to_go(pod: Mapping[str, Any], budget: Mapping[str, Any]) -> bool:
    """Whether a pod that is not ready may go without being counted."""
    ready = any(
        one["type"] == "Ready" and one["status"] == "True"
        for one in pod["status"].get("conditions", ())
    )
    if ready:
        return False
    if budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    status = budget["status"]
    return bool(status.get("currentHealthy", 0) >= status.get("desiredHealthy", 0) > 0)


def take_disruption(budget: Tree, pod: str, now: datetime) -> None:
    """Count one disruption. ApiError 429 when none is left, 403 when the counts make no sense."""
    metadata, status = budget["metadata"], budget["status"]
    name, allowed = metadata["name"], status.get("disruptionsAllowed", 0)
    if status.get("observedGeneration", 0) < metadata.get("generation", 0):
        raise being_processed(name)
    if allowed < 0:
        raise forbidden("poddisruptionbudget.policy", name, "pdb disruptions allowed is negative")
    if len(status.get("disruptedPods", ())) > DISRUPTED_PODS_MAX:
        why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        raise forbidden("poddisruptionbudget.policy", name, why)
    if allowed == 0:
        raise _too_many(_why_none(name, status))
    status["disruptionsAllowed"] = allowed - 1
    if allowed == 1:
        _set_insufficient(status, metadata.get("generation", 0), now)
    disrupted = {**status.get("disruptedPods", {}), pod: format_time(now)}
    status["disruptedPods"] = {key: disrupted[key] for key in sorted(disrupted)}


def _why_none(name: str, status: Mapping[str, Any]) -> str:
    failed = next(
        (
            one
            for one in status.get("conditions", ())
            if one["type"] == "DisruptionAllowed"
            and one["status"] == "False"
            and one.get("reason") == "SyncFailed"
        ),
        None,
    )
    if failed is not None:
        return (
            f"The disruption budget {name} does not allow evicting pods currently because it "
            f"failed sync: {failed.get('message', '')}"
        )
    needed, healthy = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
    return f"The disruption budget {name} needs {needed} healthy pods and has {healthy} currently"


def _set_insufficient(status: Tree, generation: int, now: datetime) -> None:
    conditions = status.get("conditions", [])
    before: Tree = next((one for one in conditions if one["type"] == "DisruptionAllowed"), {})
    same = before.get("status") == "False"
    condition = {
        "type": "DisruptionAllowed",
        "status": "False",
        "observedGeneration": generation,
        "lastTransitionTime": before["lastTransitionTime"] if same else format_time(now),
        "reason": "InsufficientPods",
        "message": "",
    }
    status["conditions"] = [*(one for one in conditions if one is not before), condition]


def being_processed(name: str) -> ApiError:
    """429: the disruption controller has not looked yet."""
    words = f"The disruption budget {name} is still being processed by the server."
    return _too_many(words, RETRY_SECONDS)


def _too_many(why: str, retry_seconds: int = 0) -> ApiError:
    details: Tree = {"causes": [{"reason": "DisruptionBudget", "message": why}]}
    if retry_seconds:
        details["retryAfterSeconds"] = retry_seconds
    return status_error("TooManyRequests", _VIOLATED, details=details)


def add_condition(pod: Tree, now: datetime) -> None:
    """`DisruptionTarget`: somebody ends the pod, it did not end by itself."""
    conditions = pod["status"].get("conditions", [])
    if any(one["type"] == "DisruptionTarget" and one["status"] == "True" for one in conditions):
        return
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "lastProbeTime": None,
        "lastTransitionTime": format_time(now),
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
    }
    others = [one for one in conditions if one["type"] != "DisruptionTarget"]
    pod["status"]["conditions"] = [*others, condition]
