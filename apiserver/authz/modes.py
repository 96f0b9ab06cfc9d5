"""The authorizers of `--authorization-mode`, put together.

Source: pkg/kubeapiserver/authorizer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from apiserver.authz.authorizer import AlwaysAllow, AlwaysDeny, Authorizer, Union
from apiserver.authz.node import NodeAuthorizer
from apiserver.authz.rbac import Policy, Rbac

MODES: Final = ("Node", "RBAC", "AlwaysAllow", "AlwaysDeny")


def authorizer(
    modes: Sequence[str],
    policy: Policy,
    nodes: Callable[[], NodeAuthorizer],
    ready: Callable[[], bool],
) -> Authorizer:
    """The authorizer of these modes, asked in this order; ValueError for a mode that there is not.

    nodes: makes the Node authorizer when it is among them
    ready: whether the default roles are there
    """
    for mode in modes:
        if mode not in MODES:
            known = ", ".join(MODES)
            raise ValueError(f"authorization mode {mode!r} is not supported (supported: {known})")
    if not modes:
        raise ValueError("at least one authorization mode must be given")
    if len(set(modes)) != len(modes):
        raise ValueError(f"authorization modes {', '.join(modes)}: one is given more than once")
    if "AlwaysAllow" in modes:  # nobody before it can refuse
        return AlwaysAllow()
    makers: dict[str, Callable[[], Authorizer]] = {
        "Node": nodes,
        "RBAC": lambda: Rbac(policy),
        "AlwaysDeny": AlwaysDeny,
    }
    return Union([makers[mode]() for mode in modes], ready)
