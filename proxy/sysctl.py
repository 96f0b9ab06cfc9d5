"""Kernel settings a node needs: forwarding, and filtering of what crosses a bridge.

With `bridge-nf-call-iptables=0` a service whose endpoint sits on its client's own node times out: the
answer is bridged past the translation. `route_localnet` lets node ports answer on 127.0.0.1 (the
ruleset drops what strangers send there).
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
BRIDGE_MODULE: Final = "br_netfilter"


async def ensure_settings(root: Path = Path("/proc/sys")) -> list[str]:
    """Write what differs; the problems met, for the log."""
    if not (root / "net/bridge").exists():
        try:
            await run(("modprobe", BRIDGE_MODULE))
        except CommandError as error:
            log.debug("%s", error)
    problems = []
    for name, value in SETTINGS.items():
        path = root / name
        try:
            if path.read_text().strip() != value:
                path.write_text(value)
                log.info("set %s = %s", name.replace("/", "."), value)
        except OSError as error:
            problems.append(f"{name.replace('/', '.')} cannot be set to {value}: {error}")
    return problems
