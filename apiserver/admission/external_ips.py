"""DenyServiceExternalIPs: no Service draws traffic to addresses of its author's choice.

Those that are there already may stay. Off by default.

Source: plugin/pkg/admission/network/denyserviceexternalips.
"""

from __future__ import annotations

from apiserver.admission.attributes import SERVICES, is_main, refuse
from apiserver.admission.interface import Attributes, Lister, Plugin


class DenyServiceExternalIPs(Plugin):
    name = "DenyServiceExternalIPs"
    about = frozenset({SERVICES})

    def validate(self, attributes: Attributes, lister: Lister) -> None:
        if attributes.tree is None or not is_main(attributes, SERVICES, "CREATE", "UPDATE"):
            return
        new = attributes.tree["spec"].get("externalIPs") or ()
        old = (attributes.old or {}).get("spec", {}).get("externalIPs") or ()
        if not set(new) <= set(old):
            raise refuse(attributes, "Use of external IPs is denied by admission control")
