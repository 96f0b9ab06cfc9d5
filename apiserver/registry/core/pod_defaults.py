"""The defaults of pods and pod templates.

A template gets what every pod spec gets; a Pod itself also gets requests from limits, host ports on
the host network and service links. Defaults run on every write, so they look only where a value is.

Source: pkg/apis/core/v1/defaults.go and zz_generated.defaults.go, pkg/util/parsers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from apiserver.registry.validation.ports import TCP
from wherry.api import quantity

Tree = dict[str, Any]

FILE_MODE: Final = 0o644
GRACE_SECONDS: Final = 30
TOKEN_SECONDS: Final = 3600
SCHEDULER: Final = "default-scheduler"
TERMINATION_LOG: Final = "/dev/termination-log"
CONTAINER_LISTS: Final = ("containers", "initContainers", "ephemeralContainers")

_PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
_REFERENCE = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9._-]*(:\d+)?/)?[A-Za-z0-9][A-Za-z0-9._/-]*"  # only a host has a port
    r"(:(?P<tag>\w[\w.-]{0,127}))?(?P<digest>@[A-Za-z][\w+.-]*:[0-9a-fA-F]{32,})?",
    re.ASCII,
)


def default_pod(tree: Tree) -> None:
    """Write the defaults of a Pod."""
    spec = tree["spec"]
    host_network = spec.get("hostNetwork", False)
    for field in ("containers", "initContainers"):
        for container in spec.get(field) or ():
            _requests_from_limits(container["resources"])
            if host_network:
                _host_ports(container)
    if resources := spec.get("resources"):
        _pod_resources(resources, spec)
    spec.setdefault("enableServiceLinks", True)
    default_pod_spec(spec)
    _addresses(tree["status"])


def default_template(template: Tree) -> None:
    """Write the defaults of a pod template."""
    default_pod_spec(template["spec"])


def default_pod_spec(spec: Tree) -> None:
    """What templates and pods have in common."""
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", GRACE_SECONDS)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", SCHEDULER)
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:  # one field under two names
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    if "volumes" in spec:
        for volume in spec["volumes"]:
            _volume(volume)
    for field in CONTAINER_LISTS:
        for container in spec.get(field) or ():
            _container(container)


def pull_policy(image: str) -> str:
    """`latest`, said or meant, is pulled always; anything else when it is absent."""
    match = _REFERENCE.fullmatch(image)
    if match is None:
        return "IfNotPresent"
    tag = match["tag"] or ("" if match["digest"] else "latest")
    return "Always" if tag == "latest" else "IfNotPresent"


def _container(container: Tree) -> None:
    for port in container.get("ports", ()):
        port.setdefault("protocol", TCP)
    if "env" in container:
        for variable in container["env"]:
            if source := variable.get("valueFrom"):
                _value_source(source)
    if resources := container.get("resources"):
        _round_resources(resources)
    for field in _PROBES:
        if (probe := container.get(field)) is not None:
            _probe(probe)
    if lifecycle := container.get("lifecycle"):
        for field in ("postStart", "preStop"):
            if handler := lifecycle.get(field):
                _http_get(handler)
    container.setdefault("terminationMessagePath", TERMINATION_LOG)
    container.setdefault("terminationMessagePolicy", "File")
    if "imagePullPolicy" not in container:
        container["imagePullPolicy"] = pull_policy(container.get("image", ""))


def _value_source(source: Tree) -> None:
    if (reference := source.get("fieldRef")) is not None:
        reference.setdefault("apiVersion", "v1")
    if (key := source.get("fileKeyRef")) is not None:
        key.setdefault("optional", False)


def _probe(probe: Tree) -> None:
    _http_get(probe)
    if (grpc := probe.get("grpc")) is not None and grpc.get("service") is None:
        grpc["service"] = ""
    probe.setdefault("timeoutSeconds", 1)
    probe.setdefault("periodSeconds", 10)
    probe.setdefault("successThreshold", 1)
    probe.setdefault("failureThreshold", 3)


def _http_get(handler: Tree) -> None:
    if (get := handler.get("httpGet")) is not None:
        get.setdefault("path", "/")
        get.setdefault("scheme", "HTTP")


def _round_resources(resources: Tree) -> None:
    """Amounts finer than a thousandth are rounded up to one."""
    for field in ("limits", "requests"):
        for name, amount in resources.get(field, {}).items():
            if amount[-1] in "nu":
                resources[field][name] = quantity.format_milli(quantity.milli(amount))


def _requests_from_limits(resources: Tree) -> None:
    if limits := resources.get("limits"):
        requests = resources.setdefault("requests", {})
        for name, amount in limits.items():
            requests.setdefault(name, amount)


def _pod_resources(resources: Tree, spec: Mapping[str, Any]) -> None:
    """Pod-level requests come from the containers' sum where they have one, else from limits."""
    requests = resources.setdefault("requests", {})
    for name in resources.get("limits", {}):
        if name in requests:
            continue
        amounts = [
            container["resources"].get("requests", {}).get(name)
            for container in spec.get("containers") or ()
        ]
        if amounts and all(amounts):
            total = sum(quantity.milli(one) for one in amounts if one)
            requests[name] = (
                quantity.format_milli(total)
                if total % 1000
                else quantity.format_value(total // 1000, binary=name != "cpu")
            )
        else:
            requests[name] = resources["limits"][name]
    if not requests:
        del resources["requests"]


def _host_ports(container: Tree) -> None:
    for port in container.get("ports", ()):
        port.setdefault("hostPort", port["containerPort"])


def _addresses(status: Tree) -> None:
    """`podIP` is the first of `podIPs`."""
    if address := status.get("podIP"):
        addresses = status.get("podIPs")
        if not addresses or addresses[0].get("ip") != address:
            status["podIPs"] = [{"ip": address}]
    elif addresses := status.get("podIPs"):
        status["podIP"] = addresses[0].get("ip", "")


# ---- volumes


def _volume(volume: Tree) -> None:
    if len(volume) == 1:  # a name and no source
        volume["emptyDir"] = {}
        return
    default_sources(volume)


def default_sources(volume: Tree) -> None:
    """Where a volume's data is: of a pod's volume, or of a PersistentVolume's spec."""
    for kind, source in volume.items():
        if default := _VOLUMES.get(kind):
            default(source)


def _file_mode(source: Tree) -> None:
    source.setdefault("defaultMode", FILE_MODE)


def _downward(source: Tree) -> None:
    _file_mode(source)
    _field_references(source)


def _field_references(source: Tree) -> None:
    for item in source.get("items", ()):
        if (reference := item.get("fieldRef")) is not None:
            reference.setdefault("apiVersion", "v1")


def _projected(source: Tree) -> None:
    _file_mode(source)
    for one in source.get("sources") or ():
        if (downward := one.get("downwardAPI")) is not None:
            _field_references(downward)
        if (token := one.get("serviceAccountToken")) is not None:
            token.setdefault("expirationSeconds", TOKEN_SECONDS)


def _image(source: Tree) -> None:
    source.setdefault("pullPolicy", pull_policy(source.get("reference", "")))


def _ephemeral(source: Tree) -> None:
    if template := source.get("volumeClaimTemplate"):
        template["spec"].setdefault("volumeMode", "Filesystem")


def _constants(**defaults: Any) -> Callable[[Tree], None]:
    def apply(source: Tree) -> None:
        for field, value in defaults.items():
            source.setdefault(field, value)

    return apply


_VOLUMES: Final[Mapping[str, Callable[[Tree], None]]] = {
    "configMap": _file_mode,
    "secret": _file_mode,
    "downwardAPI": _downward,
    "projected": _projected,
    "image": _image,
    "ephemeral": _ephemeral,
    "hostPath": _constants(type=""),
    "iscsi": _constants(iscsiInterface="default"),
    "rbd": _constants(pool="rbd", user="admin", keyring="/etc/ceph/keyring"),
    "azureDisk": _constants(cachingMode="ReadWrite", fsType="ext4", readOnly=False, kind="Shared"),
    "scaleIO": _constants(storageMode="ThinProvisioned", fsType="xfs"),
}
