"""Ingresses: hosts, paths and backends.

Source: ValidateIngress(Create, Update, StatusUpdate) of pkg/apis/networking/validation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from apiserver.registry.validation.words import each, invalids, ip, parse_ip
from wherry.api import names
from wherry.api.errors import FieldError, invalid, not_supported, required

Tree = Mapping[str, Any]

CLASS_ANNOTATION: Final = "kubernetes.io/ingress.class"
PATH_TYPES: Final = ("Exact", "ImplementationSpecific", "Prefix")
_NOT_IN_PATHS: Final = ("//", "/./", "/../", "%2f", "%2F")
_NOT_AT_END: Final = ("/..", "/.")
_NOT_IP: Final = "must be a DNS name, not an IP address"


def validate_ingress(tree: Tree, old: Tree | None = None) -> list[FieldError]:
    """A whole Ingress; names of secrets that were wrong before may stay."""
    spec = tree["spec"]
    rules, backend = spec.get("rules", ()), spec.get("defaultBackend")
    errors: list[FieldError] = []
    if not rules and backend is None:
        detail = "either `defaultBackend` or `rules` must be specified"
        errors.append(invalid("spec", spec.get("rules"), detail))
    if backend is not None:
        errors += _backend(backend, "spec.defaultBackend")
    lax = old is not None and _has_bad_wildcard_rule(old)
    errors += each(rules, "spec.rules", lambda rule, at: _rule(rule, at, lax=lax))
    lax_secrets = old is not None and any(
        _secret_problems(one) for one in old["spec"].get("tls", ())
    )
    errors += each(spec.get("tls", ()), "spec.tls", lambda one, at: _tls(one, at, lax=lax_secrets))
    if (name := spec.get("ingressClassName")) is not None:
        errors += invalids("spec.ingressClassName", name, names.dns1123_subdomain(name))
    return errors


def validate_new_ingress(tree: Tree) -> list[FieldError]:
    errors = validate_ingress(tree)
    annotated = tree["metadata"].get("annotations", {}).get(CLASS_ANNOTATION)
    named = tree["spec"].get("ingressClassName")
    if annotated is not None and named is not None and annotated != named:
        detail = "must match `ingressClassName` when both are specified"
        errors.append(invalid(f"annotations.{CLASS_ANNOTATION}", annotated, detail))
    return errors


def validate_ingress_status(tree: Tree) -> list[FieldError]:
    """Where the load balancer is."""
    path = "status.loadBalancer.ingress"
    return each(tree["status"]["loadBalancer"].get("ingress", ()), path, _address)


def typed_reference(reference: Tree, path: str) -> list[FieldError]:
    """A reference to an object of any kind in the same namespace."""
    errors: list[FieldError] = []
    if (group := reference.get("apiGroup")) is not None:
        errors += invalids(f"{path}.apiGroup", group, names.dns1123_subdomain(group))
    for field in ("kind", "name"):
        value, at = reference[field], f"{path}.{field}"
        errors += invalids(at, value, names.path_segment(value)) if value else [required(at)]
    return errors


def _address(one: Tree, path: str) -> list[FieldError]:
    errors = ip(one["ip"], f"{path}.ip") if one.get("ip") else []
    if hostname := one.get("hostname"):
        at = f"{path}.hostname"
        errors += invalids(at, hostname, names.dns1123_subdomain(hostname))
        if parse_ip(hostname):
            errors.append(invalid(at, hostname, _NOT_IP))
    return errors


def _host(host: str) -> list[str]:
    return names.wildcard_subdomain(host) if "*" in host else names.dns1123_subdomain(host)


def _rule(rule: Tree, path: str, *, lax: bool) -> list[FieldError]:
    errors: list[FieldError] = []
    if host := rule.get("host"):
        if parse_ip(host):
            errors.append(invalid(f"{path}.host", host, _NOT_IP))
        errors += invalids(f"{path}.host", host, _host(host))
        if lax and "*" in host:
            return errors
    return errors + _http(rule, path)


def _http(rule: Tree, path: str) -> list[FieldError]:
    if (http := rule.get("http")) is None:
        return []
    paths: Sequence[Tree] = http["paths"] or ()
    at = f"{path}.http.paths"
    return each(paths, at, _path) if paths else [required(at)]


def _path(one: Tree, path: str) -> list[FieldError]:
    kind, target, at = one["pathType"], one.get("path", ""), f"{path}.path"
    if kind is None:
        return [required(f"{path}.pathType", "pathType must be specified")]
    errors: list[FieldError] = []
    if kind not in PATH_TYPES:
        errors.append(not_supported(f"{path}.pathType", kind, PATH_TYPES))
    elif kind == "ImplementationSpecific":
        if target and not target.startswith("/"):
            errors.append(invalid(at, target, "must be an absolute path"))
    else:
        if not target.startswith("/"):
            errors.append(invalid(at, target, "must be an absolute path"))
        errors += [
            invalid(at, target, f"must not contain '{part}'")
            for part in _NOT_IN_PATHS
            if part in target
        ]
        errors += [
            invalid(at, target, f"cannot end with '{part}'")
            for part in _NOT_AT_END
            if target.endswith(part)
        ]
    return errors + _backend(one["backend"], f"{path}.backend")


def _backend(backend: Tree, path: str) -> list[FieldError]:
    resource, service = backend.get("resource"), backend.get("service")
    if resource is not None and service is not None:
        return [invalid(path, "", "cannot set both resource and service backends")]
    if resource is not None:
        return typed_reference(resource, f"{path}.resource")
    if service is None:
        return [invalid(path, "", "resource or service backend is required")]
    name, at = service["name"], f"{path}.service.name"
    errors = invalids(at, name, names.dns1123_label(name)) if name else [required(at)]
    return errors + _port(service["port"], path)


def _port(port: Tree, path: str) -> list[FieldError]:
    name, number, at = port.get("name", ""), port.get("number", 0), f"{path}.service.port"
    if name and number:
        return [invalid(path, "", "cannot set both port name & port number")]
    if name:
        return invalids(f"{at}.name", name, names.port_name(name))
    if number:
        return invalids(f"{at}.number", number, names.port_number(number))
    return [required(path, "port name or number is required")]


def _tls(one: Tree, path: str, *, lax: bool) -> list[FieldError]:
    errors = each(
        one.get("hosts", ()), f"{path}.hosts", lambda host, at: invalids(at, host, _host(host))
    )
    if not lax:
        errors += invalids(f"{path}.secretName", one.get("secretName"), _secret_problems(one))
    return errors


def _secret_problems(tls: Tree) -> list[str]:
    name = tls.get("secretName", "")
    return names.dns1123_subdomain(name) if name else []


def _has_bad_wildcard_rule(tree: Tree) -> bool:
    rules = tree["spec"].get("rules", ())
    return any("*" in rule.get("host", "") and _http(rule, "") for rule in rules)
