"""For whom a pod needs tokens: what its volumes say, and the CSI drivers behind them.

Source: podReferencesAudience of plugin/pkg/admission/noderestriction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from apiserver.admission.attributes import CLAIMS, VOLUMES
from apiserver.admission.interface import Lister
from wherry.api.scheme import BY_PLURAL

CSI_DRIVERS: Final = BY_PLURAL["storage.k8s.io", "v1", "csidrivers"]
_NOTHING: Final[Mapping[str, Any]] = {}

Tree = Mapping[str, Any]


def asks_for(pod: Tree, audience: str, lister: Lister) -> bool:
    """Whether a volume of the pod needs a token for this audience ("" = the API's own)."""
    for volume in pod["spec"].get("volumes") or ():
        for source in (volume.get("projected") or _NOTHING).get("sources") or ():
            token = source.get("serviceAccountToken")
            if token is not None and (token.get("audience") or "") == audience:
                return True
        driver = (
            lister.get(CSI_DRIVERS, "", name) if (name := _driver(pod, volume, lister)) else None
        )
        requests = _spec(driver).get("tokenRequests") or ()
        if any((one.get("audience") or "") == audience for one in requests):
            return True
    return False


def _driver(pod: Tree, volume: Tree, lister: Lister) -> str:
    """The CSI driver behind a volume, directly or by a claim; "" when there is none."""
    if "csi" in volume:
        return str(volume["csi"].get("driver") or "")
    claim = (volume.get("persistentVolumeClaim") or _NOTHING).get("claimName", "")
    if "ephemeral" in volume:
        claim = f"{pod['metadata']['name']}-{volume['name']}"
    if not claim:
        return ""
    found = lister.get(CLAIMS, pod["metadata"]["namespace"], claim)
    name = _spec(found).get("volumeName")
    behind = lister.get(VOLUMES, "", name) if name else None
    return str((_spec(behind).get("csi") or _NOTHING).get("driver") or "")


def _spec(tree: Tree | None) -> Tree:
    return (tree or _NOTHING).get("spec") or _NOTHING
