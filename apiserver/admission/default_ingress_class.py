"""DefaultIngressClass: an Ingress that names no class gets the newest one marked as default.

Source: kubernetes/plugin/pkg/admission/network/defaultingressclass.
"""

from __future__ import annotations

from apiserver.admission.attributes import INGRESS_CLASSES, INGRESSES, is_main, newest
from apiserver.admission.interface import Attributes, Lister, Plugin
from apiserver.registry.networking.ingressclass import is_default
from apiserver.registry.validation.ingress import CLASS_ANNOTATION


class DefaultIngressClass(Plugin):
    name = "DefaultIngressClass"
    about = frozenset({INGRESSES})

    def admit(self, attributes: Attributes, lister: Lister) -> None:
        tree = attributes.tree
        if tree is None or not is_main(attributes, INGRESSES, "CREATE"):
            return
        named = CLASS_ANNOTATION in tree["metadata"].get("annotations", {})
        if named or tree["spec"].get("ingressClassName") is not None:
            return
        found = newest(one for one in lister.list(INGRESS_CLASSES) if is_default(one))
        if found is not None:
            tree["spec"]["ingressClassName"] = found["metadata"]["name"]
