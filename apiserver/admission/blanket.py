"""The simplest plug-ins, all off by default: let everything in, let nothing in, ask for the namespace.

Source: plugin/pkg/admission/{admit,deny,namespace/exists}.
"""

from __future__ import annotations

from apiserver.admission.attributes import NAMESPACES, refuse
from apiserver.admission.interface import Attributes, Lister, Plugin
from wherry.api.errors import not_found


class AlwaysAdmit(Plugin):
    """Has nothing against anything; it is there because scripts name it."""

    name = "AlwaysAdmit"


class AlwaysDeny(Plugin):
    """A server that only reads."""

    name = "AlwaysDeny"

    def admit(self, attributes: Attributes, lister: Lister) -> None:
        raise refuse(attributes, "admission control is denying all modifications")


class NamespaceExists(Plugin):
    """What is written is written in a namespace that is there. NamespaceLifecycle says it too."""

    name = "NamespaceExists"

    def validate(self, attributes: Attributes, lister: Lister) -> None:
        namespace = attributes.namespace
        if not namespace or attributes.resource is NAMESPACES:
            return
        if lister.get(NAMESPACES, "", namespace) is None:
            raise not_found("namespaces", namespace)
