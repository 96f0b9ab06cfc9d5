"""Claiming children for a controller: the I/O around `ownership.claim`.

Before anything is adopted the owner is read from the server itself: a cache may still show one that
is deleted, and a child adopted by it would be lost to its successor.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from controller_manager.executor import Executor
from controller_manager.ownership import adoption, claim, metadata_of, releasing
from controller_manager.plan import Patch
from wherry.api.errors import ApiError
from wherry.api.meta_v1 import LabelSelector
from wherry.api.model import TypedModel
from wherry.client.rest import Client

M = TypeVar("M", bound=TypedModel)


async def claimed(
    client: Client,
    executor: Executor,
    owner: TypedModel,
    selector: LabelSelector | None,
    candidates: Iterable[M],
    finalizers: Sequence[str] = (),
) -> list[M]:
    """The children that are the owner's, after adopting and releasing as needed.

    `finalizers` come with an adoption and go with a release.
    """
    claims = claim(owner, selector, candidates)
    patches: list[Patch] = [releasing(owner, child, finalizers) for child in claims.release]
    adopted: tuple[M, ...] = ()
    if claims.adopt and await _still_there(client, owner):
        adopted = claims.adopt
        patches += [adoption(owner, child, finalizers) for child in adopted]
    await executor.execute(patches)
    return [*claims.owned, *adopted]


async def _still_there(client: Client, owner: TypedModel) -> bool:
    metadata = metadata_of(owner)
    try:
        fresh = metadata_of(await client.get(type(owner), metadata.name, metadata.namespace))
    except ApiError as error:
        if error.code == 404:
            return False
        raise
    return fresh.uid == metadata.uid and fresh.deletion_timestamp is None
