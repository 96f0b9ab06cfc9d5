"""The ledger: whatever parts come and go, in whatever order, the table is what they add up to."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.family import IP4
from proxy.render import SETS, removal, render
from proxy.ruleset import NOTHING, Ledger, Part
from tests.unit.proxy.tracer import Table

OWNERS = ("a", "b", "c")
# By their content: equal names, equal content.
CHAINS = {"c1": ("drop",), "c2": ("update @s1 { ip saddr }",), "c3": ("goto c1",)}
NEEDS = {"c2": ("s1",), "c3": ()}


def part(chains: set[str], keys: dict[str, str], rank: str) -> Part:
    chains = chains | ({"c1"} if "c3" in chains else set())
    chains |= {value.removeprefix("goto ") for value in keys.values() if value}
    sets = {name: "{ type ipv4_addr; }" for one in chains for name in NEEDS.get(one, ())}
    maps = {"services": {k: v for k, v in keys.items() if v}, "selves": dict.fromkeys(keys, "")}
    elements = {name: held for name, held in maps.items() if held}
    return Part(sets, {name: CHAINS[name] for name in chains}, elements, rank)


parts = st.builds(
    part,
    st.sets(st.sampled_from(sorted(CHAINS))),
    st.dictionaries(st.sampled_from("kl"), st.sampled_from(["goto c1", "goto c2", ""])),
    st.sampled_from(["1", "2"]),
)
steps = st.lists(st.dictionaries(st.sampled_from(OWNERS), st.one_of(parts, st.just(NOTHING)), min_size=1), max_size=6)  # fmt: skip


def empty() -> Table:
    made = Table()
    made.sets = {name: {} for name in SETS}
    return made


def total(held: dict[str, Part]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for _, one in sorted(held.items(), key=lambda item: (item[1].rank, item[0])):
        for name, keys in one.elements.items():
            for key, value in keys.items():
                found.setdefault(name, {}).setdefault(key, value)
    return found


@given(steps)
def test_the_table_is_the_sum_of_its_parts(changes) -> None:
    table, ledger, held = empty(), Ledger(), {}
    for change in changes:
        done = ledger.replace(change)
        table.execute(render(done, IP4))
        held.update(change)
        assert {name: keys for name, keys in table.sets.items() if keys} == total(held)
        wanted = {name for one in held.values() for name in one.chains}
        alive = {name: tuple(rules) for name, rules in table.chains.items() if rules}
        assert alive == {name: CHAINS[name] for name in wanted}
        # what fell out of use can be deleted at once; a later change makes it anew
        table.execute(removal(done.stale_chains, done.stale_sets, IP4))


@given(st.dictionaries(st.sampled_from(OWNERS), parts), st.dictionaries(st.sampled_from(OWNERS), parts))  # fmt: skip
def test_a_table_that_is_there_is_taken_over(before, after) -> None:
    table = empty()
    first = Ledger()
    table.execute(render(first.take_over(before), IP4))
    chains = {name: () for one in before.values() for name in one.chains}
    sets = {name: "" for one in before.values() for name in one.sets}
    found = Part(sets, chains, {n: dict(k) for n, k in table.sets.items() if n in SETS})
    again = Ledger(found)
    table.execute(render(again.take_over(after), IP4))
    assert {n: k for n, k in table.sets.items() if k} == total(after)
    assert {n for n, r in table.chains.items() if r} == {
        n for o in after.values() for n in o.chains
    }
    assert again.replace(after).added == {}
    assert not Ledger(found).take_over(before), "an equal table is left alone"


def test_the_older_one_keeps_an_address_that_two_want() -> None:
    old = Part({}, {"c1": ("drop",)}, {"services": {"k": "goto c1"}}, "2025")
    new = Part({}, {"c2": ()}, {"services": {"k": "goto c2"}}, "2026")
    ledger = Ledger()
    ledger.replace({"service old": old})
    change = ledger.replace({"service a-new": new})
    assert not change.added
    [clash] = change.clashes
    assert (clash.key, clash.loser, clash.winner) == ("k", "service a-new", "service old")
    assert ledger.replace({"service old": NOTHING}).added == {"services": {"k": "goto c2"}}
