"""The nftables text: golden for one Service, and what a change of it costs."""

from __future__ import annotations

import pytest

from proxy.family import FAMILIES, IP4
from proxy.render import ELEMENTS_PER_LINE_MAX, frame, frame_name, removal, render
from proxy.ruleset import Change, Ledger
from tests.unit.proxy.make import compiled, endpoint, endpoint_slice, service

A, B = "10.244.0.2", "10.244.0.3"


def parts(*addresses: str, **spec):
    objects = [service(**spec), endpoint_slice(*(endpoint(address) for address in addresses))]
    return {owner: one.part for owner, one in compiled(objects).items()}


def changed(*states) -> Change:
    """The last of these changes, one after the other."""
    ledger = Ledger()
    return [ledger.replace(state) for state in states][-1]


def test_a_new_service() -> None:
    name = "service-7a0db157c5-default/web/tcp/http"
    assert render(changed(parts(A, B)), IP4).splitlines() == [
        f"add chain ip wherry {name}",
        f"flush chain ip wherry {name}",
        f"add rule ip wherry {name} ip saddr != @pods meta mark set meta mark or 0x4000",
        f"add rule ip wherry {name} meta l4proto tcp dnat ip to numgen random mod 2"
        " map { 0 : 10.244.0.2 . 8080, 1 : 10.244.0.3 . 8080 }",
        "add element ip wherry cluster_ips { 10.96.0.10 }",
        "add element ip wherry hairpins { 10.244.0.2 . 10.244.0.2, 10.244.0.3 . 10.244.0.3 }",
        f"add element ip wherry services {{ 10.96.0.10 . tcp . 80 : goto {name} }}",
    ]


def test_only_the_changed_service_is_written() -> None:
    others = {f"service default/s{n}": next(iter(parts(A, name=f"s{n}", cluster_ip=f"10.96.1.{n}").values()))
              for n in range(200)}  # fmt: skip
    text = render(changed({**others, **parts(A, B)}, parts(A)), IP4)
    verbs = [line.split(" ip wherry ")[0] for line in text.splitlines()]
    assert verbs == [
        "add chain", "flush chain", "add rule", "add rule",  # the chain with the one endpoint
        "delete element", "delete element", "add element",  # hairpins of B, services
        "flush chain",  # the old one
    ]  # fmt: skip
    assert "dnat to 10.244.0.2:8080" in text


def test_losing_all_endpoints_refuses_and_leaves_a_chain_behind() -> None:
    change = changed(parts(A), parts())
    text = render(change, IP4)
    assert "delete element ip wherry services { 10.96.0.10 . tcp . 80 : goto service-" in text
    assert "add element ip wherry refused { 10.96.0.10 . tcp . 80 : goto no_endpoint }" in text
    [stale] = change.stale_chains
    assert text.endswith(f"flush chain ip wherry {stale}\n")
    assert removal(change.stale_chains, (), IP4) == f"delete chain ip wherry {stale}\n"


def test_affinity_remembers_clients_per_endpoint() -> None:
    change = changed(parts(A, B, sessionAffinity="ClientIP"))
    assert len(change.sets) == 2
    [rules] = [rules for name, rules in change.chains.items() if name.startswith("service-")]
    assert [rule.split("-")[0] for rule in rules[1:]] == [
        "ip saddr @clients", "ip saddr @clients", "numgen random mod 2 vmap { 0 : goto endpoint",
    ]  # fmt: skip
    again = changed(parts(A, sessionAffinity="ClientIP"), parts(A))
    assert len(again.stale_sets) == 1


def test_no_change_is_no_text() -> None:
    change = changed(parts(A), parts(A))
    assert not change
    assert render(change, IP4) == ""


def test_many_elements_are_several_lines() -> None:
    count = ELEMENTS_PER_LINE_MAX + 1
    text = render(Change(added={"selves": {str(n): "" for n in range(count)}}), IP4)
    assert len(text.splitlines()) == 2


@pytest.mark.parametrize("family", FAMILIES)
def test_the_frame_says_which_it_is(family) -> None:
    text = frame(family)
    assert text.startswith(f"add table {family.table}\ndelete table {family.table}\n")
    assert frame_name(family).startswith("frame-")
    assert not any(word in text for word in ("ADDRESS", "MARK", "NODE_PORT", "NEIGHBOURS", "IP "))
    assert frame_name(FAMILIES[0]) != frame_name(FAMILIES[1])
