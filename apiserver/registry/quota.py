"""What the registry asks of whoever counts what namespaces use. The counting is in `apiserver/quota/`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from apiserver.admission.interface import Attributes
from wherry.api.scheme import Resource


class Quota(Protocol):
    """Counts what a namespace uses (`quota/ledger.py`)."""

    async def charge(self, attributes: Attributes) -> Callable[[], None]:
        """Before a write that may use more; a function for when it is not done. ApiError 403."""

    def stored(
        self,
        resource: Resource,
        namespace: str,
        tree: Mapping[str, Any] | None,
        old: Mapping[str, Any] | None,
    ) -> None:
        """After a write; `tree` is None when the object is gone."""


class Unlimited:
    """Where nothing is counted."""

    async def charge(self, attributes: Attributes) -> Callable[[], None]:
        return _no_refund

    def stored(
        self,
        resource: Resource,
        namespace: str,
        tree: Mapping[str, Any] | None,
        old: Mapping[str, Any] | None,
    ) -> None:
        """Nobody wants to know."""


def _no_refund() -> None:
    """There is nothing to give back."""
