"""What was said of a cluster when it was begun, so that nobody has to say it again.

`cluster.json` in the folder of configuration holds the node's name, the cluster's ranges and pod network,
and the words about ports and addresses. What a cluster is made of cannot be changed by other words
later; where its machine is reached can. `down` leaves the file, `down --purge` takes it away.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from deploy import ranges
from deploy.files import write_public
from deploy.places import Network
from deploy.preflight import Problem

FILE = "cluster.json"
PORT = 6443
END = "wherry down --purge"


@dataclass(frozen=True)
class Words:
    """A person's options of `up`; "" (0, False) where nothing was said."""

    node_name: str = ""
    node_ip: str = ""
    advertise: str = ""
    port: int = 0
    pods: str = ""
    services: str = ""
    dual_stack: bool = False
    pod_network: str = ""


@dataclass(frozen=True)
class Remembered:
    """A cluster's name of its first node, its network, and what was said of where it is reached."""

    node_name: str
    network: Network = field(default_factory=Network)
    node_ip: str = ""
    advertise: str = ""
    port: int = PORT

    def write(self, folder: Path) -> None:
        write_public(folder / FILE, json.dumps(asdict(self), indent=1).encode())

    @classmethod
    def read(cls, folder: Path) -> Remembered | None:
        """None when no cluster was begun there."""
        try:
            tree = json.loads((folder / FILE).read_text())
        except FileNotFoundError:
            return None
        return cls(**{**tree, "network": Network(**tree["network"])})


def begin(words: Words, default_name: str) -> Remembered:
    """A new cluster, of a person's words and the defaults. Problem when they cannot be."""
    network = ranges.choose(
        words.pods, words.services, dual_stack=words.dual_stack, mode=words.pod_network or "auto"
    )
    name = words.node_name or default_name
    return Remembered(name, network, words.node_ip, words.advertise, words.port or PORT)


def again(held: Remembered, words: Words) -> Remembered:
    """The cluster that was begun, reached as is said now. Problem when it is to be another one."""
    agree(held.network, words)
    if words.node_name not in ("", held.node_name):
        raise other("--node-name", words.node_name, held.node_name)
    return replace(
        held, node_ip=words.node_ip or held.node_ip, advertise=words.advertise or held.advertise,
        port=words.port or held.port,
    )  # fmt: skip


def agree(held: Network, words: Words, end: str = END) -> None:
    """Problem when words about the network are not what a cluster was begun with.

    end: the command that ends the cluster
    """
    if words.dual_stack and not held.is_dual:
        raise other("--dual-stack", "", f"pods in {held.pods} alone", end)
    for flag, text, old in (
        ("--pod-network-cidr", words.pods, held.pods),
        ("--service-cidr", words.services, held.services),
    ):
        new = ",".join(map(str, ranges.read(flag, text))) if text else old
        if new != old:
            raise other(flag, new, old, end)
    if words.pod_network not in ("", held.mode):
        raise other("--pod-network", words.pod_network, held.mode, end)


def other(flag: str, new: str, old: str, end: str = END) -> Problem:
    """It was begun with something else than is said now."""
    said = f"{flag} {new}" if new else flag
    return Problem(
        f"{said}: the cluster was begun with {old}", f"leave {flag} out, or begin anew after: {end}"
    )
