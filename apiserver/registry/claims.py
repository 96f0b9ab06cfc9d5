"""What Services hold for themselves, each as a key of the store. Pure.

A claim is written as text: an address by itself (`10.96.0.1`), a node port as `port/30080`; a
health-check node port is one too. An address is an IPAddress object, a port a key below a prefix that
is no API resource, with its Service as the value. (Upstream keeps one bitmap of all ports there, and
changes it together with nothing else either.)

Source: kubernetes/pkg/registry/core/service/{ipallocator,portallocator} and their repair controllers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import orjson

from apiserver.codec import managed_fields
from apiserver.registry.core.service_allocation import addresses_of, node_ports_of
from apiserver.storage.encoder import encode
from apiserver.storage.keys import key_of
from wherry.api.model import format_time, parse_time
from wherry.api.scheme import BY_PLURAL
from wherry.api.shape import shape_of

SERVICES: Final = BY_PLURAL["", "v1", "services"]
ADDRESSES: Final = BY_PLURAL["networking.k8s.io", "v1", "ipaddresses"]
MANAGER: Final = "kube-apiserver"
PORT: Final = "port/"
PORTS: Final = b"/registry/ranges/servicenodeports/"
PORTS_END: Final = PORTS[:-1] + b"0"  # "0" is what follows "/"
# A claim without a Service is somebody's who is about to make one, for so long.
ABANDONED: Final = timedelta(minutes=1)

Tree = dict[str, Any]
Owner = tuple[str, str]  # namespace and name of a Service


class Claim(NamedTuple):
    """A claim as it was found. `owner` is None for an address that is no Service's."""

    owner: Owner | None
    made: datetime


def claims_of(spec: Mapping[str, Any]) -> list[str]:
    """All that a Service holds, each once."""
    ports = dict.fromkeys(node_ports_of(spec))  # TCP and UDP may share one
    return [*addresses_of(spec), *(f"{PORT}{port}" for port in ports)]


def gained(tree: Mapping[str, Any] | None, old: Mapping[str, Any] | None) -> list[str]:
    """What a Service holds now and did not before."""
    before = set(claims_of(old["spec"])) if old else set()
    return [one for one in claims_of(tree["spec"]) if one not in before] if tree else []


def port_of(claim: str) -> int:
    """The node port a claim is about; 0 when it is about an address."""
    return int(claim.removeprefix(PORT)) if claim.startswith(PORT) else 0


def key(claim: str) -> bytes:
    port = port_of(claim)
    return PORTS + str(port).encode() if port else key_of(ADDRESSES, "", claim)


def value(claim: str, owner: Owner, now: datetime, uid: str) -> bytes:
    """What is stored for a claim. `uid` is the new IPAddress's."""
    namespace, name = owner
    if not port_of(claim):
        return encode(address_tree(claim, namespace, name, now, uid))
    return orjson.dumps({"namespace": namespace, "name": name, "made": format_time(now)})


def read(claim: str, stored: bytes) -> Claim:
    """The other way round."""
    tree = orjson.loads(stored)
    if port_of(claim):
        return Claim((tree["namespace"], tree["name"]), parse_time(tree["made"]))
    return address_claim(tree)


def address_claim(tree: Mapping[str, Any]) -> Claim:
    """An IPAddress object as a claim."""
    return Claim(owner_of(tree), parse_time(tree["metadata"]["creationTimestamp"]))


def owner_of(address: Mapping[str, Any]) -> Owner | None:
    """The Service an IPAddress belongs to; None when it is something else's."""
    parent = address["spec"].get("parentRef") or {}
    if parent.get("group") or parent.get("resource") != SERVICES.plural:
        return None
    return parent.get("namespace", ""), parent.get("name", "")


def address_tree(address: str, namespace: str, name: str, now: datetime, uid: str) -> Tree:
    """An IPAddress object."""
    family = "IPv6" if ":" in address else "IPv4"
    tree: Tree = {
        "kind": ADDRESSES.kind,
        "apiVersion": ADDRESSES.api_version,
        "metadata": {
            "name": address,
            "uid": uid,
            "creationTimestamp": format_time(now),
            "labels": {
                "ipaddress.kubernetes.io/ip-family": family,
                "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
            },
        },
        "spec": {"parentRef": {"resource": SERVICES.plural, "namespace": namespace, "name": name}},
    }
    managed_fields.track(
        tree, None, shape_of(ADDRESSES.model), manager=MANAGER, operation="Update",
        api_version=ADDRESSES.api_version, subresource="", now=now,
    )  # fmt: skip
    return tree


def differences(
    services: Iterable[Mapping[str, Any]], found: Mapping[str, Claim], now: datetime
) -> tuple[dict[str, Owner], dict[str, Owner]]:
    """What Services hold without a claim, and claims that no Service holds, each with its owner."""
    held = {
        claim: (one["metadata"]["namespace"], one["metadata"]["name"])
        for one in services
        for claim in claims_of(one["spec"])
    }
    missing = {claim: owner for claim, owner in held.items() if claim not in found}
    abandoned = {
        claim: one.owner
        for claim, one in found.items()
        if one.owner is not None and held.get(claim) != one.owner and now - one.made > ABANDONED
    }
    return missing, abandoned
