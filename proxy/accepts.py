"""Letting pods' traffic through other programs' firewalls: Docker's, ufw's, an administrator's.

Docker drops what is forwarded and not its own, ufw drops by policy, and an accept in a table of
nftables does not outdo a drop in another. So our accepts stand where theirs do, in iptables, in chains
of our own that FORWARD and INPUT jump to first. Nobody else's chain or setting is changed. They are
looked after: who flushes FORWARD flushes our jump with it.

firewalld, which refuses in a table of its own, is asked (`proxy/firewalld.py`).
The place is the one that flannel and kube-proxy take with theirs.
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from typing import Final

from proxy.commands import run
from wherry.daemon.links import Network

log = logging.getLogger(__name__)

FORWARD: Final = "WHERRY-FORWARD"
INPUT: Final = "WHERRY-INPUT"
COMMENT: Final = "wherry: pods"
_JUMPS: Final = ((FORWARD, "FORWARD"), (INPUT, "INPUT"))
_PROGRAMS: Final = {4: "iptables", 6: "ip6tables"}
_WAIT: Final = ("-w", "5")
OLD_CHAIN: Final = "DOCKER-USER"  # where earlier versions had their accepts


@dataclass(frozen=True, slots=True)
class Accepts:
    """What one IP family is to let through: pods' ranges, and VXLAN on a UDP port (0: not)."""

    ranges: tuple[Network, ...] = ()
    vxlan_port: int = 0


def wanted_rules(accepts: Accepts) -> list[str]:
    """Our chains' rules as `iptables-save` prints them. Nothing to accept: no chains."""
    if not accepts.ranges and not accepts.vxlan_port:
        return []
    tail = f'-m comment --comment "{COMMENT}" -j ACCEPT'
    ranges = sorted(map(str, accepts.ranges))
    rules = [f"-A {FORWARD} {way} {one} {tail}" for one in ranges for way in ("-s", "-d")]
    # Pods speak to what runs on their node: DNS, the API server, node ports.
    rules += [f"-A {INPUT} -s {one} {tail}" for one in ranges]
    if accepts.vxlan_port:
        rules.append(f"-A {INPUT} -p udp -m udp --dport {accepts.vxlan_port} {tail}")
    return rules


def jump(chain: str, from_chain: str) -> str:
    return f'-A {from_chain} -m comment --comment "{COMMENT}" -j {chain}'


def repair(saved: str, accepts: Accepts) -> list[str]:
    """`iptables-restore --noflush` lines that bring the filter table to what is wanted; [] when it is.

    saved: what `iptables-save -t filter` prints
    """
    lines = saved.splitlines()
    rules = wanted_rules(accepts)
    present = [line for line in lines if line.startswith((f"-A {FORWARD} ", f"-A {INPUT} "))]
    jumps = [line for line in lines if any(line == jump(*one) for one in _JUMPS)]
    old = [line for line in lines if line.startswith(f"-A {OLD_CHAIN} ") and f'"{COMMENT}"' in line]
    chains = [one for one, _ in _JUMPS if any(line.startswith(f":{one} ") for line in lines)]
    wanted_jumps = [jump(*one) for one in _JUMPS] if rules else []
    is_right = sorted(present) == sorted(rules) and sorted(jumps) == sorted(wanted_jumps)
    if is_right and not old and (rules or not chains):
        return []
    text = ["*filter", *("-D" + line.removeprefix("-A") for line in [*old, *jumps])]
    if rules:
        # Naming a chain makes it, and empties the one that is there.
        text += [f":{one} - [0:0]" for one, _ in _JUMPS]
        text += rules
        text += [f"-I{line.removeprefix('-A')}" for line in wanted_jumps]
    else:
        text += [f"-F {one}" for one in chains] + [f"-X {one}" for one in chains]
    return [*text, "COMMIT"]


async def ensure_accepts(accepts: Accepts, version: int) -> bool:
    """Bring one IP family's iptables to what is wanted; True when something had to be written.

    Without iptables there are no rules of others in it: False. CommandError when it refuses.
    """
    program = _PROGRAMS[version]
    if shutil.which(f"{program}-save") is None:
        return False
    lines = repair(await run((f"{program}-save", "-t", "filter")), accepts)
    if not lines:
        return False
    await run((f"{program}-restore", "--noflush", *_WAIT), "\n".join(lines) + "\n")
    log.info("%s: accepts for pods written", program)
    return True


async def remove_accepts() -> None:
    """Take our chains and jumps out of both families."""
    for version in _PROGRAMS:
        await ensure_accepts(Accepts(), version)
