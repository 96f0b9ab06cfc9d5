"""`--config`: a KubeletConfiguration file, read as the flags that say the same. Flags given win.

Source: k8s.io/kubelet/config/v1beta1/types.go.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from wherry.daemon.process import StartError

log = logging.getLogger(__name__)

KIND, GROUP = "KubeletConfiguration", "kubelet.config.k8s.io/"
FLAGS = {
    "address": "address", "port": "port", "healthzBindAddress": "healthz-bind-address",
    "healthzPort": "healthz-port", "staticPodPath": "pod-manifest-path",
    "tlsCertFile": "tls-cert-file", "tlsPrivateKeyFile": "tls-private-key-file",
    "authentication.x509.clientCAFile": "client-ca-file", "rotateCertificates": "rotate-certificates",
    "serverTLSBootstrap": "rotate-server-certificates", "registerNode": "register-node",
    "registerWithTaints": "register-with-taints", "clusterDomain": "cluster-domain",
    "clusterDNS": "cluster-dns", "resolvConf": "resolv-conf", "maxPods": "max-pods",
    "podCIDR": "pod-cidr", "cgroupRoot": "cgroup-root", "seccompDefault": "seccomp-default",
    "allowedUnsafeSysctls": "allowed-unsafe-sysctls",
    "containerRuntimeEndpoint": "container-runtime-endpoint",
    "nodeStatusUpdateFrequency": "node-status-update-frequency",
    "nodeStatusReportFrequency": "node-status-report-frequency",
    "nodeLeaseDurationSeconds": "node-lease-duration-seconds",
    "imageMinimumGCAge": "minimum-image-ttl-duration", "imageMaximumGCAge": "image-maximum-gc-age",
    "imageGCHighThresholdPercent": "image-gc-high-threshold",
    "imageGCLowThresholdPercent": "image-gc-low-threshold",
    "containerLogMaxSize": "container-log-max-size", "containerLogMaxFiles": "container-log-max-files",
    "evictionHard": "eviction-hard", "evictionSoft": "eviction-soft",
    "evictionSoftGracePeriod": "eviction-soft-grace-period",
    "evictionMinimumReclaim": "eviction-minimum-reclaim",
    "evictionPressureTransitionPeriod": "eviction-pressure-transition-period",
    "evictionMaxPodGracePeriod": "eviction-max-pod-grace-period",
    "systemReserved": "system-reserved", "kubeReserved": "kube-reserved", "logging.verbosity": "v",
}  # fmt: skip
_BELOW = {"evictionHard": "<", "evictionSoft": "<"}  # other maps are written with `=`
# What we do anyway, as long as nothing else is asked for.
_OURS: Mapping[str, Any] = {
    "authentication.anonymous.enabled": False, "authentication.webhook.enabled": True,
    "authorization.mode": "Webhook", "failSwapOn": False, "enableServer": True,
}  # fmt: skip


def with_file(arguments: Sequence[str], path: str) -> list[str]:
    """The arguments, and before them what the file says and they don't; StartError when it can't be used."""
    try:
        tree = yaml.safe_load(Path(path).read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise StartError(f"--config: {path} can't be read: {error}") from error
    kind = f"{GROUP}v1beta1, kind {KIND}"
    if not isinstance(tree, dict):
        raise StartError(f"--config: {path} is no {KIND}", f"write it as apiVersion {kind}")
    if tree.pop("kind", "") != KIND or not str(tree.pop("apiVersion", "")).startswith(GROUP):
        raise StartError(f"--config: {path} is no {KIND}", f"write it as apiVersion {kind}")
    given = {word.partition("=")[0] for word in arguments if word.startswith("--")}
    return [*(word for word in flags(tree) if word.partition("=")[0] not in given), *arguments]


def flags(tree: Mapping[str, Any]) -> Iterator[str]:
    """What a configuration says, as flags; what we have no flag for is logged."""
    for field, value in _leaves(tree):
        if value is None or _OURS.get(field, ...) == value:
            continue
        if field in FLAGS:
            yield f"--{FLAGS[field]}={_text(field, value)}"
        else:
            log.warning("--config: %s is not honoured", field)


def _leaves(tree: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in tree.items():
        field = f"{above}{name}"
        if isinstance(value, dict) and field not in FLAGS:
            yield from _leaves(value, f"{field}.")
        else:
            yield field, value


def _text(field: str, value: Any) -> str:
    if field == "registerWithTaints":
        return ",".join(f"{t['key']}={t.get('value', '')}:{t['effect']}" for t in value)
    if isinstance(value, dict):
        return ",".join(f"{key}{_BELOW.get(field, '=')}{text}" for key, text in value.items())
    if isinstance(value, list):
        return ",".join(map(str, value))
    if field == "cgroupRoot" and value == "/":
        return ""
    return str(value)
