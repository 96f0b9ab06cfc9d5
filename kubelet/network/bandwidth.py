"""A pod's bandwidth annotations, as the `bandwidth` plug-in's capability wants them. Pure.

Source: upstream's pkg/util/bandwidth/utils.go, and what containerd makes of it.
"""

from __future__ import annotations

from collections.abc import Mapping

from kubelet.network.plugins import NetworkError
from wherry.api import quantity
from wherry.api.core_v1 import Pod

INGRESS, EGRESS = "kubernetes.io/ingress-bandwidth", "kubernetes.io/egress-bandwidth"
BITS_MIN, BITS_MAX = 1_000, 1_000_000_000_000_000
BURST = (1 << 31) - 1  # bits: no limit of its own; what the plug-in's kernel call holds


def bandwidth(pod: Pod) -> Mapping[str, int] | None:
    """Bits per second each way; None when the pod says nothing. NetworkError for a wrong value."""
    found: dict[str, int] = {}
    for name, way in ((INGRESS, "ingress"), (EGRESS, "egress")):
        text = pod.metadata.annotations.get(name)
        if text is None:
            continue
        try:
            bits = quantity.value(text)
        except ValueError as error:
            raise NetworkError(f"annotation {name}: {error}") from error
        if not BITS_MIN <= bits <= BITS_MAX:
            size = "small (< 1kbit)" if bits < BITS_MIN else "large (> 1Pbit)"
            raise NetworkError(f"annotation {name}: resource {text} is unreasonably {size}")
        found |= {f"{way}Rate": bits, f"{way}Burst": BURST}
    return found or None
