"""Ask the API server for nodes, as `up` and `status` need them: are they there, are they Ready."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import httpx

from deploy.discovery import reason
from deploy.preflight import Problem
from wherry.api.core_v1 import Node
from wherry.api.scheme import resource_of
from wherry.client.decode import decode_list
from wherry.client.kubeconfig import load, tls_context

POLL_SECONDS = 0.1
REQUEST_SECONDS_MAX = 5.0
MERGE: Final = {"Content-Type": "application/merge-patch+json"}


def is_ready(node: Node) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)


def connect(kubeconfig: Path) -> httpx.Client:
    """A client of the API server; the caller closes it."""
    config = load(kubeconfig)
    context = tls_context(config)
    return httpx.Client(
        base_url=config.server,
        verify=context if context is not None else False,
        timeout=REQUEST_SECONDS_MAX,
        trust_env=False,  # a proxy of the environment does not lead to this machine
    )


def _list(client: httpx.Client) -> list[Node]:
    response = client.get(resource_of(Node).path()).raise_for_status()
    return decode_list(Node, response.content).items


def wait_nodes_ready(
    kubeconfig: Path, names: Sequence[str], say: Callable[[str], None], timeout_seconds: float
) -> None:
    """Return once all the named nodes are Ready; Problem at the deadline."""
    began, known = time.monotonic(), set[str]()
    with connect(kubeconfig) as client:
        while not known.issuperset(names):
            waited = time.monotonic() - began
            if waited > timeout_seconds:
                late = ", ".join(sorted(set(names) - known))
                raise Problem(
                    f"not Ready after {timeout_seconds:.0f} s: {late}", "wherry get nodes"
                )
            try:
                ready = {node.metadata.name for node in _list(client) if is_ready(node)}
            except httpx.HTTPError:
                ready = set()  # still coming up; the deadline above bounds it
            for name in sorted((ready & set(names)) - known):
                say(f"  {'node/' + name:<24} Ready after {waited:4.1f} s more")
            known |= ready
            time.sleep(POLL_SECONDS)


def list_nodes(kubeconfig: Path) -> list[Node]:
    """All nodes; Problem when the API server does not say."""
    with connect(kubeconfig) as client:
        try:
            return _list(client)
        except httpx.HTTPError as error:
            raise _silent(error) from error


def _silent(error: httpx.HTTPError) -> Problem:
    return Problem(
        f"the API server does not say how nodes are: {reason(error)}",
        "read the API server's log",
    )


def own_node(kubeconfig: Path, name: str) -> Node:
    """One node, which may be all that a kubeconfig lets one see; Problem when it is not told."""
    with connect(kubeconfig) as client:
        try:
            found = client.get(f"{resource_of(Node).path()}/{name}").raise_for_status()
        except httpx.HTTPError as error:
            raise _silent(error) from error
    return Node.from_wire(found.json())
