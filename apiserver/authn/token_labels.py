"""Writes on Secrets when the tokens they hold were last used; see `token_uses`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from apiserver.authn.token_uses import LAST_USED
from apiserver.registry.store import Registry
from apiserver.request import RequestContext, RequestInfo, User
from wherry.api.errors import ApiError
from wherry.api.scheme import BY_PLURAL
from wherry.daemon.clock import Clock

_SECRETS = BY_PLURAL["", "v1", "secrets"]
_USER = User("system:apiserver", groups=("system:masters", "system:authenticated"))


def label_writer(registry: Registry, clock: Clock) -> Callable[[str, str, str], Awaitable[None]]:
    """Sets the label; a Secret that is gone needs none. ApiError when the store is away."""

    async def write(namespace: str, name: str, day: str) -> None:
        def mark(tree: dict[str, Any]) -> None:
            tree["metadata"].setdefault("labels", {})[LAST_USED] = day

        ctx = RequestContext(
            info=RequestInfo("update", "", _SECRETS, namespace, name),
            user=_USER,
            query={},
            accept="",
            content_type="",
            user_agent="kube-apiserver",
            now=clock.now(),
        )
        try:
            await registry.update(_SECRETS, namespace, name, mark, ctx)
        except ApiError as error:
            if error.reason != "NotFound":
                raise

    return write
