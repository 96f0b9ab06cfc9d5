"""IngressClasses: which controller serves an Ingress.

Source: pkg/apis/networking/validation, pkg/apis/networking/v1/defaults.go, printIngressClass.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from apiserver.registry.printing import AGE, NAME, NONE, created
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.ingress import typed_reference
from apiserver.registry.validation.metadata import subdomain_name
from apiserver.registry.validation.words import immutable, invalids
from wherry.api import names
from wherry.api.errors import (
    FieldError,
    forbidden_field,
    invalid,
    not_supported,
    required,
    too_long,
)  # fmt: skip
from wherry.api.networking_v1 import IngressClass
from wherry.api.scheme import resource_of

CONTROLLER_MAX: Final = 250
_HTTP_PATH: Final = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"
SCOPES: Final = ("Cluster", "Namespace")
DEFAULT_ANNOTATION: Final = "ingressclass.kubernetes.io/is-default-class"


class IngressClassStrategy(Strategy):
    """The controller is for life."""

    resource = resource_of(IngressClass)
    has_generation = True
    columns = (
        NAME,
        Column("Controller", description="Who serves Ingresses of this class."),
        Column("Parameters", description="An object with more for the controller."),
        AGE,
    )

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def default(self, tree: Tree) -> None:
        parameters = tree["spec"].get("parameters")
        if parameters is not None and parameters.get("scope") is None:
            parameters["scope"] = "Cluster"

    def validate(self, tree: Tree) -> list[FieldError]:
        controller, path = tree["spec"].get("controller", ""), "spec.controller"
        if not controller:
            errors = [required(path)]
        else:
            errors = [too_long(path, CONTROLLER_MAX)] if len(controller) > CONTROLLER_MAX else []
            errors += _domain_path(controller, path)
        if (parameters := tree["spec"].get("parameters")) is not None:
            errors += _parameters(parameters, "spec.parameters")
        return errors

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        new, before = (one["spec"].get("controller", "") for one in (tree, old))
        return immutable(new, before, "spec.controller") + self.validate(tree)

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        parameters, shown = tree["spec"].get("parameters"), NONE
        if parameters:
            group = parameters.get("apiGroup")
            kind = f"{parameters['kind']}.{group}" if group else parameters["kind"]
            shown = f"{kind}/{parameters['name']}"
        return (
            tree["metadata"]["name"], tree["spec"].get("controller", ""), shown, created(tree, now),
        )  # fmt: skip


def is_default(tree: Mapping[str, Any]) -> bool:
    """Whether Ingresses without a class are of this one."""
    return bool(tree["metadata"].get("annotations", {}).get(DEFAULT_ANNOTATION) == "true")


def _domain_path(text: str, path: str) -> list[FieldError]:
    """`example.com/controller`."""
    host, _, rest = text.partition("/")
    if not host or not rest:
        return [invalid(path, text, 'must be a domain-prefixed path (such as "acme.io/foo")')]
    errors = invalids(path, host, names.dns1123_subdomain(host))
    if not re.fullmatch(_HTTP_PATH, rest):
        errors.append(invalid(path, rest, names.regex_error("Invalid path", _HTTP_PATH)))
    return errors


def _parameters(parameters: Mapping[str, Any], path: str) -> list[FieldError]:
    errors = typed_reference(parameters, path)
    scope, namespace = parameters["scope"], parameters.get("namespace")
    at = f"{path}.namespace"
    if scope not in SCOPES:
        errors.append(not_supported(f"{path}.scope", scope, SCOPES))
    elif scope == "Cluster":
        if namespace is not None:
            errors.append(forbidden_field(at, "`parameters.scope` is set to 'Cluster'"))
    elif namespace is None:
        errors.append(required(at, "`parameters.scope` is set to 'Namespace'"))
    else:
        errors += invalids(at, namespace, names.dns1123_label(namespace))
    return errors
