"""Ruleset → nftables text: all of it, or only the difference between two.

Everything lives in one table of our own. A packet of a new connection meets one lookup in a verdict
map however many services there are; the chain it lands in picks an endpoint.

A chain that is no longer wanted is only emptied: kernels before 6.2 refuse to delete one in the same
moment as the map element that led to it, so `removal` deletes it later.
Upstream counterpart: pkg/proxy/nftables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from proxy.compile import short_hash
from proxy.ruleset import Chain, Endpoint, Frontend, NodePort, Ruleset

TABLE: Final = "ip wherry"
MARK: Final = "0x4000"  # "masquerade this": the bit upstream uses
UNMARK: Final = "0xffffbfff"
REMEMBERED_CLIENTS_MAX: Final = 65_536  # per endpoint with session affinity

BASE: Final = f"""\
add table {TABLE}
delete table {TABLE}
table {TABLE} {{
  map services {{ type ipv4_addr . inet_proto . inet_service : verdict; }}
  map node_ports {{ type inet_proto . inet_service : verdict; }}
  map refused {{ type ipv4_addr . inet_proto . inet_service : verdict; }}
  map refused_ports {{ type inet_proto . inet_service : verdict; }}
  set cluster_ips {{ type ipv4_addr; }}
  set hairpins {{ type ipv4_addr . ipv4_addr; }}
  set pods {{ type ipv4_addr; flags interval; }}
  chain no_endpoint {{
    meta l4proto tcp reject with tcp reset
    reject
  }}
  chain serve {{
    ip daddr . meta l4proto . th dport vmap @services
    fib daddr type local meta l4proto . th dport vmap @node_ports
  }}
  chain refuse {{
    ip daddr . meta l4proto . th dport vmap @refused
    fib daddr type local meta l4proto . th dport vmap @refused_ports
    ip daddr @cluster_ips reject
  }}
  chain prerouting {{
    type nat hook prerouting priority dstnat; policy accept;
    jump serve
  }}
  chain nat_output {{
    type nat hook output priority -100; policy accept;
    jump serve
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    meta mark and {MARK} != 0 meta mark set meta mark and {UNMARK} masquerade fully-random
    ip saddr . ip daddr @hairpins masquerade fully-random
  }}
  chain forward {{
    type filter hook forward priority filter; policy accept;
    ct state new jump refuse
  }}
  chain output {{
    type filter hook output priority filter; policy accept;
    ct state new jump refuse
  }}
  chain input {{
    type filter hook input priority filter; policy accept;
    iifname != "lo" ip daddr 127.0.0.0/8 ct state {{ new, invalid, untracked }} drop
    ct state new jump refuse
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Objects:
    """A ruleset as nftables objects, each in its text form.

    sets:     name → declaration (clients remembered per endpoint)
    chains:   name → rules
    elements: name of a base set or map → key → what the key maps to ("" in sets)
    """

    sets: Mapping[str, str] = field(default_factory=dict)
    chains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    elements: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Transaction:
    """Text for one `nft -f -`, and what may be deleted some time after it."""

    text: str = ""
    stale_chains: frozenset[str] = frozenset()
    stale_sets: frozenset[str] = frozenset()


def objects(ruleset: Ruleset) -> Objects:
    """The objects beyond the base that make up a ruleset."""
    sets: dict[str, str] = {}
    chains: dict[str, tuple[str, ...]] = {}
    for name, chain in ruleset.chains.items():
        if chain.affinity_seconds:
            for endpoint in chain.endpoints:
                known = _remembering(chain, endpoint)
                sets[f"clients-{known}"] = (
                    f"{{ type ipv4_addr; size {REMEMBERED_CLIENTS_MAX}; flags dynamic, timeout;"
                    f" timeout {chain.affinity_seconds}s; }}"
                )
                chains[f"endpoint-{known}"] = (
                    f"update @clients-{known} {{ ip saddr }}",
                    _dnat(chain.protocol, (endpoint,)),
                )
        chains[name] = tuple(_rules(chain))
    elements = {
        "services": {_key(f): f"goto {chain}" for f, chain in ruleset.services.items()},
        "node_ports": {_key(p): f"goto {chain}" for p, chain in ruleset.node_ports.items()},
        "refused": {_key(f): _refusal(verdict) for f, verdict in ruleset.refused.items()},
        "refused_ports": {_key(p): _refusal(v) for p, v in ruleset.refused_ports.items()},
        "cluster_ips": dict.fromkeys(ruleset.cluster_ips, ""),
        "hairpins": {f"{address} . {address}": "" for address in ruleset.hairpins},
        "pods": dict.fromkeys(ruleset.pods, ""),
    }
    return Objects(sets, chains, elements)


def _rules(chain: Chain) -> Iterable[str]:
    if chain.masquerade == "always":
        yield f"meta mark set meta mark or {MARK}"
    elif chain.masquerade == "outside":
        yield f"ip saddr != @pods meta mark set meta mark or {MARK}"
    if chain.inside:
        yield f"ip saddr @pods goto {chain.inside}"
        yield f"fib saddr type local goto {chain.inside}"
    if not chain.affinity_seconds:
        yield _dnat(chain.protocol, chain.endpoints)
        return
    places = [_remembering(chain, endpoint) for endpoint in chain.endpoints]
    for known in places:
        yield f"ip saddr @clients-{known} goto endpoint-{known}"
    choices = ", ".join(f"{n} : goto endpoint-{known}" for n, known in enumerate(places))
    yield f"numgen random mod {len(places)} vmap {{ {choices} }}"


def _dnat(protocol: str, endpoints: tuple[Endpoint, ...]) -> str:
    assert endpoints, "a chain without endpoints is refused, not rendered"
    if len(endpoints) == 1:
        [only] = endpoints
        return f"meta l4proto {protocol} dnat to {only.address}:{only.port}"
    choices = ", ".join(f"{n} : {e.address} . {e.port}" for n, e in enumerate(endpoints))
    return (
        f"meta l4proto {protocol} dnat ip to numgen random mod {len(endpoints)} map {{ {choices} }}"
    )


def _remembering(chain: Chain, endpoint: Endpoint) -> str:
    """Names what is remembered of an endpoint's clients; a new timeout needs a new set."""
    identity = f"{endpoint.address}:{endpoint.port} {chain.affinity_seconds}"
    return f"{chain.affinity_group}-{short_hash(identity)}"


def _key(destination: Frontend | NodePort) -> str:
    return " . ".join(map(str, destination))


def _refusal(verdict: str) -> str:
    return "drop" if verdict == "drop" else "goto no_endpoint"


def full(ruleset: Ruleset) -> Transaction:
    """The whole table, replacing whatever was there."""
    return Transaction(BASE + difference(Objects(), objects(ruleset)).text)


def diff(old: Ruleset, new: Ruleset) -> Transaction:
    """What turns `old`, as it stands in the kernel, into `new`. Its text is empty without change."""
    return difference(objects(old), objects(new))


def difference(old: Objects, new: Objects) -> Transaction:
    """The order matters: things are made before they are pointed at, and unhooked before removal."""
    lines: list[str] = []
    lines += [
        f"add set {TABLE} {name} {declaration}"
        for name, declaration in sorted(new.sets.items())
        if name not in old.sets
    ]
    changed = {
        name: rules for name, rules in sorted(new.chains.items()) if old.chains.get(name) != rules
    }
    gone = sorted(old.chains.keys() - new.chains.keys())
    lines += [f"add chain {TABLE} {name}" for name in changed]
    for name, rules in changed.items():
        lines.append(f"flush chain {TABLE} {name}")  # a stale chain may come back
        lines += [f"add rule {TABLE} {name} {rule}" for rule in rules]
    for name, wanted in new.elements.items():
        lines += _element_lines(name, old.elements.get(name, {}), wanted)
    lines += [f"flush chain {TABLE} {name}" for name in gone]
    text = "".join(f"{line}\n" for line in lines)
    return Transaction(text, frozenset(gone), frozenset(old.sets.keys() - new.sets.keys()))


def _element_lines(name: str, old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    removed = {key: value for key, value in old.items() if new.get(key) != value}
    added = {key: value for key, value in new.items() if old.get(key) != value}
    return [
        f"{verb} element {TABLE} {name} {{ {_elements(chosen)} }}"
        for verb, chosen in (("delete", removed), ("add", added))
        if chosen
    ]


def _elements(chosen: Mapping[str, str]) -> str:
    return ", ".join(f"{key} : {value}" if value else key for key, value in sorted(chosen.items()))


def removal(chains: Iterable[str], sets: Iterable[str]) -> str:
    """The text that deletes emptied chains and unused sets."""
    lines = [f"delete chain {TABLE} {name}\n" for name in sorted(chains)]
    lines += [f"delete set {TABLE} {name}\n" for name in sorted(sets)]
    return "".join(lines)


def no_table() -> str:
    """The text that removes all of it."""
    return f"add table {TABLE}\ndelete table {TABLE}\n"
