"""Access and self reviews: questions about users, answered at once and never stored.

Source: kubernetes/pkg/registry/{authorization,authentication}.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from apiserver.authz.authorizer import Attributes, Authorizer
from apiserver.http.exchange import Exchange
from apiserver.registry.pipeline import match_namespace
from apiserver.request import RequestContext, Response, User
from apiserver.subresources.answers import body_of, created, track_manager
from apiserver.subresources.review_selectors import Asked, asked_selectors, selector_errors
from wherry.api.authentication_v1 import SelfSubjectReview
from wherry.api.authorization_v1 import (
    LocalSubjectAccessReview,
    SelfSubjectAccessReview,
    SelfSubjectRulesReview,
    SubjectAccessReview,
)
from wherry.api.errors import FieldError, bad_request, invalid, invalid_object
from wherry.api.model import TypedModel, format_time
from wherry.api.scheme import BY_KIND

GROUP = "authorization.k8s.io"

Tree = dict[str, Any]


class ReviewEndpoints:
    """POST the four access reviews and selfsubjectreviews."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    async def subject(self, ctx: RequestContext, exchange: Exchange) -> Response:
        review = await _review(SubjectAccessReview, ctx, exchange)
        _refuse(subject_errors(review["spec"]))
        return self._decide(review, asked_user(review["spec"]))

    async def local_subject(self, ctx: RequestContext, exchange: Exchange) -> Response:
        """The same about one namespace, for those who may ask in that namespace only."""
        review = await body_of(LocalSubjectAccessReview, ctx, exchange)
        resource = BY_KIND[LocalSubjectAccessReview.GVK]
        match_namespace(resource, review["metadata"], ctx.info.namespace)
        _refuse(local_errors(review))
        track_manager(LocalSubjectAccessReview, review, ctx)
        return self._decide(review, asked_user(review["spec"]))

    async def self_subject(self, ctx: RequestContext, exchange: Exchange) -> Response:
        review = await _review(SelfSubjectAccessReview, ctx, exchange)
        _refuse(access_errors(review["spec"]))
        return self._decide(review, ctx.user)

    async def self_rules(self, ctx: RequestContext, exchange: Exchange) -> Response:
        """What the asking user may do in a namespace."""
        review = await body_of(SelfSubjectRulesReview, ctx, exchange)
        namespace = review["spec"].get("namespace", "")
        if not namespace:
            raise bad_request("no namespace on request")
        rules = self._authorizer.rules(ctx.user, namespace)
        gvk = SelfSubjectRulesReview.GVK
        status: Tree = {
            "resourceRules": list(rules.resource_rules),
            "nonResourceRules": list(rules.non_resource_rules),
            "incomplete": rules.incomplete,
        }
        if rules.error:
            status["evaluationError"] = rules.error
        return created(
            {
                "kind": gvk.kind,
                "apiVersion": gvk.api_version,
                "metadata": {},
                "spec": {},
                "status": status,
            }
        )

    async def who_am_i(self, ctx: RequestContext, exchange: Exchange) -> Response:
        await body_of(SelfSubjectReview, ctx, exchange)
        gvk = SelfSubjectReview.GVK
        return created(
            {
                "kind": gvk.kind,
                "apiVersion": gvk.api_version,
                "metadata": {"creationTimestamp": format_time(ctx.now)},
                "status": {"userInfo": user_info(ctx.user)},
            }
        )

    def _decide(self, review: Tree, user: User) -> Response:
        asked = review["spec"].get("resourceAttributes")
        selectors = asked_selectors(asked) if asked is not None else Asked()
        decision = self._authorizer.authorize(asked_attributes(review["spec"], user, selectors))
        status: Tree = {"allowed": decision.allowed}
        if decision.final:
            status["denied"] = True
        if decision.reason:
            status["reason"] = decision.reason
        errors = [decision.error] if decision.error else []
        if errors := [*errors, *selectors.ignored]:
            status["evaluationError"] = "; ".join(errors)
        return created({**review, "status": status})


async def _review(model: type[TypedModel], ctx: RequestContext, exchange: Exchange) -> Tree:
    """The question; ApiError 422 when it has a name or labels, which it must not have."""
    review = await body_of(model, ctx, exchange)
    bare = not review.get("metadata")
    track_manager(model, review, ctx)
    if not bare:
        value = json.dumps(review["metadata"], separators=(",", ":"), ensure_ascii=False)
        message = f"Invalid value: {value}: must be empty"
        _refuse([FieldError("FieldValueInvalid", "metadata", message)])
    return review


def _refuse(errors: list[FieldError]) -> None:
    if errors:
        raise invalid_object(GROUP, "", "", errors)


def subject_errors(spec: Mapping[str, Any]) -> list[FieldError]:
    """What is wrong with a question about somebody."""
    errors = access_errors(spec)
    if not spec.get("user") and not spec.get("groups"):
        words = "at least one of user or group must be specified"
        errors.append(invalid("spec.user", spec.get("user", ""), words))
    return errors


def local_errors(review: Mapping[str, Any]) -> list[FieldError]:
    """What is wrong with a question about somebody in the namespace it is asked in."""
    spec, metadata = review["spec"], review["metadata"]
    errors = subject_errors(spec)
    if set(metadata) - {"namespace", "managedFields"}:
        errors.append(invalid("metadata", metadata, "must be empty except for namespace"))
    asked, namespace = spec.get("resourceAttributes"), metadata.get("namespace", "")
    if asked is not None and asked.get("namespace", "") != namespace:
        path, words = "spec.resourceAttributes.namespace", "must match metadata.namespace"
        errors.append(invalid(path, asked.get("namespace", ""), words))
    if (paths := spec.get("nonResourceAttributes")) is not None:
        words = "disallowed on this kind of request"
        errors.append(invalid("spec.nonResourceAttributes", paths, words))
    return errors


def asked_user(spec: Mapping[str, Any]) -> User:
    """The user a review asks about."""
    # A list in a map that is empty or null is null in the canonical form.
    extra = {key: tuple(values or ()) for key, values in (spec.get("extra") or {}).items()}
    groups = tuple(spec.get("groups") or ())
    return User(spec.get("user", ""), spec.get("uid", ""), groups, extra)


def access_errors(spec: Mapping[str, Any]) -> list[FieldError]:
    """What is wrong with the question's shape."""
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and path is not None:
        words = "cannot be specified in combination with resourceAttributes"
        return [invalid("spec.nonResourceAttributes", path, words)]
    if resource is None and path is None:
        words = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        return [invalid("spec.resourceAttributes", None, words)]
    return selector_errors(resource, "spec.resourceAttributes") if resource is not None else []


def asked_attributes(spec: Mapping[str, Any], user: User, selectors: Asked) -> Attributes:
    asked = spec.get("resourceAttributes")
    if asked is None:
        path = spec["nonResourceAttributes"]
        return Attributes(user, path.get("verb", ""), path=path.get("path", ""))
    return Attributes(
        user, asked.get("verb", ""), asked.get("namespace", ""), asked.get("group", ""),
        asked.get("version", "") or "*", asked.get("resource", ""), asked.get("subresource", ""),
        asked.get("name", ""), "", selectors.fields, selectors.labels,
    )  # fmt: skip


def user_info(user: User) -> Tree:
    """A user as UserInfo has it."""
    info: Tree = {"username": user.name}
    if user.uid:
        info["uid"] = user.uid
    if user.groups:
        info["groups"] = list(user.groups)
    if user.extra:
        info["extra"] = {key: list(values) for key, values in user.extra.items()}
    return info
