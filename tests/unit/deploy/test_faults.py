"""The lab's faults as values, and the packet filter rules that make cuts."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.faults import HUB, Faults, Slow, cut_rules, known, pair
from deploy.lab import Lab, Shape
from deploy.netns import Wires
from deploy.preflight import Problem

NAMES = ("node1", "node2", "node3")
WIRES = Wires("abcdef", "172.31.250.0/24", NAMES, ("172.31.249.0/24",))
CUTS = st.frozensets(
    st.tuples(st.sampled_from(("", HUB, *NAMES)), st.sampled_from(NAMES))
    .filter(lambda ends: ends[0] != ends[1])
    .map(lambda ends: pair(*ends))
)


def chains(rules: str) -> dict[str, list[str]]:
    """The rules by `family hook`."""
    found: dict[str, list[str]] = {}
    family = hook = ""
    for line in rules.splitlines():
        words = line.split()
        if words[:1] == ["table"]:
            family = words[1]
        elif words[:1] == ["chain"]:
            hook = words[1]
        elif words[-1:] == ["drop"]:
            found.setdefault(f"{family} {hook}", []).append(line.strip())
    return found


def test_machines_are_spread_over_the_subnets_and_have_addresses_of_both_families() -> None:
    assert [WIRES.place(name) for name in NAMES] == [0, 0, 1]
    assert WIRES.address("node2") == "172.31.250.12"
    assert WIRES.address("node3") == "172.31.249.13"
    assert WIRES.address6("node3") == "fd57:abcd:ef01::d"
    assert WIRES.hub_address == "172.31.250.1"
    assert re.fullmatch(r"02(:[0-9a-f]{2}){5}", WIRES.mac("node1"))


def test_neighbours_are_cut_on_their_bridge_and_others_at_the_router() -> None:
    near = chains(cut_rules(WIRES, [pair("node2", "node1")]))
    assert near == {
        "bridge forward": [
            'iifname "p1" oifname "p2" drop',
            'iifname "p2" oifname "p1" drop',
        ]
    }
    far = chains(cut_rules(WIRES, [pair("node1", "node3")]))
    assert set(far) == {"inet forward"}
    assert f"ether saddr {WIRES.mac('node1')} ip daddr 172.31.249.13 drop" in far["inet forward"]
    assert f"ether saddr {WIRES.mac('node3')} ip daddr 172.31.250.11 drop" in far["inet forward"]


def test_a_machine_alone_loses_every_frame_both_ways() -> None:
    assert chains(cut_rules(WIRES, [pair("node3")])) == {
        "bridge prerouting": ['iifname "p3" drop'],
        "bridge postrouting": ['oifname "p3" drop'],
    }


@given(CUTS)
def test_the_rules_are_those_of_each_cut_together(cuts: frozenset[tuple[str, str]]) -> None:
    whole = chains(cut_rules(WIRES, cuts))
    single: dict[str, set[str]] = {}
    for one in cuts:
        for chain, rules in chains(cut_rules(WIRES, [one])).items():
            single.setdefault(chain, set()).update(rules)
    assert {chain: set(rules) for chain, rules in whole.items()} == single


def test_without_cuts_nothing_is_left() -> None:
    assert chains(cut_rules(WIRES, [])) == {}
    assert "delete table bridge" in cut_rules(WIRES, [])


@given(CUTS, st.frozensets(st.sampled_from(NAMES)))
def test_faults_survive_their_file(
    tmp_path_factory: pytest.TempPathFactory,
    cuts: frozenset[tuple[str, str]],
    stopped: frozenset[str],
) -> None:
    path = tmp_path_factory.mktemp("faults") / "faults.json"
    faults = Faults(cuts, {"node1": Slow("1mbit", "", "2%")}, stopped)
    faults.write(path)
    assert Faults.read(path) == faults
    assert ("off" in faults.of("node2")) == ("node2" in stopped)


def test_faults_in_words() -> None:
    faults = Faults(frozenset({pair("node2", "node1"), pair("node2")}), {"node2": Slow("1mbit")})
    assert faults.of("node2") == ["cut off", "cut from node1", "slow (rate 1mbit)"]
    assert faults.of("node1") == ["cut from node2"]
    assert faults.of("node3") == []


def test_an_unknown_machine_is_named_with_those_there_are() -> None:
    with pytest.raises(Problem, match="no machine nodeX: control-plane, node1"):
        known(WIRES, "nodeX")


@pytest.mark.parametrize(
    ("shape", "flag"), [(Shape(0), "nodes"), (Shape(2, 3), "subnets"), (Shape(2, 1, 3), "standby")]
)
def test_an_impossible_lab_is_refused_by_the_flag(shape: Shape, flag: str) -> None:
    with pytest.raises(Problem, match=f"--{flag}"):
        shape.check()


def test_a_lab_survives_its_file(tmp_path: Path) -> None:
    lab = Lab(tmp_path, WIRES, 2)
    lab.write()
    assert Lab.read(tmp_path) == lab
    assert lab.shape == Shape(3, 2, 2)
