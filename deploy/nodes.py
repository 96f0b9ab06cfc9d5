"""Ask the API server for nodes, as `up` and `status` need them: are they there, are they Ready."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from deploy.preflight import Problem
from wherry.api.core_v1 import Node
from wherry.api.errors import ApiError
from wherry.client.kubeconfig import load
from wherry.client.rest import ApiUnavailable, Client

POLL_SECONDS = 0.1


def is_ready(node: Node) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)


async def _ready_names(client: Client) -> set[str]:
    nodes = await client.list(Node)
    return {node.metadata.name for node in nodes.items if is_ready(node)}


async def _wait(
    kubeconfig: Path, names: Sequence[str], say: Callable[[str], None], timeout_seconds: float
) -> None:
    loop = asyncio.get_running_loop()
    began, known = loop.time(), set[str]()
    async with Client(load(kubeconfig), user_agent="wherry-up") as client:
        while not known.issuperset(names):
            if loop.time() - began > timeout_seconds:
                late = ", ".join(sorted(set(names) - known))
                raise Problem(
                    f"not Ready after {timeout_seconds:.0f} s: {late}", "wherry get nodes"
                )
            try:
                ready = await _ready_names(client)
            except (ApiError, ApiUnavailable):
                ready = set()  # still coming up; the deadline above bounds it
            for name in sorted((ready & set(names)) - known):
                say(f"  {'node/' + name:<24} Ready after {loop.time() - began:4.1f} s more")
            known |= ready
            await asyncio.sleep(POLL_SECONDS)


def wait_nodes_ready(
    kubeconfig: Path, names: Sequence[str], say: Callable[[str], None], timeout_seconds: float
) -> None:
    """Return once all the named nodes are Ready; Problem at the deadline."""
    asyncio.run(_wait(kubeconfig, names, say, timeout_seconds))


async def _list(kubeconfig: Path) -> list[Node]:
    async with Client(load(kubeconfig), user_agent="wherry-status") as client:
        return (await client.list(Node)).items


def list_nodes(kubeconfig: Path) -> list[Node]:
    """All nodes; ApiError or ApiUnavailable when the API server does not say."""
    return asyncio.run(_list(kubeconfig))
