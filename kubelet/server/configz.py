"""`/configz`: what this kubelet runs with, in the words of upstream's KubeletConfiguration. Pure.

Source: k8s.io/kubelet/config/v1beta1/types.go.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from kubelet.config import Config
from kubelet.eviction.thresholds import Amount, Policy, Threshold


def duration(seconds: float) -> str:
    """As Go writes it: `1m30s`, `500ms`."""
    if seconds and seconds < 1:
        return f"{round(seconds * 1000)}ms"
    hours, rest = divmod(round(seconds), 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes}m{left}s"
    return f"{minutes}m{left}s" if minutes else f"{left}s"


def configuration(config: Config, cgroup_driver: str) -> dict[str, Any]:
    """The KubeletConfiguration."""
    eviction, garbage = config.eviction, config.garbage
    soft = {t.signal: duration(t.grace_seconds or 0) for t in _of(eviction, hard=False)}
    found = {
        "kind": "KubeletConfiguration",
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "address": config.address,
        "port": config.port,
        "healthzBindAddress": config.healthz_address,
        "healthzPort": config.healthz_port,
        "staticPodPath": str(config.manifests) if config.manifests else "",
        "tlsCertFile": config.tls_cert_file,
        "tlsPrivateKeyFile": config.tls_key_file,
        "authentication": {
            "x509": {"clientCAFile": config.client_ca_file},
            "webhook": {"enabled": True},
            "anonymous": {"enabled": False},
        },
        "authorization": {"mode": "Webhook"},
        "registerNode": config.register_node,
        "registerWithTaints": [taint.to_wire() for taint in config.register_taints],
        "clusterDomain": config.cluster_domain,
        "clusterDNS": list(config.cluster_dns),
        "resolvConf": str(config.resolv_conf),
        "nodeStatusUpdateFrequency": duration(config.status_update_seconds),
        "nodeStatusReportFrequency": duration(config.status_report_seconds),
        "nodeLeaseDurationSeconds": config.lease_seconds,
        "imageMinimumGCAge": duration(garbage.image_age_min_seconds),
        "imageGCHighThresholdPercent": garbage.image_high_percent,
        "imageGCLowThresholdPercent": garbage.image_low_percent,
        "imageMaximumGCAge": duration(garbage.image_age_max_seconds),
        "containerLogMaxSize": str(config.log_limits.bytes),
        "containerLogMaxFiles": config.log_limits.files,
        "cgroupRoot": config.cgroup_root or "/",
        "cgroupDriver": cgroup_driver,
        "maxPods": config.pods_max,
        "podCIDR": config.pod_cidr,
        "evictionHard": _amounts(_of(eviction, hard=True)),
        "evictionSoft": _amounts(_of(eviction, hard=False)),
        "evictionSoftGracePeriod": soft,
        "evictionMinimumReclaim": {
            t.signal: _amount(t.reclaim) for t in eviction.thresholds if t.reclaim != Amount()
        },
        "evictionPressureTransitionPeriod": duration(eviction.transition_seconds),
        "evictionMaxPodGracePeriod": eviction.pod_grace_seconds_max,
        "systemReserved": config.reserved,
        "containerRuntimeEndpoint": f"unix://{config.docker_socket}",
        "seccompDefault": config.seccomp_default,
        "allowedUnsafeSysctls": list(config.unsafe_sysctls),
    }
    return {key: value for key, value in found.items() if value not in ("", {}, [])}


def _of(policy: Policy, *, hard: bool) -> Sequence[Threshold]:
    return [threshold for threshold in policy.thresholds if threshold.is_hard is hard]


def _amounts(thresholds: Sequence[Threshold]) -> dict[str, str]:
    return {threshold.signal: _amount(threshold.amount) for threshold in thresholds}


def _amount(amount: Amount) -> str:
    return str(amount.units) if amount.share is None else f"{amount.share * 100:g}%"


def configz_routes(config: Config, cgroup_driver: str) -> list[BaseRoute]:
    body = json.dumps({"kubeletconfig": configuration(config, cgroup_driver)})

    async def show(request: Request) -> Response:
        return Response(body, media_type="application/json")

    return [Route("/configz", show)]
