"""NetworkPolicies and pods → each pod's part of the node's table. Pure.

A pod that a policy selects is isolated in that policy's directions: its address is a key of the map
`ingress` or `egress`, whose value is a chain that returns for what some policy allows and drops the
rest. Pods with the same policies share a chain. Whom a rule means by selectors is a set of addresses,
to which every pod of the cluster adds its own; so a pod's change is a change of a few elements.

The filter stands in the forward hook: translation to endpoints has been done, masquerading has not,
so policies see pods' own addresses. What a node sends to its own pods is not forwarded, hence always
allowed (the kubelet's probes), as is a pod's traffic to itself and to its node. Packets of known
connections pass. Pods in the host's network have no address of their own and are not subject.

A pod is isolated from its first instant: while one is on its way whose address nobody has told yet,
all addresses of this node's range that belong to no known pod are held (`held_ingress`,
`held_egress`: nothing new passes in the directions in which it will be isolated). The kubelet tells an
address before it starts the pod's containers, so pods without policies hardly ever meet this.

Source of the rules: the NetworkPolicy documentation and staging/src/k8s.io/api/networking/v1/types.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeVar

from proxy.compile import short_hash
from proxy.family import FAMILIES, Family
from proxy.models import Pod
from proxy.ruleset import NOTHING, Part
from wherry.api.networking_v1.networkpolicy import NetworkPolicy as Policy
from wherry.api.networking_v1.networkpolicy import NetworkPolicyPeer, NetworkPolicyPort
from wherry.api.selectors import LabelSelectorExpr, label_selector

K = TypeVar("K")
INGRESS: Final = "ingress"
EGRESS: Final = "egress"
_OVER: Final = ("Succeeded", "Failed")
NETWORK_CONDITION: Final = (
    "PodReadyToStartContainers"  # False: it waits for a network, perhaps again
)


@dataclass(frozen=True)
class Peers:
    """Pods by labels: of one namespace, or of those whose labels match `namespaces`."""

    namespace: str
    namespaces: LabelSelectorExpr | None
    pods: LabelSelectorExpr

    @cached_property
    def name(self) -> str:
        where = f"={self.namespace}" if self.namespaces is None else f"~{self.namespaces}"
        return f"peers-{short_hash(f'{where} {self.pods}')}"

    def match(self, pod: Pod, namespace_labels: Mapping[str, str]) -> bool:
        if self.namespaces is None:
            here = pod.metadata.namespace == self.namespace
        else:
            here = self.namespaces.matches(namespace_labels)
        return here and self.pods.matches(pod.metadata.labels)


@dataclass(frozen=True)
class NamedPort:
    """A port that every pod may have its own number for."""

    name: str
    protocol: str

    @cached_property
    def set(self) -> str:
        return f"named-{short_hash(f'{self.protocol} {self.name}')}"


@dataclass(frozen=True, slots=True)
class Compiled:
    """A policy read. rules: (direction, family's version) → rules; a direction it does not isolate is
    missing. peers, ports: the sets that its rules name."""

    namespace: str
    selector: LabelSelectorExpr
    rules: Mapping[tuple[str, int], tuple[str, ...]]
    peers: frozenset[Peers]
    ports: frozenset[NamedPort]

    def selects(self, pod: Pod) -> bool:
        return pod.metadata.namespace == self.namespace and self.selector.matches(
            pod.metadata.labels
        )


def compile_policy(policy: Policy) -> Compiled:
    """ValueError when a selector is malformed."""
    peers: dict[Peers, None] = {}
    ports: dict[NamedPort, None] = {}
    rules: dict[tuple[str, int], tuple[str, ...]] = {}
    spec = policy.spec
    directions = {
        INGRESS: [(one.from_, one.ports) for one in spec.ingress],
        EGRESS: [(one.to, one.ports) for one in spec.egress],
    }
    kinds = spec.policy_types or (["Ingress", "Egress"] if spec.egress else ["Ingress"])
    for kind in kinds:
        direction = kind.lower()
        for family in FAMILIES:
            found: dict[str, None] = {}
            for whom, where in directions[direction]:
                side = "saddr" if direction == INGRESS else "daddr"
                matches = list(_peers(whom, policy.metadata.namespace, side, family, peers))
                for port in _ports(where, family, ports):
                    for match in matches:
                        found[" ".join(filter(None, (match, port, "return")))] = None
            rules[direction, family.version] = ("return",) if "return" in found else tuple(found)
    return Compiled(
        policy.metadata.namespace,
        label_selector(spec.pod_selector),
        rules,
        frozenset(peers),
        frozenset(ports),
    )


def _peers(
    whom: Iterable[NetworkPolicyPeer],
    namespace: str,
    side: str,
    family: Family,
    sets: dict[Peers, None],
) -> Iterable[str]:
    """The matches of which one must be true; none at all when there are only strangers' addresses."""
    whom = list(whom)
    if not whom:
        yield ""
    word = family.word
    for peer in whom:
        if peer.ip_block is not None:
            blocks = family.ranges([peer.ip_block.cidr])
            excepted = family.ranges(peer.ip_block.except_)
            but = f" {word} {side} != {{ {', '.join(excepted)} }}" if excepted else ""
            for block in blocks:
                yield f"{word} {side} {block}{but}"
            continue
        namespaces = peer.namespace_selector
        one = Peers(
            "" if namespaces is not None else namespace,
            label_selector(namespaces) if namespaces is not None else None,
            label_selector(peer.pod_selector or {}),
        )
        sets[one] = None
        yield f"{word} {side} @{one.name}"


def _ports(
    ports: Iterable[NetworkPolicyPort], family: Family, named: dict[NamedPort, None]
) -> Iterable[str]:
    """The matches of which one must be true. Numbers of one protocol are one match."""
    ports = list(ports)
    if not ports:
        yield ""
    numbers: dict[str, list[tuple[int, int]]] = {}
    for one in ports:
        protocol = (one.protocol or "TCP").lower()
        if one.port is None:
            yield f"meta l4proto {protocol}"
        elif isinstance(one.port, int):
            numbers.setdefault(protocol, []).append((one.port, one.end_port or one.port))
        else:
            port = NamedPort(one.port, protocol)
            named[port] = None
            yield f"{family.word} daddr . meta l4proto . th dport @{port.set}"
    for protocol, ranges in numbers.items():
        text = ", ".join(_range(*one) for one in _merged(ranges))
        yield f"meta l4proto {protocol} th dport {{ {text} }}"


def _merged(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Without overlaps, which the kernel refuses."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found


def _range(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


class Policies:
    """All policies of the cluster, as one asks for a pod."""

    def __init__(self) -> None:
        self._policies: dict[str, dict[str, Compiled]] = {}
        self._anywhere: dict[Peers, int] = {}  # those of any namespace, and how many name them
        self._within: dict[str, dict[Peers, int]] = {}  # those of one namespace
        self._ports: dict[NamedPort, int] = {}

    def __bool__(self) -> bool:
        return bool(self._policies)

    def replace(self, namespace: str, name: str, compiled: Compiled | None) -> bool:
        """Put in, change or take out a policy. True when pods of other namespaces may be concerned."""
        group = self._policies.setdefault(namespace, {})
        old = group.pop(name, None)
        if compiled is not None:
            group[name] = compiled
        if not group:
            del self._policies[namespace]
        before = old.peers if old else frozenset()
        after = compiled.peers if compiled else frozenset()
        ports_before = old.ports if old else frozenset()
        ports_after = compiled.ports if compiled else frozenset()
        for peers in after:
            _add(self._index(peers), peers, 1)
        for peers in before:
            _add(self._index(peers), peers, -1)
        for port in ports_after:
            _add(self._ports, port, 1)
        for port in ports_before:
            _add(self._ports, port, -1)
        if not self._within.get(namespace, True):
            del self._within[namespace]
        changed = before ^ after
        return ports_before != ports_after or any(one.namespaces is not None for one in changed)

    def _index(self, peers: Peers) -> dict[Peers, int]:
        if peers.namespaces is not None:
            return self._anywhere
        return self._within.setdefault(peers.namespace, {})

    def part(
        self,
        pod: Pod,
        namespace_labels: Mapping[str, str],
        family: Family,
        *,
        here: bool,
        own: Sequence[str] = (),
    ) -> Part:
        """What this pod adds to the table; `here`: it runs on this node, whose ranges are `own`."""
        if not self:
            return NOTHING
        addresses = pod_addresses(pod, family)
        sets: dict[str, str] = {}
        chains: dict[str, tuple[str, ...]] = {}
        elements: dict[str, dict[str, str]] = {}
        if addresses:
            self._be_peer(pod, namespace_labels, family, sets, elements)
        if here and addresses:
            elements["known"] = dict.fromkeys(addresses, "")
        held = dict.fromkeys(own if is_awaited(pod) else (), "")
        for direction, rules, needed in self._isolations(pod, family) if here else ():
            if held:
                elements[f"held_{direction}"] = held
            if addresses:
                name = f"{direction}-{short_hash(chr(10).join(rules))}"
                chains[name] = (*rules, "drop")
                sets.update(needed)
                elements[direction] = dict.fromkeys(addresses, f"jump {name}")
                elements["selves"] = {f"{one} . {one}": "" for one in addresses}
        if not elements:
            return NOTHING
        return Part(sets, chains, elements, pod.metadata.creation_timestamp or "")

    def _be_peer(
        self,
        pod: Pod,
        namespace_labels: Mapping[str, str],
        family: Family,
        sets: dict[str, str],
        elements: dict[str, dict[str, str]],
    ) -> None:
        """Be among those that policies mean by selectors and by names of ports."""
        addresses = pod_addresses(pod, family)
        for peers in (*self._within.get(pod.metadata.namespace, ()), *self._anywhere):
            if peers.match(pod, namespace_labels):
                sets[peers.name] = _addresses_set(family)
                elements[peers.name] = dict.fromkeys(addresses, "")
        for port in self._ports:
            numbers = _numbers(pod, port)
            if numbers:
                sets[port.set] = _ports_set(family)
                elements[port.set] = {
                    f"{address} . {port.protocol} . {number}": ""
                    for address in addresses
                    for number in numbers
                }

    def _isolations(
        self, pod: Pod, family: Family
    ) -> Iterable[tuple[str, tuple[str, ...], dict[str, str]]]:
        """The directions in which the pod is isolated: what passes by, and the sets that this names."""
        group = self._policies.get(pod.metadata.namespace, {})
        selecting = [one for _, one in sorted(group.items()) if one.selects(pod)]
        for direction in (INGRESS, EGRESS):
            key = (direction, family.version)
            mine = [one for one in selecting if key in one.rules]
            rules = tuple(dict.fromkeys(rule for one in mine for rule in one.rules[key]))
            if not mine or "return" in rules:
                continue  # not isolated, or everything is allowed
            sets = {peers.name: _addresses_set(family) for one in mine for peers in one.peers}
            sets |= {port.set: _ports_set(family) for one in mine for port in one.ports}
            yield direction, rules, sets


def _add(counts: dict[K, int], key: K, by: int) -> None:
    """Count one more or one less; what nobody names any more is not kept."""
    count = counts.get(key, 0) + by
    if count:
        counts[key] = count
    else:
        counts.pop(key, None)


def _addresses_set(family: Family) -> str:
    return f"{{ type {family.type}; }}"


def _ports_set(family: Family) -> str:
    return f"{{ type {family.type} . inet_proto . inet_service; }}"


def pod_addresses(pod: Pod, family: Family) -> list[str]:
    """The addresses that are this pod's alone."""
    if pod.spec.host_network or pod.status.phase in _OVER:
        return []
    return family.addresses([pod.status.pod_ip, *(one.ip for one in pod.status.pod_ips)])


def is_awaited(pod: Pod) -> bool:
    """Whether it may come to run with an address that nobody has told yet."""
    if pod.spec.host_network or pod.status.phase in _OVER or pod.metadata.deletion_timestamp:
        return False
    wired = [one.status for one in pod.status.conditions if one.type == NETWORK_CONDITION]
    told = pod.status.pod_ip or pod.status.pod_ips
    return not told or "False" in wired


def _numbers(pod: Pod, port: NamedPort) -> list[int]:
    sidecars = [one for one in pod.spec.init_containers if one.restart_policy == "Always"]
    return [
        one.container_port
        for container in (*pod.spec.containers, *sidecars)
        for one in container.ports
        if one.name == port.name and (one.protocol or "TCP").lower() == port.protocol
    ]
