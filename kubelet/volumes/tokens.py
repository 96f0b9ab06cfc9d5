"""Service-account tokens for projected volumes: asked for, remembered, renewed in time.

A token is bound to its pod and asked for again at 80 % of its life (or a day, if that is sooner).
When renewing fails, the old one serves until it really ends. In memory only: a restarted kubelet
asks anew.

Source: upstream's pkg/kubelet/token.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import NamedTuple

from kubelet.volumes.interface import Token, VolumeError
from wherry.api.authentication_v1 import BoundObjectReference, TokenRequest, TokenRequestSpec
from wherry.api.core_v1 import Pod, ServiceAccount
from wherry.api.errors import ApiError
from wherry.api.meta_v1 import ObjectMeta
from wherry.client.rest import ApiUnavailable, Client
from wherry.daemon.clock import Clock

log = logging.getLogger(__name__)

RENEW_AT = 0.8
AGE_MAX = timedelta(hours=24)


class _Key(NamedTuple):
    pod_uid: str
    audience: str
    expiration_seconds: int


class _Held(NamedTuple):
    token: Token
    renew_at: float  # monotonic


class TokenManager:
    """Tokens of this node's pods; bounded by the pods there are (see `forget`)."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._held: dict[_Key, _Held] = {}

    async def token(self, pod: Pod, audience: str, expiration_seconds: int) -> Token:
        key = _Key(pod.metadata.uid, audience, expiration_seconds)
        held = self._held.get(key)
        if held is not None and self._clock.monotonic() < held.renew_at:
            return held.token
        try:
            fresh = await self._ask(pod, key)
        except (ApiError, ApiUnavailable) as error:
            if held is not None and self._clock.now() < held.token.expires:
                log.warning("token of pod %s not renewed: %s", pod.metadata.uid, error)
                return held.token
            raise VolumeError("FailedMount", f"failed to fetch token: {error}") from error
        life = min(fresh.expires - self._clock.now(), AGE_MAX / RENEW_AT)
        renew_at = self._clock.monotonic() + life.total_seconds() * RENEW_AT
        self._held[key] = _Held(fresh, renew_at)
        return fresh

    def forget(self, pod_uid: str) -> None:
        for key in [key for key in self._held if key.pod_uid == pod_uid]:
            del self._held[key]

    async def _ask(self, pod: Pod, key: _Key) -> Token:
        request = TokenRequest(
            metadata=ObjectMeta(
                name=pod.spec.service_account_name, namespace=pod.metadata.namespace
            ),
            spec=TokenRequestSpec(
                audiences=[key.audience] if key.audience else [],
                expiration_seconds=key.expiration_seconds,
                bound_object_ref=BoundObjectReference(
                    kind="Pod", api_version="v1", name=pod.metadata.name, uid=pod.metadata.uid
                ),
            ),
        )
        name = pod.spec.service_account_name or "default"
        answer = await self._client.create_subresource(
            ServiceAccount, name, pod.metadata.namespace, "token", request
        )
        if not isinstance(answer, TokenRequest) or answer.status.expiration_timestamp is None:
            raise VolumeError("FailedMount", "failed to fetch token: the answer holds none")
        return Token(answer.status.token, answer.status.expiration_timestamp)
