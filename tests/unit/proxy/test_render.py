"""The nftables text: golden for one ruleset, laws for differences."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.compile import compile_ruleset
from proxy.render import BASE, Objects, diff, difference, full, objects, removal
from proxy.ruleset import Ruleset
from tests.unit.proxy.make import endpoint, endpoint_slice, service

EMPTY = Ruleset(pods=frozenset({"10.244.0.0/16"}))


def compiled(*addresses: str, **spec) -> Ruleset:
    slices = [endpoint_slice(*(endpoint(address) for address in addresses))]
    return compile_ruleset([service(**spec)], slices, "n1", ["10.244.0.0/16"])


def test_a_new_service() -> None:
    change = diff(EMPTY, compiled("10.244.0.2", "10.244.0.3"))
    name = "service-95253a1d69-default/web/tcp/http"
    assert change.text.splitlines() == [
        f"add chain ip wherry {name}",
        f"flush chain ip wherry {name}",
        f"add rule ip wherry {name} ip saddr != @pods meta mark set meta mark or 0x4000",
        f"add rule ip wherry {name} meta l4proto tcp dnat ip to numgen random mod 2"
        " map { 0 : 10.244.0.2 . 8080, 1 : 10.244.0.3 . 8080 }",
        f"add element ip wherry services {{ 10.96.0.10 . tcp . 80 : goto {name} }}",
        "add element ip wherry cluster_ips { 10.96.0.10 }",
        "add element ip wherry hairpins { 10.244.0.2 . 10.244.0.2, 10.244.0.3 . 10.244.0.3 }",
    ]


def test_only_the_changed_chain_is_written() -> None:
    change = diff(compiled("10.244.0.2", "10.244.0.3"), compiled("10.244.0.2"))
    assert [line.split(" ip wherry ")[0] for line in change.text.splitlines()] == [
        "add chain", "flush chain", "add rule", "add rule", "delete element",
    ]  # fmt: skip
    assert "dnat to 10.244.0.2:8080" in change.text


def test_losing_all_endpoints_refuses_and_leaves_a_chain_behind() -> None:
    change = diff(compiled("10.244.0.2"), compiled())
    assert (
        "delete element ip wherry services { 10.96.0.10 . tcp . 80 : goto service-" in change.text
    )
    assert (
        "add element ip wherry refused { 10.96.0.10 . tcp . 80 : goto no_endpoint }" in change.text
    )
    [stale] = change.stale_chains
    assert change.text.endswith(f"flush chain ip wherry {stale}\n")
    assert removal(change.stale_chains, ()) == f"delete chain ip wherry {stale}\n"


def test_affinity_remembers_clients_per_endpoint() -> None:
    sticky = objects(compiled("10.244.0.2", "10.244.0.3", sessionAffinity="ClientIP"))
    assert len(sticky.sets) == 2
    [rules] = [rules for name, rules in sticky.chains.items() if name.startswith("service-")]
    assert [rule.split("-")[0] for rule in rules[1:]] == [
        "ip saddr @clients", "ip saddr @clients", "numgen random mod 2 vmap { 0 : goto endpoint",
    ]  # fmt: skip
    again = diff(compiled("10.244.0.2", sessionAffinity="ClientIP"), compiled("10.244.0.2"))
    assert len(again.stale_sets) == 1


def test_no_change_is_no_text() -> None:
    assert diff(compiled("10.244.0.2"), compiled("10.244.0.2")).text == ""


def test_the_whole_starts_from_nothing() -> None:
    text = full(compiled("10.244.0.2")).text
    assert text.startswith("add table ip wherry\ndelete table ip wherry\n")
    assert text.removeprefix(BASE) == difference(Objects(), objects(compiled("10.244.0.2"))).text


def test_lookups_do_not_grow_with_services() -> None:
    """What every packet meets is in the base; services only add elements and chains."""
    many = compile_ruleset(
        [service(f"s{n}", f"10.96.1.{n}") for n in range(100)],
        [endpoint_slice(endpoint("10.244.0.2"), of=f"s{n}") for n in range(100)],
        "n1",
        [],
    )
    added = diff(Ruleset(), many).text
    assert "serve" not in added
    assert "prerouting" not in added


names = st.sampled_from(["a", "b", "c"])
texts = st.dictionaries(names, st.sampled_from(["x", "y"]))
all_objects = st.builds(
    Objects,
    texts,
    st.dictionaries(names, st.tuples(st.sampled_from(["r", "s"]))),
    st.fixed_dictionaries({"services": texts, "refused": texts}),
)


def execute(old: Objects, text: str) -> Objects:
    """A toy nft: just what `difference` uses, and as strict."""
    sets, chains = dict(old.sets), {name: list(rules) for name, rules in old.chains.items()}
    elements = {name: dict(items) for name, items in old.elements.items()}
    for line in text.splitlines():
        verb, kind, _, _, name, *rest = line.split(" ")
        if kind == "set":
            sets[name] = " ".join(rest)
        elif (verb, kind) == ("add", "chain"):
            chains.setdefault(name, [])
        elif kind == "chain":
            chains[name].clear()
        elif kind == "rule":
            chains[name].append(" ".join(rest))
        else:
            for item in " ".join(rest).strip("{ }").split(", "):
                key, _, value = item.partition(" : ")
                if verb == "add":
                    assert key not in elements[name]
                    elements[name][key] = value
                else:
                    assert elements[name].pop(key) == value
    return Objects(sets, {n: tuple(r) for n, r in chains.items()}, elements)


@given(all_objects, all_objects)
def test_executing_a_difference_gives_the_target(old: Objects, new: Objects) -> None:
    change = difference(old, new)
    result = execute(old, change.text)
    live = {n: r for n, r in result.chains.items() if n not in change.stale_chains}
    assert live == new.chains
    assert all(result.chains[name] == () for name in change.stale_chains)
    assert result.elements == new.elements
    assert result.sets.keys() - change.stale_sets == new.sets.keys()
