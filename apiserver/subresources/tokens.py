"""Making service-account tokens, and telling others whom a token stands for.

Source: kubernetes/pkg/registry/core/serviceaccount/storage/token.go,
kubernetes/pkg/registry/authentication/tokenreview.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from apiserver.admission.chain import Chain
from apiserver.authn.authenticator import Authenticator, BadToken
from apiserver.authn.keys import SigningKey
from apiserver.authn.service_account import (
    EXTENDED_SECONDS,
    WARN_ONLY_SECONDS,
    claims_of,
    sign,
)
from apiserver.http.exchange import Exchange
from apiserver.registry.store import Registry
from apiserver.request import RequestContext, Response
from apiserver.subresources.answers import body_of, created, track_manager
from apiserver.subresources.reviews import user_info
from wherry.api.authentication_v1 import TokenRequest, TokenReview
from wherry.api.errors import (
    ApiError,
    FieldError,
    bad_request,
    conflict,
    invalid,
    invalid_object,
    status_error,
)
from wherry.api.model import format_time
from wherry.api.scheme import BY_PLURAL

SERVICE_ACCOUNTS = BY_PLURAL["", "v1", "serviceaccounts"]
BINDABLE = {kind: BY_PLURAL["", "v1", f"{kind.lower()}s"] for kind in ("Pod", "Secret", "Node")}
SECONDS_DEFAULT = 3600
SECONDS_MIN = 600
SECONDS_MAX = 1 << 32

Tree = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Issuer:
    """How tokens are made. `seconds_max` 0 = no limit of its own."""

    key: SigningKey
    issuer: str
    api_audiences: tuple[str, ...]
    extend: bool
    seconds_max: int


class TokenEndpoints:
    """POST serviceaccounts/token and tokenreviews."""

    def __init__(
        self,
        registry: Registry,
        authenticator: Authenticator,
        issuer: Issuer | None,
        chain: Chain,
    ) -> None:
        self._registry = registry
        self._authenticator = authenticator
        self._issuer = issuer
        self._chain = chain

    async def request(self, ctx: RequestContext, exchange: Exchange) -> Response:
        if self._issuer is None:
            why = "this server signs no tokens: it has no --service-account-signing-key-file"
            raise status_error("NotFound", why)
        asked = await body_of(TokenRequest, ctx, exchange)
        await self._registry.fresh()
        self._chain.ask(ctx, "CREATE", asked)
        account = self._registry.get(SERVICE_ACCOUNTS, ctx.info.namespace, ctx.info.name)
        spec = asked.setdefault("spec", {})
        _check_names(asked.get("metadata", {}), ctx)
        _fill(spec, self._issuer)
        bound = self._bound(account, spec.get("boundObjectRef"), ctx)
        seconds: int = spec["expirationSeconds"]
        warn_after = 0
        extends = self._issuer.extend and "pod" in bound and seconds == WARN_ONLY_SECONDS
        if extends and set(spec["audiences"]) == set(self._issuer.api_audiences):
            warn_after, seconds = seconds, EXTENDED_SECONDS
        claims = claims_of(
            account=account,
            pod=bound.get("pod"),
            node=bound.get("node"),
            secret=bound.get("secret"),
            issuer=self._issuer.issuer,
            audiences=spec["audiences"],
            seconds=seconds,
            warn_after=warn_after,
            now=ctx.now,
            token_id=str(uuid.uuid4()),
        )
        expires = ctx.now + timedelta(seconds=spec["expirationSeconds"])
        track_manager(TokenRequest, asked, ctx)
        asked["metadata"] = {
            "name": ctx.info.name,
            "namespace": ctx.info.namespace,
            "creationTimestamp": format_time(ctx.now),
            **{k: v for k, v in asked["metadata"].items() if k == "managedFields"},
        }
        token = sign(claims, self._issuer.key)
        asked["status"] = {"token": token, "expirationTimestamp": format_time(expires)}
        return created(asked)

    async def review(self, ctx: RequestContext, exchange: Exchange) -> Response:
        review = await body_of(TokenReview, ctx, exchange)
        spec = review.get("spec", {})
        if not spec.get("token"):
            raise bad_request("token is required for TokenReview in authentication")
        audiences = spec.get("audiences") or ()
        track_manager(TokenReview, review, ctx)
        status: Tree = {}
        try:
            found = self._authenticator.token(spec["token"], audiences, ctx.now)
        except BadToken as error:
            found = None
            status["error"] = f"[invalid bearer token, {error}]"
        if found is not None:
            status = {"authenticated": True, "user": user_info(found.user)}
            if found.audiences:
                status["audiences"] = list(found.audiences)
        else:
            status.setdefault("user", {})
        return created({**review, "status": status})

    def _bound(
        self, account: Mapping[str, Any], reference: Mapping[str, Any] | None, ctx: RequestContext
    ) -> dict[str, Mapping[str, Any]]:
        """The objects the token dies with, by kind. ApiError when they are not what was said."""
        if reference is None:
            return {}
        kind, version = reference.get("kind", ""), reference.get("apiVersion", "")
        if kind not in BINDABLE or version not in ("", "v1"):
            raise bad_request(f"cannot bind token to object of type {version}, Kind={kind}")
        resource = BINDABLE[kind]
        namespace = ctx.info.namespace if resource.namespaced else ""
        name = reference.get("name", "")
        found = self._registry.get(resource, namespace, name)
        _check_uid(reference, found, resource.qualified_name)
        bound = {kind.lower(): found}
        if kind == "Pod":
            running = found["spec"].get("serviceAccountName", "")
            if running != account["metadata"]["name"]:
                raise bad_request(
                    f'cannot bind token for serviceaccount "{account["metadata"]["name"]}" '
                    f"to pod running with different serviceaccount name."
                )
            node = self._node(found["spec"].get("nodeName", ""))
            if node is not None:
                bound["node"] = node
        return bound

    def _node(self, name: str) -> Mapping[str, Any] | None:
        if not name:
            return None
        try:
            return self._registry.get(BINDABLE["Node"], "", name)
        except ApiError:
            return None


def _check_names(metadata: Mapping[str, Any], ctx: RequestContext) -> None:
    for field, wanted in (("name", ctx.info.name), ("namespace", ctx.info.namespace)):
        if metadata.get(field) and metadata[field] != wanted:
            message = (
                f"the {field} of the provided object does not match the {field} sent on the request"
            )
            raise bad_request(message)


def _fill(spec: Tree, issuer: Issuer) -> None:
    """Defaults and limits. ApiError 422 for a lifetime that is too short or too long."""
    spec["audiences"] = spec.get("audiences") or list(issuer.api_audiences)
    if spec.get("expirationSeconds") is None:
        spec["expirationSeconds"] = SECONDS_DEFAULT
    seconds = spec["expirationSeconds"]
    errors: list[FieldError] = []
    field = "spec.expirationSeconds"
    if seconds < SECONDS_MIN:
        words = "may not specify a duration less than 10 minutes"
        errors.append(invalid(field, seconds, words))
    if seconds > SECONDS_MAX:
        words = "may not specify a duration larger than 2^32 seconds"
        errors.append(invalid(field, seconds, words))
    if errors:
        raise invalid_object("authentication.k8s.io", "TokenRequest", "", errors)
    if issuer.seconds_max and seconds > issuer.seconds_max:
        spec["expirationSeconds"] = issuer.seconds_max


def _check_uid(reference: Mapping[str, Any], found: Mapping[str, Any], qualified: str) -> None:
    wanted, uid = reference.get("uid", ""), found["metadata"]["uid"]
    if wanted and wanted != uid:
        why = (
            f"the UID in the bound object reference ({wanted}) does not match the UID in record. "
            "The object might have been deleted and then recreated"
        )
        raise conflict(qualified, found["metadata"]["name"], why)
