"""PodNodeSelector: the pods of a namespace go to the nodes that the namespace was given. Off by default.

A namespace says so in an annotation; who says nothing gets the cluster's default. The configuration may
also say, by namespace, which labels its pods may ask for at all.

Source: plugin/pkg/admission/podnodeselector.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from apiserver.admission.attributes import NAMESPACES, PODS, is_main, refuse
from apiserver.admission.configuration import BadConfiguration, known_fields, mapping
from apiserver.admission.interface import Attributes, Lister, Plugin
from wherry.api.errors import not_found, status_error

ANNOTATION: Final = "scheduler.alpha.kubernetes.io/node-selector"
DEFAULT: Final = "clusterDefaultNodeSelector"
CONFIGURATION: Final = "podNodeSelectorPluginConfig"

Selector = Mapping[str, str]


class PodNodeSelector(Plugin):
    name = "PodNodeSelector"
    about = frozenset({PODS})

    def __init__(self, selectors: Mapping[str, Selector]) -> None:
        self._selectors = selectors

    def admit(self, attributes: Attributes, lister: Lister) -> None:
        if attributes.tree is None or not is_main(attributes, PODS, "CREATE"):
            return
        spec: dict[str, Any] = attributes.tree["spec"]
        wanted = self._of_namespace(attributes, lister)
        own: Selector = spec.get("nodeSelector") or {}
        self._check_conflict(attributes, wanted, own)
        if wanted:
            merged = {**wanted, **own}
            spec["nodeSelector"] = {key: merged[key] for key in sorted(merged)}
        self._check_allowed(attributes, spec)

    def validate(self, attributes: Attributes, lister: Lister) -> None:
        if attributes.tree is None or not is_main(attributes, PODS, "CREATE"):
            return
        spec = attributes.tree["spec"]
        wanted = self._of_namespace(attributes, lister)
        self._check_conflict(attributes, wanted, spec.get("nodeSelector") or {})
        self._check_allowed(attributes, spec)

    def _of_namespace(self, attributes: Attributes, lister: Lister) -> Selector:
        namespace = lister.get(NAMESPACES, "", attributes.namespace)
        if namespace is None:
            raise not_found("namespaces", attributes.namespace)
        text = (namespace["metadata"].get("annotations") or {}).get(ANNOTATION)
        if text is None:
            return self._selectors.get(DEFAULT) or {}
        try:
            return parse_selector(text)
        except ValueError as error:
            raise status_error("InternalError", f"Internal error occurred: {error}") from error

    def _check_conflict(self, attributes: Attributes, wanted: Selector, own: Selector) -> None:
        if any(own.get(key, value) != value for key, value in wanted.items()):
            why = "pod node label selector conflicts with its namespace node label selector"
            raise refuse(attributes, why)

    def _check_allowed(self, attributes: Attributes, spec: Mapping[str, Any]) -> None:
        allowed = self._selectors.get(attributes.namespace)
        own: Selector = spec.get("nodeSelector") or {}
        if allowed and any(allowed.get(key) != value for key, value in own.items()):
            why = "pod node label selector labels conflict with its namespace whitelist"
            raise refuse(attributes, why)


def parse_selector(text: str) -> Selector:
    """`a=1,b=2`. ValueError."""
    found: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not equals or "=" in value:
            raise ValueError(f"invalid selector: {part}")
        found[key.strip()] = value.strip()
    return found


def selectors_of(found: Any) -> Mapping[str, Selector]:
    """From the plug-in's configuration, None when there is none. BadConfiguration."""
    if found is None:
        return {}
    tree = mapping(found, "the configuration")
    known_fields(tree, "", (CONFIGURATION,))
    entries = mapping(tree.get(CONFIGURATION) or {}, CONFIGURATION)
    try:
        return {name: parse_selector(str(text or "")) for name, text in entries.items()}
    except ValueError as error:
        raise BadConfiguration(f"{CONFIGURATION}: {error}") from error
