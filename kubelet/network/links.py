"""The machine's ends of pods' veth pairs, which go with the namespace, unless something still holds it or
a kubelet died before it knew of them.

`ip` is called: a netlink library costs 15 MiB of memory for what is done so rarely.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess

import orjson

from kubelet.network import conf
from kubelet.network.results import Kept

log = logging.getLogger(__name__)

LINK_SECONDS_MAX = 10.0


def of(kept: Kept) -> list[str]:
    """The machine's ends of what a sandbox was given. Pure."""
    bridges = {plugin.get("bridge") for plugin in kept.network.plugins}
    names = [
        str(link.get("name", ""))
        for link in (kept.result or {}).get("interfaces") or ()
        if not link.get("sandbox")
    ]
    return [name for name in names if name.startswith("veth") and name not in bridges]


def all_of(kept: Kept) -> set[str]:
    """Every interface that its result names. Pure."""
    return {str(link.get("name")) for link in (kept.result or {}).get("interfaces") or ()}


async def ports() -> set[str]:
    """What hangs on our own bridge."""
    if not exists(conf.DEFAULT_BRIDGE):
        return set()
    shown = await _ip("-j", "link", "show", "master", conf.DEFAULT_BRIDGE, "type", "veth")
    return {str(link["ifname"]) for link in orjson.loads(shown or b"[]")}


async def remove(name: str) -> None:
    if exists(name):
        await _ip("link", "delete", name)


def exists(link: str) -> bool:
    """Asked of the kernel: /sys may show another namespace's."""
    try:
        socket.if_nametoindex(link)
    except OSError:
        return False
    return True


async def _ip(*words: str) -> bytes:
    """What `ip` prints; empty when it fails, which is logged."""
    try:
        done = await asyncio.to_thread(
            subprocess.run, ["ip", *words], capture_output=True, timeout=LINK_SECONDS_MAX,
            check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        log.warning("ip %s: %s", " ".join(words), error)
        return b""
    if done.returncode:
        log.info("ip %s: %s", " ".join(words), done.stderr.decode(errors="replace").strip())
        return b""
    return done.stdout
