"""NamespaceLifecycle: nothing is made in a namespace that is missing or going; some never go.

Source: k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle.
"""

from __future__ import annotations

from apiserver.admission.attributes import NAMESPACES, refuse
from apiserver.admission.interface import Attributes, Lister, Plugin
from wherry.api.errors import not_found

IMMORTAL = frozenset({"default", "kube-system", "kube-public"})


class NamespaceLifecycle(Plugin):
    name = "NamespaceLifecycle"

    def admit(self, attributes: Attributes, lister: Lister) -> None:
        if attributes.resource is NAMESPACES:
            if attributes.operation == "DELETE" and attributes.name in IMMORTAL:
                raise refuse(attributes, "this namespace may not be deleted")
            return
        if not attributes.namespace or attributes.operation not in ("CREATE", "UPDATE"):
            return
        namespace = lister.get(NAMESPACES, "", attributes.namespace)
        if namespace is None:
            raise not_found("namespaces", attributes.namespace)
        phase = namespace.get("status", {}).get("phase")
        if attributes.operation == "CREATE" and phase == "Terminating":
            raise self._terminating(attributes)

    def _terminating(self, attributes: Attributes) -> Exception:
        namespace = attributes.namespace
        error = refuse(
            attributes,
            f"unable to create new content in namespace {namespace} because it is being terminated",
        )
        cause = {
            "reason": "NamespaceTerminating",
            "message": f"namespace {namespace} is being terminated",
            "field": "metadata.namespace",
        }
        details = error.status.setdefault("details", {})
        details["causes"] = [*details.get("causes", ()), cause]
        return error
