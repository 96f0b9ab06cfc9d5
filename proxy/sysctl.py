"""Kernel settings a node needs: forwarding, and filtering of what crosses a bridge.

With `bridge-nf-call-iptables=0` a service whose endpoint sits on its client's own node times out: the
answer is bridged past the translation. `route_localnet` lets node ports answer on 127.0.0.1 (the
ruleset drops what strangers send there).

A machine that forwards IPv6 no longer hears routers, unless told to (`accept_ra=2`): an interface
that does now would lose its address and default route, so it is told first.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from proxy.commands import CommandError, run

log = logging.getLogger(__name__)

SETTINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "net/ipv4/ip_forward": "1",
        "net/ipv4/conf/all/route_localnet": "1",
        "net/bridge/bridge-nf-call-iptables": "1",
    }
)
IPV6_SETTINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "net/ipv6/conf/all/forwarding": "1",
        "net/bridge/bridge-nf-call-ip6tables": "1",
    }
)
BRIDGE_MODULE: Final = "br_netfilter"


async def ensure_settings(root: Path = Path("/proc/sys"), *, ipv6: bool = False) -> list[str]:
    """Write what differs, IPv6's too if asked; the problems met, for the log."""
    if not (root / "net/bridge").exists():
        try:
            await run(("modprobe", BRIDGE_MODULE))
        except CommandError as error:
            log.debug("%s", error)
    wanted = {**SETTINGS, **(IPV6_SETTINGS if ipv6 else {})}
    problems = []
    try:
        if ipv6 and _differs(root / "net/ipv6/conf/all/forwarding", "1"):
            wanted = {**_hear_routers(root), **wanted}
    except OSError as error:
        log.debug("who hears routers cannot be told: %s", error)  # the same is a problem below
    for name, value in wanted.items():
        path = root / name
        try:
            if _differs(path, value):
                path.write_text(value)
                log.info("set %s = %s", name.replace("/", "."), value)
        except OSError as error:
            problems.append(f"{name.replace('/', '.')} cannot be set to {value}: {error}")
    return problems


def _differs(path: Path, value: str) -> bool:
    try:
        return path.read_text().strip() != value
    except FileNotFoundError:
        if path.parent.exists():
            raise
        raise OSError(f"this kernel has no {path.parent}") from None


def _hear_routers(root: Path) -> dict[str, str]:
    """The settings that keep interfaces which hear routers now hearing them."""
    return {
        str(path.relative_to(root)): "2"
        for path in sorted(root.glob("net/ipv6/conf/*/accept_ra"))
        if path.read_text().strip() == "1"
    }
