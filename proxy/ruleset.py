"""What the packet filter of one node holds, as values: who wants what in which table.

A `Part` is one owner's wish (a Service's, a pod's) in the words of nftables. The `Ledger` puts the
parts of all owners together and says, when some change, what to tell the kernel: as much as those
owners' parts differ, however many others there are. Pure.

Chains are named by their content: a changed chain is a new chain, and the map's element is pointed
at it. So a table that is there already can be compared by names, which is how a starting proxy takes
over what its predecessor left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

Elements = Mapping[str, Mapping[str, str]]  # set or map → key → what it maps to ("" in sets)


@dataclass(frozen=True, slots=True)
class Part:
    """sets:     name → declaration; equal names mean equal declarations
    chains:   name → rules; equal names mean equal rules
    rank:     of two owners that map one key differently the lower rank wins, then the lower name
    """

    sets: Mapping[str, str] = field(default_factory=dict)
    chains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    elements: Elements = field(default_factory=dict)
    rank: str = ""


NOTHING: Final = Part()
_NOBODY: Final = "\uffff"  # the rank of what was found in the kernel: it loses against everybody


class _Claim(NamedTuple):
    rank: str
    owner: str
    value: str


class Clash(NamedTuple):
    """`loser` wanted this key of a map, which `winner` has."""

    map: str
    key: str
    loser: str
    winner: str


@dataclass(frozen=True, slots=True)
class Change:
    """What to tell the kernel. Chains and sets that fell out of use are emptied now, deleted later.

    chains: name → rules, to be made; deleted, added: elements
    """

    sets: Mapping[str, str] = field(default_factory=dict)
    chains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    deleted: Elements = field(default_factory=dict)
    added: Elements = field(default_factory=dict)
    stale_chains: frozenset[str] = frozenset()
    stale_sets: frozenset[str] = frozenset()
    clashes: tuple[Clash, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.sets or self.chains or self.deleted or self.added or self.stale_chains)


@dataclass(frozen=True, slots=True)
class _Held:
    """What remains of an owner's part once it is written: no rules."""

    sets: frozenset[str]
    chains: frozenset[str]
    elements: Elements


class Ledger:
    """One table's contents by owner. `found`: what the kernel holds already, of nobody as yet."""

    def __init__(self, found: Part = NOTHING) -> None:
        self._held: dict[str, _Held] = {}
        self._chains: Counter[str] = Counter()
        self._sets: Counter[str] = Counter()
        self._claims: dict[str, dict[str, tuple[_Claim, ...]]] = {}
        if found != NOTHING:
            self.replace({_NOBODY: found})

    def value(self, name: str, key: str) -> str | None:
        """What the map of this name holds at this key."""
        claims = self._claims.get(name, {}).get(key)
        return claims[0].value if claims else None

    @property
    def owners(self) -> Iterable[str]:
        return self._held.keys() - {_NOBODY}

    def take_over(self, parts: Mapping[str, Part]) -> Change:
        """These are all owners: whatever else was found goes."""
        missing = {owner: NOTHING for owner in self._held if owner not in parts}
        return self.replace({**parts, **missing})

    def replace(self, parts: Mapping[str, Part]) -> Change:
        """These owners now want this; an empty part is a goodbye."""
        chains: dict[str, tuple[str, ...]] = {}
        sets: dict[str, str] = {}
        had_chains: dict[str, bool] = {}
        had_sets: dict[str, bool] = {}
        touched: dict[tuple[str, str], str | None] = {}
        wanted: list[tuple[str, str, str]] = []
        for owner, part in parts.items():
            old = self._held.pop(owner, _Held(frozenset(), frozenset(), {}))
            _count(self._chains, old.chains, part.chains.keys(), had_chains)
            _count(self._sets, old.sets, part.sets.keys(), had_sets)
            chains.update(part.chains)
            sets.update(part.sets)
            for name, key in _keys(old.elements):
                if part.elements.get(name, {}).get(key) is None:
                    self._drop(owner, name, key, touched)
            for name, key in _keys(part.elements):
                claim = _Claim(
                    _NOBODY if owner == _NOBODY else part.rank, owner, part.elements[name][key]
                )
                self._claim(claim, name, key, touched)
                wanted.append((owner, name, key))
            if part != NOTHING:
                self._held[owner] = _Held(
                    frozenset(part.sets), frozenset(part.chains), part.elements
                )
        deleted, added = self._differences(touched)
        new_chains = {n for n, had in had_chains.items() if not had and self._chains[n]}
        new_sets = {n for n, had in had_sets.items() if not had and self._sets[n]}
        return Change(
            {name: sets[name] for name in sorted(new_sets)},
            {name: chains[name] for name in chains if name in new_chains},
            deleted,
            added,
            frozenset(n for n, had in had_chains.items() if had and not self._chains[n]),
            frozenset(n for n, had in had_sets.items() if had and not self._sets[n]),
            tuple(self._clashes(wanted)),
        )

    def _drop(
        self, owner: str, name: str, key: str, touched: dict[tuple[str, str], str | None]
    ) -> None:
        touched.setdefault((name, key), self.value(name, key))
        left = tuple(one for one in self._claims[name][key] if one.owner != owner)
        if left:
            self._claims[name][key] = left
        else:
            del self._claims[name][key]

    def _claim(
        self, claim: _Claim, name: str, key: str, touched: dict[tuple[str, str], str | None]
    ) -> None:
        group = self._claims.setdefault(name, {})
        present = group.get(key, ())
        if claim in present:
            return
        touched.setdefault((name, key), present[0].value if present else None)
        others = [one for one in present if one.owner != claim.owner]
        group[key] = tuple(sorted((*others, claim)))

    def _differences(
        self, touched: Mapping[tuple[str, str], str | None]
    ) -> tuple[dict[str, dict[str, str]], dict[str, dict[str, str]]]:
        deleted: dict[str, dict[str, str]] = {}
        added: dict[str, dict[str, str]] = {}
        for (name, key), before in touched.items():
            after = self.value(name, key)
            if after == before:
                continue
            if before is not None:
                deleted.setdefault(name, {})[key] = before
            if after is not None:
                added.setdefault(name, {})[key] = after
        return deleted, added

    def _clashes(self, wanted: Iterable[tuple[str, str, str]]) -> Iterable[Clash]:
        """Of what was asked for now: who lost, and whom the askers displaced."""
        for owner, name, key in wanted:
            claims = self._claims[name][key]
            first = claims[0]
            if len(claims) == 1 or first.owner == _NOBODY:
                continue
            for claim in claims[1:]:
                mine = owner in (claim.owner, first.owner)
                if mine and claim.value != first.value and claim.owner != _NOBODY:
                    yield Clash(name, key, claim.owner, first.owner)


def _count(
    counter: Counter[str], old: Iterable[str], new: Iterable[str], had: dict[str, bool]
) -> None:
    for name in new:
        had.setdefault(name, counter[name] > 0)
        counter[name] += 1
    for name in old:
        had.setdefault(name, counter[name] > 0)
        counter[name] -= 1
        if not counter[name]:
            del counter[name]


def _keys(elements: Elements) -> Iterable[tuple[str, str]]:
    return ((name, key) for name, keys in elements.items() for key in keys)
