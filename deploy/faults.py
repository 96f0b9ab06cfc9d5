"""What can be wrong with a lab's wires and machines, and the rules that make it so.

`Faults` is what was asked for; `cut_rules` compiles its cuts into one nftables document for the control
plane's namespace, where all bridges are, so no machine notices that its link is special: frames are
lost, silently. Pure, but for `slow` and `apply_cuts` at the end, which run `tc` and `nft`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from deploy.files import write_public
from deploy.netns import Wires, run
from deploy.preflight import Problem

HUB: Final = "control-plane"  # the name of the control plane's machine
TABLE: Final = "lab_cuts"
BURST: Final = "32kb"
QUEUE_MILLISECONDS: Final = 400  # how long the slow link's queue may become


@dataclass(frozen=True)
class Slow:
    """How slow a machine's link is, both ways; in `tc`'s words, "" = unchanged."""

    rate: str = ""
    delay: str = ""
    loss: str = ""

    def words(self) -> str:
        named = (("rate", self.rate), ("delay", self.delay), ("loss", self.loss))
        return " ".join(f"{name} {value}" for name, value in named if value)


@dataclass(frozen=True)
class Faults:
    """cuts: pairs of machines, sorted; ("", A) = A from everything.
    stopped: the machines that are off."""

    cuts: frozenset[tuple[str, str]] = frozenset()
    slow: dict[str, Slow] = field(default_factory=dict)
    stopped: frozenset[str] = frozenset()

    @classmethod
    def read(cls, path: Path) -> Faults:
        """None at all, when there is no such file."""
        try:
            tree = json.loads(path.read_text())
        except FileNotFoundError:
            return cls()
        return cls(
            frozenset((one, other) for one, other in tree["cuts"]),
            {name: Slow(**one) for name, one in tree["slow"].items()},
            frozenset(tree["stopped"]),
        )

    def write(self, path: Path) -> None:
        tree = {
            "cuts": sorted(self.cuts),
            "slow": {name: asdict(one) for name, one in self.slow.items()},
            "stopped": sorted(self.stopped),
        }
        write_public(path, json.dumps(tree, indent=1).encode())

    def of(self, machine: str) -> list[str]:
        """What is wrong with a machine, in words."""
        found = ["off"] if machine in self.stopped else []
        for one, other in sorted(self.cuts):
            if machine in (one, other):
                far = other if machine == one else one
                found.append(f"cut from {far}" if far else "cut off")
        if machine in self.slow:
            found.append(f"slow ({self.slow[machine].words()})")
        return found


def pair(one: str, other: str = "") -> tuple[str, str]:
    """A cut's name: the same whichever end is named first."""
    return min(one, other), max(one, other)


def cut_rules(wires: Wires, cuts: Iterable[tuple[str, str]]) -> str:
    """The document for `nft -f` that makes exactly these cuts."""
    alone: list[str] = []
    bridged: list[str] = []
    routed: list[str] = []
    to_hub: list[str] = []
    from_hub: list[str] = []
    for one, other in sorted(cuts):
        if not one:
            alone.append(wires.port(other))
        elif HUB in (one, other):
            machine = one if other == HUB else other
            to_hub.append(f"ether saddr {wires.mac(machine)} drop")
            from_hub += _to(wires, machine)
        elif wires.place(one) == wires.place(other):
            ends = (wires.port(one), wires.port(other))
            bridged += [f'iifname "{a}" oifname "{b}" drop' for a, b in (ends, ends[::-1])]
        else:
            for here, there in ((one, other), (other, one)):
                routed += [f"ether saddr {wires.mac(here)} {rule}" for rule in _to(wires, there)]
    return "\n".join(
        (
            *_table(
                "bridge",
                ("prerouting", [f'iifname "{port}" drop' for port in alone]),
                ("postrouting", [f'oifname "{port}" drop' for port in alone]),
                ("forward", bridged),
            ),
            *_table("inet", ("forward", routed), ("input", to_hub), ("output", from_hub)),
            "",
        )
    )


def _to(wires: Wires, machine: str) -> list[str]:
    return [
        f"ip daddr {wires.address(machine)} drop",
        f"ip6 daddr {wires.address6(machine)} drop",
    ]


def _table(family: str, *chains: tuple[str, list[str]]) -> list[str]:
    """Made anew in one transaction, whatever there was."""
    lines = [f"table {family} {TABLE} {{ }}", f"delete table {family} {TABLE}"]
    if not any(rules for _, rules in chains):
        return lines
    lines.append(f"table {family} {TABLE} {{")
    for hook, rules in chains:
        if rules:
            kind = f"type filter hook {hook} priority 0; policy accept;"
            lines += [f"  chain {hook} {{", f"    {kind}", *(f"    {one}" for one in rules), "  }"]
    return [*lines, "}"]


def apply_cuts(wires: Wires, faults: Faults) -> None:
    run(
        "nsenter", f"--net=/run/netns/{wires.hub}", "nft", "-f", "-",
        stdin=cut_rules(wires, faults.cuts),
    )  # fmt: skip


def slow(wires: Wires, machine: str, wish: Slow) -> Slow:
    """Slow a machine's link down, both ways; what of the wish this kernel can't do.

    Delay and loss need the kernel's netem, which not every kernel has: it is tried.
    """
    ends = ((wires.hub, wires.port(machine)), (wires.namespace(machine), "eth0"))
    lacking = Slow()
    for namespace, link in ends:
        _clear(namespace, link)
        parent = "root"
        if wish.delay or wish.loss:
            words = ("netem", *_named("delay", wish.delay), *_named("loss", wish.loss))
            try:
                _tc(namespace, "add", "dev", link, "root", "handle", "1:", *words)
                parent = "parent 1:1"
            except Problem as problem:
                if "kind is unknown" not in problem.cause:
                    raise
                lacking = Slow("", wish.delay, wish.loss)
        if wish.rate:
            _tc(
                namespace, "add", "dev", link, *parent.split(), "tbf", "rate", wish.rate,
                "burst", BURST, "latency", f"{QUEUE_MILLISECONDS}ms",
            )  # fmt: skip
    return lacking


def hasten(wires: Wires, machine: str) -> None:
    """The machine's link is as fast as it was made."""
    _clear(wires.hub, wires.port(machine))
    _clear(wires.namespace(machine), "eth0")


def _named(name: str, value: str) -> tuple[str, ...]:
    return (name, value) if value else ()


def _clear(namespace: str, link: str) -> None:
    try:
        _tc(namespace, "del", "dev", link, "root")
    except Problem as problem:  # a link with nothing on it
        if "handle of zero" not in problem.cause and "No such file" not in problem.cause:
            raise


def _tc(namespace: str, verb: str, *words: str) -> None:
    run("tc", "-n", namespace, "qdisc", verb, *words)


def known(wires: Wires, name: str) -> str:
    """The name, if the lab has such a machine; Problem otherwise."""
    names = (HUB, *wires.machines)
    if name not in names:
        raise Problem(f"the lab has no machine {name}: {', '.join(names)}", "wherry lab status")
    return name
