"""Letting pods' traffic through Docker's firewall.

Docker drops what is forwarded and not its own. It never flushes the chain DOCKER-USER, which is for
people like us: accept what comes from the pods' ranges and what goes there. Docker makes the chain
when it starts, so the rules are checked again and again. They carry a comment to be found by.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final

from proxy.commands import CommandError, run

log = logging.getLogger(__name__)

CHAIN: Final = "DOCKER-USER"
COMMENT: Final = "wherry: pods"
_IPTABLES: Final = ("iptables", "-w", "5")


def rules(pod_ranges: Iterable[str]) -> list[tuple[str, ...]]:
    """The rules' matches and targets, as iptables takes them after the chain's name."""
    tail = ("-m", "comment", "--comment", COMMENT, "-j", "ACCEPT")
    return [(way, one, *tail) for one in sorted(pod_ranges) for way in ("-s", "-d")]


def our_rules(listing: str) -> list[str]:
    """Our rules in what `iptables -S DOCKER-USER` prints, each ready to follow a `-D`."""
    head = f"-A {CHAIN} "
    return [
        line.removeprefix(head)
        for line in listing.splitlines()
        if line.startswith(head) and f'"{COMMENT}"' in line
    ]


async def ensure_accepts(pod_ranges: Iterable[str]) -> bool:
    """Put in the rules that are missing; False while there is no such chain (no Docker yet)."""
    try:
        listing = await run((*_IPTABLES, "-S", CHAIN))
    except CommandError as error:
        log.debug("no %s: %s", CHAIN, error)
        return False
    present = our_rules(listing)
    for rule in rules(pod_ranges):
        if not any(one.startswith(f"{rule[0]} {rule[1]} ") for one in present):
            await run((*_IPTABLES, "-I", CHAIN, *rule))
            log.info("%s accepts %s %s", CHAIN, rule[0], rule[1])
    return True


async def remove_accepts() -> None:
    """Take our rules out again."""
    try:
        listing = await run((*_IPTABLES, "-S", CHAIN))
    except CommandError as error:
        log.debug("no %s: %s", CHAIN, error)
        return
    for rule in our_rules(listing):
        await run((*_IPTABLES, "-D", CHAIN, *_words(rule)))


def _words(rule: str) -> list[str]:
    """A rule as printed, split; the comment is its only quoted part."""
    before, _, rest = rule.partition(f'"{COMMENT}"')
    return [*before.split(), COMMENT, *rest.split()]
