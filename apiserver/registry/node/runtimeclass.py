"""RuntimeClasses: container runtimes that pods choose among.

Source: pkg/apis/node/validation, printRuntimeClass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from apiserver.registry.printing import AGE, NAME, created
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.affinity import validate_tolerations
from apiserver.registry.validation.metadata import subdomain_name
from apiserver.registry.validation.resources import validate_resources
from apiserver.registry.validation.words import immutable, invalids, labels
from wherry.api import names
from wherry.api.errors import FieldError, duplicate, required
from wherry.api.node_v1 import RuntimeClass
from wherry.api.scheme import resource_of


class RuntimeClassStrategy(Strategy):
    """The handler is for life."""

    resource = resource_of(RuntimeClass)
    allow_create_on_update = True
    allow_unconditional_update = False
    columns = (NAME, Column("Handler", description="What the node calls the runtime."), AGE)

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def validate(self, tree: Tree) -> list[FieldError]:
        handler = tree["handler"]
        if handler:
            errors = invalids("handler", handler, names.dns1123_label(handler))
        else:
            errors = [required("handler")]
        if (overhead := tree.get("overhead")) is not None:
            limits = {"limits": overhead.get("podFixed", {})}
            errors += validate_resources(limits, "overhead")
        if (scheduling := tree.get("scheduling")) is not None:
            errors += _scheduling(scheduling, "scheduling")
        return errors

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        return immutable(tree["handler"], old["handler"], "handler")

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        return tree["metadata"]["name"], tree["handler"], created(tree, now)


def _scheduling(scheduling: Mapping[str, Any], path: str) -> list[FieldError]:
    errors = labels(scheduling.get("nodeSelector", {}), f"{path}.nodeSelector")
    tolerations = scheduling.get("tolerations", ())
    at = f"{path}.tolerations"
    errors += validate_tolerations(tolerations, at)
    for index, one in enumerate(tolerations):
        if one in tolerations[:index]:
            errors.append(duplicate(f"{at}[{index}]", one))
    return errors
