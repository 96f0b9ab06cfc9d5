"""A packet tracer over a Ruleset: what happens to a new connection, without a kernel."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from proxy.ruleset import Chain, Endpoint, Frontend, NodePort, Ruleset


@dataclass(frozen=True)
class Fate:
    """`verdict` is pass, dnat, reject or drop; `endpoints` are all that may be chosen."""

    verdict: str
    endpoints: frozenset[Endpoint] = frozenset()
    masqueraded: bool = False


@dataclass(frozen=True)
class Machine:
    """The node on which the packet is looked at, with its addresses."""

    ruleset: Ruleset
    addresses: frozenset[str]

    def trace(self, source: str, destination: str, port: int, protocol: str = "tcp") -> Fate:
        rules = self.ruleset
        frontend = Frontend(destination, protocol, port)
        node_port = NodePort(protocol, port)
        local = destination in self.addresses
        chain = rules.services.get(frontend) or (local and rules.node_ports.get(node_port)) or ""
        if chain:
            return self._walk(rules.chains[chain], source, False)
        verdict = rules.refused.get(frontend)
        if verdict is None and local:
            verdict = rules.refused_ports.get(node_port)
        if verdict is None and destination in rules.cluster_ips:
            verdict = "reject"
        if verdict is not None:
            return Fate(verdict)
        return Fate("pass", masqueraded=self._pod(source) and not self._pod(destination))

    def _walk(self, chain: Chain, source: str, marked: bool) -> Fate:
        outside = chain.masquerade == "outside" and not self._pod(source)
        marked = marked or chain.masquerade == "always" or outside
        if chain.inside and (self._pod(source) or source in self.addresses):
            return self._walk(self.ruleset.chains[chain.inside], source, marked)
        hairpin = source in self.ruleset.hairpins and any(
            source == endpoint.address for endpoint in chain.endpoints
        )
        leaves = self._pod(source) and not all(self._pod(e.address) for e in chain.endpoints)
        return Fate("dnat", frozenset(chain.endpoints), marked or hairpin or leaves)

    def _pod(self, address: str) -> bool:
        return any(
            ipaddress.ip_address(address) in ipaddress.ip_network(one) for one in self.ruleset.pods
        )
