"""A small evaluator of nftables text: what becomes of a packet under a table, without a kernel.

It executes what `render` writes, as strictly as the kernel does, and walks a new connection's first
packet through the hooks. Where a rule draws by lot, all lots are tried: the answer is the set of what
may happen. It knows exactly the expressions the proxy uses and fails on any other.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache

ADDRESS = r"(?:ip6?)"
PRIORITIES = {"dstnat": -100, "srcnat": 100, "filter": 0}


@dataclass(frozen=True)
class Packet:
    """`local`: this machine sends it. `arrives`: by which kind of interface otherwise."""

    source: str
    destination: str
    port: int
    protocol: str = "tcp"
    local: bool = False
    mark: int = 0
    masqueraded: bool = False
    translated: bool = False


@dataclass(frozen=True)
class Fate:
    """`verdict`: pass, reject or drop; of what passes: where it arrives, and whether its source is
    this node's address."""

    verdict: str
    destination: str = ""
    port: int = 0
    masqueraded: bool = False


class Ended(Exception):
    """A verdict that ends the evaluation of a base chain, or of the packet."""


@dataclass
class Table:
    """The kernel's side of one table. addresses: this machine's own."""

    addresses: frozenset[str] = frozenset()
    sets: dict[str, dict[str, str]] = field(default_factory=dict)
    chains: dict[str, list[str]] = field(default_factory=dict)
    hooks: dict[str, tuple[str, int]] = field(default_factory=dict)

    # -- the language of changes

    def execute(self, text: str) -> None:
        lines = iter(text.splitlines())
        for line in lines:
            words = line.split()
            if words[0] == "table":
                self._block(lines)
            elif words[1] == "table":
                if words[0] == "delete":
                    self.sets, self.chains, self.hooks = {}, {}, {}
            else:
                self._statement(words[0], words[1], words[4], line.split(" ", 5)[5:])

    def _block(self, lines) -> None:
        chain = ""
        for line in lines:
            stripped = line.strip()
            if line == "}":
                return
            if stripped == "}":
                chain = ""
            elif chain and (hook := re.match(r"type \w+ hook (\w+) priority (\S+);", stripped)):
                priority = PRIORITIES.get(hook[2])
                self.hooks[chain] = (hook[1], int(hook[2]) if priority is None else priority)
            elif chain:
                self.chains[chain].append(stripped)
            elif stripped.startswith("chain"):
                chain = stripped.split()[1]
                self.chains[chain] = []
            else:
                self.sets[stripped.split()[1]] = {}

    def _statement(self, verb: str, kind: str, name: str, rest: list[str]) -> None:
        if (verb, kind) == ("add", "set"):
            self.sets.setdefault(name, {})
        elif (verb, kind) == ("add", "chain"):
            self.chains.setdefault(name, [])
        elif (verb, kind) == ("flush", "chain"):
            self.chains[name].clear()
        elif (verb, kind) == ("add", "rule"):
            for used in re.findall(r"@([\w-]+)", rest[0]):
                assert used in self.sets, f"a rule uses the set {used}, which is not there"
            for target in re.findall(r"(?:goto|jump) ([^\s,}]+)", rest[0]):
                assert target in self.chains, f"a rule leads to {target}, which is not there"
            self.chains[name].append(rest[0])
        elif kind == "element":
            self._elements(verb, name, rest[0])
        else:
            assert verb == "delete", f"{verb} {kind}"
            self._delete(kind, name)

    def _elements(self, verb: str, name: str, text: str) -> None:
        group = self.sets[name]
        for item in text.strip("{ }").split(", "):
            key, _, value = item.partition(" : ")
            if verb == "add":
                assert key not in group, f"{key} is in {name} already"
                target = value.removeprefix("goto ").removeprefix("jump ")
                assert value in ("", "drop") or target in self.chains, f"no chain {target}"
                group[key] = value
            else:
                assert group.pop(key) == value

    def _delete(self, kind: str, name: str) -> None:
        rules = [rule for chain in self.chains.values() for rule in chain]
        if kind == "chain":
            assert not self.chains.pop(name), f"{name} has rules"
            values = [value for group in self.sets.values() for value in group.values()]
            assert not any(name in text.split() for text in (*rules, *values)), f"{name} is used"
        else:
            del self.sets[name]
            assert not any(f"@{name} " in f"{rule} " for rule in rules), f"{name} is used"

    # -- the packet's way

    def fates(self, packet: Packet) -> frozenset[Fate]:
        """All that may become of it."""
        found: set[Fate] = set()
        waiting: list[tuple[int, ...]] = [()]
        while waiting:
            lots = waiting.pop()
            run = _Run(self, packet, lots)
            found.add(run.fate())
            # every draw beyond those given took 0: try its other outcomes, too
            drawn = run.drawn
            for place in range(len(lots), len(drawn)):
                before = tuple(0 for _ in range(len(lots), place))
                waiting += [(*lots, *before, n) for n in range(1, drawn[place])]
        return frozenset(found)


class _Run:
    """One packet, one sequence of lots."""

    def __init__(self, table: Table, packet: Packet, lots: tuple[int, ...]) -> None:
        self.table = table
        self.packet = packet
        self.lots = lots
        self.drawn: list[int] = []
        self.verdict = ""

    def fate(self) -> Fate:
        self.packet = self.packet
        self._hook("output" if self.packet.local else "prerouting", range(-400, -99))
        if self.packet.local:
            self._hook("output", range(-99, 400))
        mine = self.packet.destination in self.table.addresses
        if mine:
            self._hook("input", range(-400, 400))
        elif not self.packet.local:
            self._hook("forward", range(-400, 400))
        if not mine:
            self._hook("postrouting", range(-400, 400))
        if self.verdict:
            return Fate(self.verdict)
        packet = self.packet
        return Fate("pass", packet.destination, packet.port, packet.masqueraded)

    def _hook(self, hook: str, priorities: range) -> None:
        chains = sorted(
            (priority, name)
            for name, (where, priority) in self.table.hooks.items()
            if where == hook and priority in priorities
        )
        for _, name in chains:
            if self.verdict:
                return
            try:
                self._chain(name)
            except Ended:
                continue

    def _chain(self, name: str) -> None:
        """Returns when its end or a `return` is reached."""
        for rule in self.table.chains[name]:
            rest = rule
            while rest:
                for pattern, meet in EXPRESSIONS:  # noqa: B007 # used behind the loop
                    match = pattern.match(rest)
                    if match:
                        break
                else:
                    raise AssertionError(f"unknown expression: {rest!r} in {rule!r}")
                rest = rest[match.end() :].strip()
                outcome = meet(self, match)
                if outcome is False:
                    break
                if outcome == "return":
                    return

    # -- statements

    def follow(self, verdict: str) -> bool | str:
        """jump, goto, drop ...: True when the next rule's turn comes."""
        word, _, target = verdict.partition(" ")
        if word == "jump":
            self._chain(target)
            return False
        if word == "goto":
            self._chain(target)
            return "return"
        if word == "return":
            return "return"
        if word in ("drop", "reject"):
            self.verdict = word
        raise Ended

    def draw(self, count: int) -> int:
        place = len(self.drawn)
        self.drawn.append(count)
        return self.lots[place] if place < len(self.lots) else 0

    def translate(self, address: str, port: str) -> bool:
        self.packet = replace(
            self.packet, destination=address.strip("[]"), port=int(port), translated=True
        )
        raise Ended

    def masquerade(self) -> bool:
        self.packet = replace(self.packet, masqueraded=True)
        raise Ended

    def set_mark(self, mark: int) -> bool:
        self.packet = replace(self.packet, mark=mark)
        return True

    def side(self, word: str) -> str:
        return self.packet.source if word == "saddr" else self.packet.destination

    def holds(self, where: str, value: str) -> bool:
        """Whether `@set`, `{ a, b }` or a single value covers this."""
        if where.startswith("@"):
            return any(_covers(one, value) for one in self.table.sets[where[1:]])
        return any(_covers(one, value) for one in where.strip("{ }").split(", "))

    def look_up(self, name: str, key: str) -> bool | str:
        verdict = self.table.sets[name].get(key)
        return False if verdict is None else self.follow(verdict)

    def key(self, *parts: object) -> str:
        return " . ".join(map(str, parts))


@cache
def _network(text: str):
    return ipaddress.ip_network(text)


def _covers(pattern: str, value: str) -> bool:
    if pattern == value:
        return True
    if "/" in pattern:
        return ipaddress.ip_address(value) in _network(pattern)
    if re.fullmatch(r"\d+-\d+", pattern):
        first, last = map(int, pattern.split("-"))
        return value.isdigit() and first <= int(value) <= last
    return False


def _addresses(run: _Run, match: re.Match[str]) -> bool:
    return run.holds(match["where"], run.side(match["side"])) != bool(match["but"])


def _three(run: _Run, match: re.Match[str]) -> bool | str:
    packet = run.packet
    parts = [packet.protocol, packet.port]
    if match["address"]:
        parts.insert(0, packet.destination)
    key = run.key(*parts)
    if match["verdict"]:
        return run.look_up(match["set"], key)
    return key in run.table.sets[match["set"]]


def _lot(run: _Run, match: re.Match[str]) -> bool | str:
    choices = dict(item.split(" : ", 1) for item in match["choices"].strip("{ }").split(", "))
    chosen = choices[str(run.draw(int(match["count"])))]
    if match["dnat"]:
        return run.translate(*chosen.split(" . "))
    return run.follow(chosen)


def _pair(run: _Run, match: re.Match[str]) -> bool:
    return run.key(run.packet.source, run.packet.destination) in run.table.sets[match["set"]]


def _loopback(run: _Run, match: re.Match[str]) -> bool:
    return not run.packet.local


WHERE = r"(?P<where>@\S+|\{[^}]*\}|[^\s{@]+)"
EXPRESSIONS: list[tuple[re.Pattern[str], Callable[[_Run, re.Match[str]], bool | str]]] = [
    (re.compile(text + r"(?=\s|$)"), meet)
    for text, meet in (
        (r"ct state (\{[^}]*\}|[\w,]+)", lambda run, m: "new" in m[1]),
        (rf"{ADDRESS} saddr \. {ADDRESS} daddr @(?P<set>\S+)", _pair),
        (rf"(?P<address>{ADDRESS} daddr \. )?meta l4proto \. th dport (?P<verdict>vmap )?@(?P<set>\S+)", _three),
        (rf"{ADDRESS} (?P<side>[sd]addr) vmap @(?P<set>\S+)", lambda run, m: run.look_up(m["set"], run.side(m["side"]))),
        (rf"{ADDRESS} (?P<side>[sd]addr) (?P<but>!= )?{WHERE}", _addresses),
        (r"fib (?P<side>[sd]addr) type local", lambda run, m: run.side(m["side"]) in run.table.addresses),
        (r"meta l4proto (\w+)", lambda run, m: run.packet.protocol == m[1]),
        (rf"th dport {WHERE}", lambda run, m: run.holds(m["where"], str(run.packet.port))),
        (r"meta mark and (\w+) != 0", lambda run, m: bool(run.packet.mark & int(m[1], 16))),
        (r"meta mark set meta mark or (\w+)", lambda run, m: run.set_mark(run.packet.mark | int(m[1], 16))),
        (r"meta mark set meta mark and (\w+)", lambda run, m: run.set_mark(run.packet.mark & int(m[1], 16))),
        (r"masquerade fully-random", lambda run, m: run.masquerade()),
        (r"dnat to (\[[^\]]*\]|[^:\s]+):(\d+)", lambda run, m: run.translate(m[1], m[2])),
        (rf"(?P<dnat>dnat {ADDRESS} to )?numgen random mod (?P<count>\d+) v?map (?P<choices>\{{[^}}]*\}})", _lot),
        (r"update @\S+ \{[^}]*\}", lambda run, m: True),
        (r"icmpv6 type \{[^}]*\}", lambda run, m: run.packet.protocol == "icmpv6"),
        (r'iifname != "lo"', _loopback),
        (r"reject with tcp reset", lambda run, m: run.follow("reject")),
        (r"(?:jump|goto) \S+|reject|drop|accept|return", lambda run, m: run.follow(m[0])),
    )
]  # fmt: skip
