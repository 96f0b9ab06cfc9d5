"""`python -m proxy.netlink`: carries out changes of routes, neighbours and interfaces, and ends.

A process of its own, as pyroute2 takes 13 MiB that a proxy would hold for ever, for changes that come
with a node and go with one. Standard input: a JSON list of steps `[object, verb, arguments]`, as
pyroute2's IPRoute has them, but for interfaces, which are named (`device`, `by`). Standard output: a
JSON list of what was refused, step by step (null: nothing).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

Step: TypeAlias = tuple[str, str, dict[str, Any]]
NO_DEVICE: Final = "there is no interface"
OBJECTS: Final = frozenset({"route", "link", "addr", "neigh", "fdb"})
# Which argument of which object an interface's name becomes.
_INDEX: Final = {"link": "index", "addr": "index", "neigh": "ifindex", "fdb": "ifindex"}


def carry_out(steps: Sequence[Step]) -> list[str | None]:
    """Every step, one after the other; a refusal does not stop the rest."""
    from pyroute2.iproute.linux import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    answers: list[str | None] = []
    with IPRoute() as kernel:
        for target, verb, arguments in steps:
            try:
                _step(kernel, target, verb, dict(arguments))
            except (NetlinkError, OSError) as error:
                answers.append(str(error))
            else:
                answers.append(None)
    return answers


def _step(kernel: Any, target: str, verb: str, arguments: dict[str, Any]) -> None:
    if target not in OBJECTS:
        raise OSError(f"no such object: {target}")
    if device := arguments.pop("device", ""):
        arguments[_INDEX[target]] = _index(kernel, device)
    if device := arguments.pop("by", ""):
        arguments["oif"] = _index(kernel, device)
    getattr(kernel, target)(verb, **arguments)


def _index(kernel: Any, name: str) -> int:
    found = kernel.link_lookup(ifname=name)
    if not found:
        raise OSError(f"{NO_DEVICE} {name}")
    return int(found[0])


if __name__ == "__main__":
    json.dump(carry_out(json.load(sys.stdin)), sys.stdout)
