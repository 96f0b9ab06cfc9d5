"""The table's frame, and a `Change` as nftables text. Pure.

Everything lives in one table of our own per family. A packet of a new connection meets one lookup in
a verdict map however many services there are; the chain it lands in picks an endpoint. Isolated pods
(NetworkPolicy) are keys of two more maps.

A chain that is no longer wanted is only emptied: kernels before 6.2 refuse to delete one in the same
moment as the map element that led to it, so `removal` deletes it later.
Upstream counterpart: pkg/proxy/nftables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from proxy.compile import MARK, short_hash
from proxy.family import Family
from proxy.ruleset import Change

UNMARK: Final = "0xffffbfff"
ELEMENTS_PER_LINE_MAX: Final = 500  # nft's memory grows with its longest command

# Sets and maps whose elements come from parts; what else has elements is named by its content.
SETS: Final = (
    "services", "node_ports", "refused", "refused_ports", "firewall", "cluster_ips", "hairpins",
    "pods", "own_pods", "node_port_addresses", "service_ranges", "ingress", "egress", "selves",
    "known", "held_ingress", "held_egress",
)  # fmt: skip

_FRAME: Final = """\
table TABLE {
  map services { type ADDRESS . inet_proto . inet_service : verdict; }
  map node_ports { type inet_proto . inet_service : verdict; }
  map refused { type ADDRESS . inet_proto . inet_service : verdict; }
  map refused_ports { type inet_proto . inet_service : verdict; }
  map firewall { type ADDRESS . inet_proto . inet_service : verdict; }
  set cluster_ips { type ADDRESS; }
  set hairpins { type ADDRESS . ADDRESS; }
  set pods { type ADDRESS; flags interval; }
  set own_pods { type ADDRESS; flags interval; }
  set node_port_addresses { type ADDRESS; flags interval; }
  set service_ranges { type ADDRESS; flags interval; }
  map ingress { type ADDRESS : verdict; }
  map egress { type ADDRESS : verdict; }
  set selves { type ADDRESS . ADDRESS; }
  set known { type ADDRESS; }
  set held_ingress { type ADDRESS; flags interval; }
  set held_egress { type ADDRESS; flags interval; }
  chain no_endpoint {
    meta l4proto tcp reject with tcp reset
    reject
  }
  chain serve {
    IP daddr . meta l4proto . th dport vmap @services
    NODE_PORT fib daddr type local meta l4proto . th dport vmap @node_ports
  }
  chain refuse {
    IP daddr . meta l4proto . th dport vmap @refused
    NODE_PORT fib daddr type local meta l4proto . th dport vmap @refused_ports
    IP daddr @cluster_ips goto no_endpoint
    IP daddr @service_ranges drop
  }
  chain isolate {
    IP saddr . IP daddr @selves return
    IP saddr @held_egress IP saddr != @known drop
    IP daddr @held_ingress IP daddr != @known drop
    IP saddr vmap @egress
    IP daddr vmap @ingress
  }
  chain early {
    type filter hook prerouting priority -110; policy accept;
    ct state new IP daddr . meta l4proto . th dport vmap @firewall
  }
  chain early_output {
    type filter hook output priority -110; policy accept;
    ct state new IP daddr . meta l4proto . th dport vmap @firewall
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    jump serve
  }
  chain nat_output {
    type nat hook output priority -100; policy accept;
    jump serve
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    meta mark and MARK != 0 meta mark set meta mark and UNMARK masquerade fully-random
    IP saddr . IP daddr @hairpins masquerade fully-random
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    ct state established,related accept
    NEIGHBOURS
    ct state new jump refuse
    jump isolate
  }
  chain output {
    type filter hook output priority filter; policy accept;
    ct state new jump refuse
  }
  chain input {
    type filter hook input priority filter; policy accept;
    LOOPBACK
    ct state new jump refuse
  }
}
"""
_WORDS: Final[Mapping[int, Mapping[str, str]]] = {
    4: {
        "NODE_PORT": "ip daddr @node_port_addresses",
        "NEIGHBOURS": "",
        # route_localnet opens this range to neighbours; this closes it again
        "LOOPBACK": 'iifname != "lo" ip daddr 127.0.0.0/8 ct state { new, invalid, untracked } drop',
    },
    6: {
        # there is no route_localnet for IPv6: what goes to ::1 cannot leave the machine
        "NODE_PORT": "ip6 daddr != ::1 ip6 daddr @node_port_addresses",
        # bridged pods find each other by these
        "NEIGHBOURS": "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept",
        "LOOPBACK": "",
    },
}


def frame(family: Family) -> str:
    """The empty table, replacing whatever was there. Its last chain says by its name which frame."""
    text = _FRAME
    for word, value in {
        "TABLE": family.table, "UNMARK": UNMARK, "MARK": MARK, "ADDRESS": family.type,
        **_WORDS[family.version],
    }.items():  # fmt: skip
        text = text.replace(word, value)
    text = text.replace("IP ", f"{family.word} ")
    text = "".join(f"{line}\n" for line in text.splitlines() if line.strip())
    return (
        f"add table {family.table}\ndelete table {family.table}\n{text}"
        f"add chain {family.table} frame-{short_hash(text)}\n"
    )


def frame_name(family: Family) -> str:
    """The chain that says which frame the table has."""
    return frame(family).split()[-1]


def frame_rules(family: Family) -> dict[str, int]:
    """The frame's chains, and how many rules each has."""
    found: dict[str, int] = {}
    chain = ""
    for line in frame(family).splitlines():
        words = line.split()
        if words[0] == "chain":
            chain = words[1]
            found[chain] = 0
        elif words[0] == "}":
            chain = ""
        elif chain and words[0] != "type":
            found[chain] += 1
    return found


def render(change: Change, family: Family) -> str:
    """The order matters: things are made before they are pointed at, and unhooked before removal."""
    table = family.table
    lines = [f"add set {table} {name} {text}" for name, text in change.sets.items()]
    lines += [f"add chain {table} {name}" for name in change.chains]
    for name, rules in change.chains.items():
        lines.append(f"flush chain {table} {name}")  # a stale chain may come back
        lines += [f"add rule {table} {name} {rule}" for rule in rules]
    for verb, elements in (("delete", change.deleted), ("add", change.added)):
        for name, keys in elements.items():
            lines += [
                f"{verb} element {table} {name} {{ {', '.join(chunk)} }}" for chunk in _chunks(keys)
            ]
    lines += [f"flush chain {table} {name}" for name in sorted(change.stale_chains)]
    return "".join(f"{line}\n" for line in lines)


def _chunks(keys: Mapping[str, str]) -> Iterable[list[str]]:
    items = [f"{key} : {value}" if value else key for key, value in sorted(keys.items())]
    for start in range(0, len(items), ELEMENTS_PER_LINE_MAX):
        yield items[start : start + ELEMENTS_PER_LINE_MAX]


def removal(chains: Iterable[str], sets: Iterable[str], family: Family) -> str:
    """The text that deletes emptied chains and unused sets."""
    lines = [f"delete chain {family.table} {name}\n" for name in sorted(chains)]
    lines += [f"delete set {family.table} {name}\n" for name in sorted(sets)]
    return "".join(lines)


def no_table(family: Family) -> str:
    """The text that removes all of it."""
    return f"add table {family.table}\ndelete table {family.table}\n"
