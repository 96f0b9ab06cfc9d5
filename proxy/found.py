"""What `nft` lists of our table, read back. Pure.

A starting proxy takes over what its predecessor left: connections keep their endpoints, clients with
session affinity theirs, and only what differs is written.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable
from typing import Final

from proxy.ruleset import Part

_HEAD: Final = re.compile(r"^\t(chain|set|map) (\S+) \{", re.MULTILINE)


def outline(listing: str) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """What `nft list table` shows: chains with rules, chains without, names of sets and maps."""
    full, empty, sets = set(), set(), set()
    for kind, name, body in _blocks(listing):
        if kind != "chain":
            sets.add(name)
        elif body.replace("}", "").strip():
            full.add(name)
        else:
            empty.add(name)
    return frozenset(full), frozenset(empty), frozenset(sets)


def elements(listing: str, names: Collection[str]) -> dict[str, dict[str, str]]:
    """What these sets and maps hold: name → key → value ("" in sets)."""
    found: dict[str, dict[str, str]] = {}
    for kind, name, body in _blocks(listing):
        if kind != "chain" and name in names:
            _, begins, text = body.partition("elements = {")
            found[name] = dict(_pairs(text.partition("}")[0])) if begins else {}
    return found


def _blocks(listing: str) -> Iterable[tuple[str, str, str]]:
    """Kind, name and body of each thing in the table."""
    heads = [*_HEAD.finditer(listing)]
    for head, after in zip(heads, [*heads[1:], None], strict=True):
        yield head[1], head[2], listing[head.end() : after.start() if after else len(listing)]


def _pairs(text: str) -> Iterable[tuple[str, str]]:
    for item in text.split(","):
        key, _, value = item.strip().partition(" : ")
        yield " . ".join(_canonical(word) for word in key.split(" . ")), value.strip()


def _canonical(word: str) -> str:
    """Addresses as Python writes them: nft has another way with some IPv6 ones."""
    if ":" not in word:
        return word
    address, slash, length = word.partition("/")
    return str(ipaddress.ip_address(address)) + slash + length


def part_of(
    chains: Iterable[str], sets: Iterable[str], elements_found: dict[str, dict[str, str]]
) -> Part:
    """The found things as a part: names stand for the content."""
    return Part(dict.fromkeys(sets, ""), dict.fromkeys(chains, ()), elements_found)
