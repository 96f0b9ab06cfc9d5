"""The authorizers of `--authorization-mode` or `--authorization-config`, put together.

Source: pkg/kubeapiserver/authorizer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from apiserver.authz.authorizer import AlwaysAllow, AlwaysDeny, Authorizer, Union
from apiserver.authz.configuration import WEBHOOK, AuthorizerConfig
from apiserver.authz.node import NodeAuthorizer
from apiserver.authz.rbac import Policy, Rbac
from apiserver.authz.webhook import WebhookAuthorizer, WebhookConfig

MODES: Final = ("Node", "RBAC", "AlwaysAllow", "AlwaysDeny", WEBHOOK)


def of_modes(modes: Sequence[str], webhook: WebhookConfig | None) -> tuple[AuthorizerConfig, ...]:
    """The authorizers that flags name; ValueError for a mode that there is not."""
    for mode in modes:
        if mode not in MODES:
            known = ", ".join(MODES)
            raise ValueError(f"authorization mode {mode!r} is not supported (supported: {known})")
    if not modes:
        raise ValueError("at least one authorization mode must be given")
    if len(set(modes)) != len(modes):
        raise ValueError(f"authorization modes {', '.join(modes)}: one is given more than once")
    if (WEBHOOK in modes) != (webhook is not None):
        raise ValueError(
            "authorization mode Webhook and --authorization-webhook-config-file go together"
        )
    return tuple(AuthorizerConfig(mode, webhook if mode == WEBHOOK else None) for mode in modes)


@dataclass(frozen=True, slots=True)
class Makers:
    """What single authorizers are made of.

    ready: whether the default roles are there
    """

    policy: Policy
    nodes: Callable[[], NodeAuthorizer]
    webhooks: Callable[[WebhookConfig], WebhookAuthorizer]
    ready: Callable[[], bool]

    def one(self, config: AuthorizerConfig) -> Authorizer:
        """The authorizer of this type."""
        if config.webhook is not None:
            return self.webhooks(config.webhook)
        makers: dict[str, Callable[[], Authorizer]] = {
            "Node": self.nodes,
            "RBAC": lambda: Rbac(self.policy),
            "AlwaysAllow": AlwaysAllow,
            "AlwaysDeny": AlwaysDeny,
        }
        return makers[config.type]()

    def all(self, configs: Sequence[AuthorizerConfig]) -> Authorizer:
        """These authorizers, asked in this order."""
        types = [one.type for one in configs]
        if "AlwaysAllow" in types and WEBHOOK not in types:  # nobody before it can refuse
            return AlwaysAllow()
        return Union(
            [self.one(config) for config in configs], self.ready, may_wait=WEBHOOK in types
        )
