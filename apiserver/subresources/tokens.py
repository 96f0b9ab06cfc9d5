"""Making service-account tokens, and telling others whom a token stands for.

Source: kubernetes/pkg/registry/core/serviceaccount/storage/token.go,
kubernetes/pkg/registry/authentication/tokenreview.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from apiserver.admission.chain import Chain
from apiserver.authn.account_keys import AccountKeys
from apiserver.authn.authenticator import Authenticated, Authenticator, BadToken, KeysWanted
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
GROUP = "authentication.k8s.io"
SECONDS_DEFAULT = 3600
SECONDS_MIN = 600
SECONDS_MAX = 1 << 32

Tree = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Issuer:
    """How tokens are made; there is a key that signs. `seconds_max` 0 = no limit of its own."""

    keys: AccountKeys
    issuer: str
    api_audiences: tuple[str, ...]
    extend: bool
    seconds_max: int


# What the audit calls a token by, which it must not show itself.
ISSUED = "authentication.kubernetes.io/issued-credential-id"


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
        metadata, spec = asked.get("metadata", {}), asked.setdefault("spec", {})
        _check_names(metadata, ctx)
        account = self._registry.get(SERVICE_ACCOUNTS, ctx.info.namespace, ctx.info.name)
        _check_account_uid(metadata, account)
        _fill(spec)
        self._chain.ask(ctx, "CREATE", asked)
        # Admission sees what was asked for: nodes may ask for none, and mean the server's own.
        spec["audiences"] = spec.get("audiences") or list(self._issuer.api_audiences)
        bound = self._bound(account, spec.get("boundObjectRef"), ctx)
        _shorten(spec, self._issuer.seconds_max, ctx.warnings)
        claims = self._claims(account, bound, spec, ctx)
        assert self._issuer.keys.signing is not None, "an issuer has a key"
        token = sign(claims, self._issuer.keys.signing)
        ctx.audit_annotations[ISSUED] = f"JTI={claims['jti']}"
        track_manager(TokenRequest, asked, ctx)
        asked["metadata"] = {
            "name": ctx.info.name,
            "namespace": ctx.info.namespace,
            "uid": account["metadata"]["uid"],
            "creationTimestamp": format_time(ctx.now),
            **{k: v for k, v in asked["metadata"].items() if k == "managedFields"},
        }
        expires = ctx.now + timedelta(seconds=spec["expirationSeconds"])
        asked["status"] = {"token": token, "expirationTimestamp": format_time(expires)}
        return created(asked)

    def _claims(
        self,
        account: Mapping[str, Any],
        bound: Mapping[str, Mapping[str, Any]],
        spec: Mapping[str, Any],
        ctx: RequestContext,
    ) -> dict[str, Any]:
        """What the token says. One for a pod that does not ask to be strict lives on for a year."""
        issuer, audiences = self._issuer, spec["audiences"]
        assert issuer is not None, "only asked when tokens are made"
        seconds, warn_after = spec["expirationSeconds"], 0
        extends = issuer.extend and "pod" in bound and seconds == WARN_ONLY_SECONDS
        if extends and set(audiences) <= set(issuer.api_audiences):
            warn_after, seconds = seconds, EXTENDED_SECONDS
        return claims_of(
            account=account,
            pod=bound.get("pod"),
            node=bound.get("node"),
            secret=bound.get("secret"),
            issuer=issuer.issuer,
            audiences=audiences,
            seconds=seconds,
            warn_after=warn_after,
            now=ctx.now,
            token_id=str(uuid.uuid4()),
        )

    async def review(self, ctx: RequestContext, exchange: Exchange) -> Response:
        review = await body_of(TokenReview, ctx, exchange)
        spec = review.get("spec", {})
        if not spec.get("token"):
            raise bad_request("token is required for TokenReview in authentication")
        track_manager(TokenReview, review, ctx)
        try:
            found = await self._found(spec["token"], spec.get("audiences") or (), ctx)
            why = "invalid bearer token"
        except BadToken as error:
            found, why = None, f"[invalid bearer token, {error}]"
        if found is None:
            return created({**review, "status": {"user": {}, "error": why}})
        status: Tree = {"authenticated": True, "user": user_info(found.user)}
        if found.audiences:
            status["audiences"] = list(found.audiences)
        return created({**review, "status": status})

    async def _found(
        self, token: str, audiences: Sequence[str], ctx: RequestContext
    ) -> Authenticated | None:
        """Whom the token stands for. BadToken as `Authenticator.token`."""
        try:
            return self._authenticator.token(token, audiences, ctx.now)
        except KeysWanted as wanted:
            await wanted.wait()
        return self._authenticator.token(token, audiences, ctx.now)

    def _bound(
        self, account: Mapping[str, Any], reference: Mapping[str, Any] | None, ctx: RequestContext
    ) -> dict[str, Mapping[str, Any]]:
        """The objects the token dies with, by kind. ApiError when they are not what was said."""
        if reference is None:
            return {}
        kind, version = reference.get("kind", ""), reference.get("apiVersion", "")
        group, _, number = version.rpartition("/")
        if kind not in BINDABLE or group:
            named = f"{group}/{number}, Kind={kind}"
            raise bad_request(f"cannot bind token to object of type {named}")
        resource = BINDABLE[kind]
        namespace = ctx.info.namespace if resource.namespaced else ""
        found = self._registry.get(resource, namespace, reference.get("name", ""))
        bound = {kind.lower(): found}
        if kind == "Pod":
            running = found["spec"].get("serviceAccountName", "")
            if running != account["metadata"]["name"]:
                raise bad_request(
                    f'cannot bind token for serviceaccount "{account["metadata"]["name"]}" '
                    f"to pod running with different serviceaccount name."
                )
            node = found["spec"].get("nodeName", "")
            if node:
                bound["node"] = self._node(node)
        _check_uid(reference, found, kind)
        return bound

    def _node(self, name: str) -> Mapping[str, Any]:
        """The node a pod runs on; when it is gone its name is still worth telling."""
        try:
            return self._registry.get(BINDABLE["Node"], "", name)
        except ApiError:
            return {"metadata": {"name": name}}


def _check_names(metadata: Mapping[str, Any], ctx: RequestContext) -> None:
    """ApiError 422 when the body names another account than the path."""
    named = (("name", ctx.info.name, "name"), ("namespace", ctx.info.namespace, "namespace"))
    for field, wanted, what in named:
        if metadata.get(field) and metadata[field] != wanted:
            words = f"must match the service account {what} if specified"
            error = invalid(f"metadata.{field}", metadata[field], words)
            raise invalid_object(GROUP, "TokenRequest", ctx.info.name, [error])


def _check_account_uid(metadata: Mapping[str, Any], account: Mapping[str, Any]) -> None:
    wanted, uid = metadata.get("uid", ""), account["metadata"]["uid"]
    if wanted and wanted != uid:
        why = (
            f"the UID in the token request ({wanted}) does not match the UID of the service account "
            f"({uid})"
        )
        raise conflict(f"TokenRequest.{GROUP}", account["metadata"]["name"], why)


def _fill(spec: Tree) -> None:
    """The default lifetime, and its limits. ApiError 422 for one that is too short or too long."""
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
        raise invalid_object(GROUP, "TokenRequest", "", errors)


def _shorten(spec: Tree, seconds_max: int, warnings: list[str]) -> None:
    """No token lives longer than this server allows; whoever asks is told."""
    seconds = spec["expirationSeconds"]
    if seconds_max and seconds > seconds_max:
        warnings.append(
            f"requested expiration of {seconds} seconds shortened to {seconds_max} seconds"
        )
        spec["expirationSeconds"] = seconds_max


def _check_uid(reference: Mapping[str, Any], found: Mapping[str, Any], kind: str) -> None:
    wanted, uid = reference.get("uid", ""), found["metadata"]["uid"]
    if wanted and wanted != uid:
        why = (
            f"the UID in the bound object reference ({wanted}) does not match the UID in record. "
            "The object might have been deleted and then recreated"
        )
        raise conflict(kind, found["metadata"]["name"], why)
