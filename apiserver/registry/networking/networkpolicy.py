"""NetworkPolicies: who may speak to whom.

Source: pkg/apis/networking/validation, pkg/apis/networking/v1/defaults.go, printNetworkPolicy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from apiserver.registry.printing import AGE, NAME, created, selector_text
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.addresses import network, parse_network
from apiserver.registry.validation.metadata import subdomain_name
from apiserver.registry.validation.ports import TCP
from apiserver.registry.validation.selector import label_selector
from apiserver.registry.validation.words import each, invalids, unsupported
from wherry.api import names
from wherry.api.errors import (
    FieldError,
    forbidden_field,
    invalid,
    required,
)  # fmt: skip
from wherry.api.networking_v1 import NetworkPolicy
from wherry.api.scheme import resource_of

DIRECTIONS: Final = ("Ingress", "Egress")
_PROTOCOLS: Final = ("TCP", "UDP", "SCTP")
_RULES: Final = (("ingress", "from"), ("egress", "to"))


class NetworkPolicyStrategy(Strategy):
    """Pods, and rules for what may come in and go out."""

    resource = resource_of(NetworkPolicy)
    has_generation = True
    columns = (NAME, Column("Pod-Selector", description="The pods it is about."), AGE)

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def default(self, tree: Tree) -> None:
        spec = tree["spec"]
        if not spec.get("policyTypes"):
            spec["policyTypes"] = ["Ingress", *(["Egress"] if spec.get("egress") else [])]
        for direction, _ in _RULES:
            for rule in spec.get(direction, ()):
                for port in rule.get("ports", ()):
                    port.setdefault("protocol", TCP)

    def validate(self, tree: Tree) -> list[FieldError]:
        return _spec(tree["spec"], frozenset())

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        return _spec(tree["spec"], _networks(old["spec"]))

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        shown = selector_text(tree["spec"]["podSelector"])
        return tree["metadata"]["name"], shown, created(tree, now)


def _networks(spec: Mapping[str, Any]) -> frozenset[str]:
    """All networks that a policy names; what was accepted once may stay."""
    found: set[str] = set()
    for direction, peers in _RULES:
        for rule in spec.get(direction, ()):
            for peer in rule.get(peers, ()):
                if block := peer.get("ipBlock"):
                    found |= {block["cidr"], *block.get("except", ())}
    return frozenset(found)


def _spec(spec: Mapping[str, Any], known: frozenset[str]) -> list[FieldError]:
    errors = label_selector(spec["podSelector"], "spec.podSelector")
    for direction, peers in _RULES:
        for index, rule in enumerate(spec.get(direction, ())):
            path = f"spec.{direction}[{index}]"
            errors += each(rule.get("ports", ()), f"{path}.ports", _port)
            errors += each(
                rule.get(peers, ()), f"{path}.{peers}", lambda one, at: _peer(one, at, known)
            )
    types, path = spec["policyTypes"], "spec.policyTypes"
    if len(types) > len(DIRECTIONS):
        words = "may not specify more than two policyTypes"
        return [*errors, invalid(path, types, words)]
    return errors + each(
        types,
        path,
        lambda one, at: [] if one in DIRECTIONS else [unsupported(at, one, DIRECTIONS)],
    )


def _port(one: Mapping[str, Any], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    protocol, port, end = one.get("protocol"), one.get("port"), one.get("endPort")
    if protocol is not None and protocol not in _PROTOCOLS:
        errors.append(unsupported(f"{path}.protocol", protocol, _PROTOCOLS))
    at = f"{path}.endPort"
    if isinstance(port, int):
        errors += invalids(f"{path}.port", port, names.port_number(port))
        if end is not None:
            if end < port:
                errors.append(invalid(at, end, "must be greater than or equal to `port`"))
            errors += invalids(at, end, names.port_number(end))
        return errors
    if end is not None:
        missing = "not specified" if port is None else "non-numeric"
        errors.append(invalid(at, end, f"may not be specified when `port` is {missing}"))
    if port is not None:
        errors += invalids(f"{path}.port", port, names.port_name(port))
    return errors


def _peer(peer: Mapping[str, Any], path: str, known: frozenset[str]) -> list[FieldError]:
    errors: list[FieldError] = []
    for field in ("podSelector", "namespaceSelector"):
        errors += label_selector(peer.get(field), f"{path}.{field}")
    block = peer.get("ipBlock")
    if block is not None:
        errors += _block(block, f"{path}.ipBlock", known)
    if not peer:
        errors.append(required(path, "must specify a peer"))
    elif block is not None and len(peer) > 1:
        errors.append(forbidden_field(path, "may not specify both ipBlock and another peer"))
    return errors


def _block(block: Mapping[str, Any], path: str, known: frozenset[str]) -> list[FieldError]:
    text = block["cidr"]
    if not text:
        return [required(f"{path}.cidr")]
    errors = [] if text in known else network(text, f"{path}.cidr")
    outer = parse_network(text)
    if outer is None:
        return errors
    for index, one in enumerate(block.get("except", ())):
        at = f"{path}.except[{index}]"
        errors += [] if one in known else network(one, at)
        inner = parse_network(one)
        if inner is None:
            continue
        within = inner.version == outer.version and inner.network_address in outer
        if not within or outer.prefixlen >= inner.prefixlen:
            errors.append(invalid(at, one, "must be a strict subset of `cidr`"))
    return errors
