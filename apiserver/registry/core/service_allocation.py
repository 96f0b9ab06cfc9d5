"""Giving a Service its addresses and ports, among those that other Services hold.

Called under the registry's lock for kinds that allocate, with every other Service at hand, so two
creations at this server never get the same number. Errors are whole refusals, as upstream's.

Source: pkg/registry/core/service/storage/alloc.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apiserver.registry.core.service_allocator import AddressRange, AllocationError, PortRange
from apiserver.registry.core.service_families import set_families
from apiserver.registry.core.service_fields import (
    LOAD_BALANCER,
    NODE_PORT,
    is_headless,
    needs_cluster_ip,
    needs_health_port,
    needs_node_ports,
)  # fmt: skip
from apiserver.registry.core.service_networks import networks
from wherry.api.errors import ApiError, FieldError, invalid, invalid_object, status_error

Spec = Mapping[str, Any]
Tree = dict[str, Any]


@dataclass(frozen=True)
class ServiceAllocator:
    """The cluster's Service networks (one for each family, the default first) and node ports.

    `cidrs` gives the ServiceCIDR objects there are, which may add networks or take the default ones away.
    """

    ranges: Sequence[AddressRange]
    ports: PortRange
    cidrs: Callable[[], Iterable[Mapping[str, Any]]] = tuple

    def set_families(self, tree: Tree, old: Mapping[str, Any] | None) -> None:
        """Decide families and their policy. ApiError when the cluster lacks what is required."""
        before = old["spec"] if old else None
        errors = set_families(tree["spec"], before, [one.family for one in self.ranges])
        if errors:
            raise _refusal(tree, errors)

    def allocate(
        self, tree: Tree, old: Mapping[str, Any] | None, others: Iterable[Mapping[str, Any]]
    ) -> None:
        """Give the Service what it lacks. ApiError when a wish can't be granted."""
        spec = tree["spec"]
        before = old["spec"] if old else {}
        specs = [one["spec"] for one in others]
        if needs_cluster_ip(spec) and not is_headless(spec):
            self._addresses(tree, before, specs)
        if spec.get("type") in (NODE_PORT, LOAD_BALANCER):
            self._node_ports(tree, before, specs)

    def _addresses(self, tree: Tree, before: Spec, others: Sequence[Spec]) -> None:
        spec = tree["spec"]
        taken = {address for one in others for address in addresses_of(one)}
        held = set(addresses_of(before))
        addresses = list(addresses_of(spec))
        for index, family in enumerate(spec.get("ipFamilies", ())):
            found = next((one for one in self.ranges if one.family == family), None)
            if found is None:
                continue
            try:
                if index >= len(addresses):
                    addresses.append(networks(found, self.cidrs()).allocate(taken))
                elif addresses[index] not in held:
                    networks(found, self.cidrs()).claim(addresses[index], taken)
            except AllocationError as error:
                if index >= len(addresses):
                    words = f"failed to allocate a serviceIP: {error}"
                    raise _internal(words) from error
                detail = f"failed to allocate IP {addresses[index]}: {error}"
                found_error = invalid("spec.clusterIPs", addresses, detail)
                raise _refusal(tree, [found_error]) from error
        if addresses:
            spec["clusterIP"], spec["clusterIPs"] = addresses[0], addresses

    def _node_ports(self, tree: Tree, before: Spec, others: Sequence[Spec]) -> None:
        spec = tree["spec"]
        held = set(node_ports_of(before))
        taken = {port for one in others for port in node_ports_of(one)}
        chosen: dict[int, int] = {}  # port → node port: protocols share one
        for index, port in enumerate(spec.get("ports", ())):
            # Without need only what is wished for is given.
            if needs_node_ports(spec) or port.get("nodePort"):
                self._node_port(tree, index, port, chosen, taken, held)
        if needs_health_port(spec):
            self._health_port(spec, taken, held)

    def _health_port(self, spec: Tree, taken: set[int], held: set[int]) -> None:
        wished = spec.get("healthCheckNodePort", 0)
        try:
            if not wished:
                spec["healthCheckNodePort"] = self.ports.allocate(taken | held)
            elif wished not in held:
                self.ports.claim(wished, taken)
        except AllocationError as error:
            which = (
                f"requested HealthCheck NodePort {wished}" if wished else "a HealthCheck NodePort 0"
            )
            raise _internal(f"failed to allocate {which}: {error}") from error

    def _node_port(
        self,
        tree: Tree,
        index: int,
        port: Tree,
        chosen: dict[int, int],
        taken: set[int],
        held: set[int],
    ) -> None:
        """Settle one port; `chosen`, `taken` grow by what it gets."""
        number, wished = port["port"], port.get("nodePort", 0)
        if not wished:
            wished = chosen.get(number) or _wish_for(number, tree["spec"]["ports"])
        if not wished:
            wished = self._next_port(taken | held)
        elif wished != chosen.get(number) and wished not in held:
            self._claim(tree, f"spec.ports[{index}].nodePort", wished, taken)
        port["nodePort"] = wished
        chosen.setdefault(number, wished)
        taken.add(wished)

    def _next_port(self, taken: set[int]) -> int:
        try:
            return self.ports.allocate(taken)
        except AllocationError as error:
            raise _internal(f"failed to allocate a nodePort: {error}") from error

    def _claim(self, tree: Tree, path: str, port: int, taken: set[int]) -> None:
        try:
            self.ports.claim(port, taken)
        except AllocationError as error:
            raise _refusal(tree, [invalid(path, port, str(error))]) from error


def _wish_for(number: int, ports: Sequence[Mapping[str, Any]]) -> int:
    """The node port that another entry with the same port names."""
    return next(
        (one["nodePort"] for one in ports if one["port"] == number and one.get("nodePort")), 0
    )


def addresses_of(spec: Spec) -> Sequence[str]:
    """The cluster addresses a Service has."""
    found = spec.get("clusterIPs") or ([spec["clusterIP"]] if spec.get("clusterIP") else [])
    return [one for one in found if one and one != "None"]


def node_ports_of(spec: Spec) -> list[int]:
    """The node ports a Service has, that of its health check too."""
    ports = [port["nodePort"] for port in spec.get("ports", ()) if port.get("nodePort")]
    health = spec.get("healthCheckNodePort")
    return [*ports, health] if health else ports


def _refusal(tree: Tree, errors: Sequence[FieldError]) -> ApiError:
    return invalid_object("", "Service", tree["metadata"].get("name", ""), errors)


def _internal(words: str) -> ApiError:
    return status_error(
        "InternalError",
        f"Internal error occurred: {words}",
        details={"causes": [{"message": words}]},
    )
