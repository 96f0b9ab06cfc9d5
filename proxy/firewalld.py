"""Letting pods' traffic through firewalld, which refuses in a table that only it may write.

So it is asked, the way Docker and libvirt ask it: pods' ranges become sources of its zone `trusted`,
and the VXLAN port is opened in the default zone. Only what runs is changed, never its configuration: a
reload forgets it and we ask again. A range that the administrator bound to a zone stays there.

What is open is read from its table, since `firewall-cmd` takes a third of a second each time.
"""

from __future__ import annotations

import logging
import shutil
from typing import Final

from proxy.accepts import Accepts
from proxy.commands import CommandError, run

log = logging.getLogger(__name__)

PROGRAM: Final = "firewall-cmd"
ZONE: Final = "trusted"
_TABLE: Final = ("nft", "list", "table", "inet", "firewalld")
_WORDS: Final = {4: "ip", 6: "ip6"}


def requests(listing: str, accepts: Accepts, version: int) -> list[str]:
    """What firewalld is to be asked for.

    listing: its table, as nft prints it; "" when it does not run
    """
    if not listing:
        return []
    word = _WORDS[version]
    asked = [
        f"--zone={ZONE} --add-source={one}"
        for one in accepts.ranges
        if f"{word} saddr {one} goto filter_FWD_" not in listing
    ]
    if accepts.vxlan_port and f"udp dport {accepts.vxlan_port} " not in listing:
        asked.append(f"--add-port={accepts.vxlan_port}/udp")
    return asked


async def ensure_accepted(accepts: Accepts, version: int) -> None:
    """Ask for what is missing; nothing without firewalld. CommandError when it refuses."""
    if shutil.which(PROGRAM) is None:
        return
    try:
        listing = await run(_TABLE)
    except CommandError as error:
        log.debug("no firewalld: %s", error)
        return
    for words in requests(listing, accepts, version):
        await run((PROGRAM, *words.split()))
        log.info("firewalld: %s", words)
