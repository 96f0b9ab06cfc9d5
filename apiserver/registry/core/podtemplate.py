"""PodTemplates: templates that stand alone.

Source: pkg/registry/core/podtemplate/strategy.go, ValidatePodTemplate, printPodTemplate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from apiserver.registry.core.pod_defaults import default_template
from apiserver.registry.printing import NAME, containers, label_map
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.metadata import subdomain_name
from apiserver.registry.validation.pod_template import validate_template
from apiserver.registry.validation.pod_warnings import changed_template_warnings
from wherry.api.core_v1 import PodTemplate
from wherry.api.errors import FieldError
from wherry.api.scheme import resource_of


class PodTemplateStrategy(Strategy):
    """Nothing acts on them."""

    resource = resource_of(PodTemplate)
    has_generation = True
    columns = (
        NAME,
        Column("Containers", description="Names of the template's containers."),
        Column("Images", description="Images of the template's containers."),
        Column("Pod Labels", description="Labels of the template."),
    )

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def default(self, tree: Tree) -> None:
        default_template(tree["template"])

    def validate(self, tree: Tree) -> list[FieldError]:
        return validate_template(tree["template"], "template")

    def warnings(self, tree: Tree, old: Mapping[str, Any] | None) -> list[str]:
        before = None if old is None else old["template"]
        return changed_template_warnings(tree["template"], before, "template")

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        template = tree["template"]
        named, images = containers(template["spec"])
        labels = label_map(template["metadata"].get("labels"))
        return (tree["metadata"]["name"], named, images, labels)
