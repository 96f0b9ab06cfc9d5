"""Binding a pod to a node.

A binding is the scheduler's word and final: it fails when the pod has a node or is being deleted.

Source: kubernetes/pkg/registry/core/pod/storage/storage.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from apiserver.admission.chain import Chain
from apiserver.http.exchange import Exchange
from apiserver.registry.store import Registry
from apiserver.request import RequestContext, Response
from apiserver.subresources.answers import body_of, success
from wherry.api.core_v1 import Binding
from wherry.api.errors import (
    ApiError,
    FieldError,
    bad_request,
    conflict,
    invalid_object,
    not_supported,
    required,
)
from wherry.api.model import format_time
from wherry.api.scheme import BY_PLURAL

PODS = BY_PLURAL["", "v1", "pods"]

Tree = dict[str, Any]


class PodEndpoints:
    """POST pods/binding and bindings."""

    def __init__(self, registry: Registry, chain: Chain) -> None:
        self._registry = registry
        self._chain = chain

    async def bind(self, ctx: RequestContext, exchange: Exchange) -> Response:
        """Both `pods/NAME/binding` and `bindings`."""
        binding = await body_of(Binding, ctx, exchange)
        metadata = binding.get("metadata", {})
        name = ctx.info.name or metadata.get("name", "")
        self._chain.ask(ctx, "CREATE", binding, PODS, "binding", name)
        _check_target(binding, metadata, ctx, name)

        def assign(pod: Tree) -> None:
            assign_node(pod, binding, name, ctx.now)

        await self._registry.update(PODS, ctx.info.namespace, name, assign, ctx, "binding")
        return success()


def _check_target(
    binding: Mapping[str, Any], metadata: Mapping[str, Any], ctx: RequestContext, name: str
) -> None:
    if metadata.get("name") and metadata["name"] != name:
        raise bad_request("name in URL does not match name in Binding object")
    if metadata.get("namespace") and metadata["namespace"] != ctx.info.namespace:
        raise bad_request("namespace in URL does not match namespace in Binding object")
    target = binding.get("target", {})
    errors: list[FieldError] = []
    if target.get("kind", "") not in ("", "Node"):
        errors.append(not_supported("target.kind", target["kind"], ["Node", "<empty>"]))
    if not target.get("name"):
        errors.append(required("target.name"))
    if errors:
        raise invalid_object("", "Binding", name, errors)


def assign_node(pod: Tree, binding: Mapping[str, Any], name: str, now: datetime) -> None:
    """Give the pod its node. ApiError 409 when it can't have one (any more)."""
    metadata = pod["metadata"]
    wanted = binding.get("metadata", {})
    for field, word in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        if wanted.get(field) and wanted[field] != metadata[field]:
            raise _refused(
                name,
                f"Precondition failed: {word} in precondition: {wanted[field]}, "
                f"{word} in object meta: {metadata[field]}",
            )
    spec = pod["spec"]
    if metadata.get("deletionTimestamp"):
        raise _refused(name, f"pod {name} is being deleted, cannot be assigned to a host")
    if spec.get("nodeName"):
        raise _refused(name, f'pod {name} is already assigned to node "{spec["nodeName"]}"')
    if spec.get("schedulingGates"):
        raise _refused(name, f"pod {name} has non-empty .spec.schedulingGates")
    spec["nodeName"] = binding["target"]["name"]
    if wanted.get("annotations"):
        metadata["annotations"] = {**metadata.get("annotations", {}), **wanted["annotations"]}
    if wanted.get("labels"):  # PodTopologyLabels puts the node's there
        labels = {**metadata.get("labels", {}), **wanted["labels"]}
        metadata["labels"] = {key: labels[key] for key in sorted(labels)}
    _scheduled(pod.setdefault("status", {}), now)


def _scheduled(status: Tree, now: datetime) -> None:
    condition = {
        "type": "PodScheduled", "status": "True", "lastProbeTime": None,
        "lastTransitionTime": format_time(now),
    }  # fmt: skip
    others = [one for one in status.get("conditions", ()) if one.get("type") != "PodScheduled"]
    status["conditions"] = [*others, condition]


def _refused(name: str, why: str) -> ApiError:
    return conflict("pods/binding", name, why)
