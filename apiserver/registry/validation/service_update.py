"""What may change in a Service, and what its status may say.

Source: ValidateServiceUpdate, ValidateServiceStatusUpdate of pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.registry.core.service_fields import (
    EXTERNAL_NAME,
    LOAD_BALANCER,
    needs_health_port,
)
from apiserver.registry.validation.service import validate_service
from apiserver.registry.validation.words import invalids, ip, parse_ip
from wherry.api import names
from wherry.api.errors import FieldError, forbidden_field, invalid

Tree = Mapping[str, Any]


def validate_service_update(tree: Tree, old: Tree) -> list[FieldError]:
    """A primary address and family are for life (of the same kind of Service)."""
    new, before = tree["spec"], old["spec"]
    errors: list[FieldError] = []
    if EXTERNAL_NAME not in (new.get("type"), before.get("type")):
        for field, named in (("clusterIPs", "clusterIP"), ("ipFamilies", "ipFamily")):
            found, previous = new.get(field, []), before.get(field, [])
            if not previous:
                continue
            path = f"spec.{field}[0]"
            shown = new.get("clusterIPs", [])  # of families, too: so upstream
            if not found:
                errors.append(invalid(path, found or None, f"primary {named} can not be unset"))
            elif found[0] != previous[0]:
                errors.append(invalid(path, shown, "may not change once set"))
    errors += _load_balancer_class(new, before)
    if needs_health_port(new) and needs_health_port(before):
        path = "spec.healthCheckNodePort"
        if new.get("healthCheckNodePort") != before.get("healthCheckNodePort"):
            errors.append(forbidden_field(path, "field is immutable"))
    return errors + validate_service(tree)


def _load_balancer_class(new: Tree, before: Tree) -> list[FieldError]:
    field = "loadBalancerClass"
    if new.get("type") != LOAD_BALANCER or before.get("type") != LOAD_BALANCER:
        return []
    if new.get(field) == before.get(field):
        return []
    return [invalid(f"spec.{field}", new.get(field), "may not change once set")]


def validate_service_status(tree: Tree) -> list[FieldError]:
    """What a cloud controller wrote about the load balancer."""
    ingress = tree["status"]["loadBalancer"].get("ingress", ())
    path = "status.loadBalancer.ingress"
    if ingress and tree["spec"].get("type") != LOAD_BALANCER:
        detail = "may only be used when `spec.type` is 'LoadBalancer'"
        return [forbidden_field(path, detail)]
    errors: list[FieldError] = []
    for index, one in enumerate(ingress):
        if address := one.get("ip"):
            errors += ip(address, f"{path}[{index}].ip")
        if hostname := one.get("hostname"):
            at = f"{path}[{index}].hostname"
            errors += invalids(at, hostname, names.dns1123_subdomain(hostname))
            if parse_ip(hostname):
                detail = "must be a DNS name, not an IP address"
                errors.append(invalid(at, hostname, detail))
    return errors
