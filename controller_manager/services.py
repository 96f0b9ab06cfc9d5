"""What both endpoint controllers ask about a Service and the pods behind it. Pure.

Source of the rules: upstream's staging/src/k8s.io/endpointslice and pkg/controller/endpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address

from controller_manager import pods
from wherry.api.core_v1 import ObjectReference, Pod, Service
from wherry.api.core_v1.service import ServicePort

HEADLESS_LABEL = "service.kubernetes.io/headless"
LAST_CHANGE_TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"
ZONE_LABEL = "topology.kubernetes.io/zone"
IPV4, IPV6 = "IPv4", "IPv6"


def selects(service: Service, labels: Mapping[str, str]) -> bool:
    """A Service without a selector selects nothing: its endpoints are somebody else's."""
    selector = service.spec.selector
    return bool(selector) and selector.items() <= labels.items()


def has_endpoints(service: Service) -> bool:
    """Are this Service's endpoints ours to write?"""
    return bool(service.spec.selector) and service.spec.type != "ExternalName"


def is_headless(service: Service) -> bool:
    return service.spec.cluster_ip == "None"


def families(service: Service) -> list[str]:
    """The address families the Service is served in."""
    if service.spec.ip_families:
        return list(service.spec.ip_families)
    if service.spec.cluster_ip and not is_headless(service):
        return [family_of(service.spec.cluster_ip)]
    return [IPV4]


def family_of(address: str) -> str:
    return IPV4 if ip_address(address).version == 4 else IPV6


def addresses(pod: Pod, family: str) -> list[str]:
    """The pod's addresses of one family."""
    known = [one.ip for one in pod.status.pod_ips] or [pod.status.pod_ip]
    return [ip for ip in known if ip and family_of(ip) == family]


def may_be_endpoint(pod: Pod, *, include_terminating: bool) -> bool:
    if pods.is_terminal(pod) or not (pod.status.pod_ip or pod.status.pod_ips):
        return False
    return include_terminating or not pods.is_terminating(pod)


def has_hostname(pod: Pod, service: Service) -> bool:
    """Does the pod get a DNS name of its own below this Service?"""
    return bool(pod.spec.hostname) and pod.spec.subdomain == service.metadata.name


def target_of(pod: Pod) -> ObjectReference:
    metadata = pod.metadata
    return ObjectReference(
        kind="Pod", namespace=metadata.namespace, name=metadata.name, uid=metadata.uid
    )


def port_number(pod: Pod, port: ServicePort) -> int | None:
    """Where the pod listens for this Service port; None when it names a port the pod lacks."""
    target = port.target_port
    if isinstance(target, int):
        return target or port.port
    sidecars = [c for c in pod.spec.init_containers if c.restart_policy == "Always"]
    for container in [*pod.spec.containers, *sidecars]:
        for candidate in container.ports:
            protocol = candidate.protocol or "TCP"
            if candidate.name == target and protocol == (port.protocol or "TCP"):
                return candidate.container_port
    return None


def relevant(pod: Pod) -> tuple[object, ...]:
    """What of a pod endpoints depend on: two states that agree here need no work."""
    return (
        pod.metadata.labels,
        pods.is_terminating(pod),
        pods.is_terminal(pod),
        pods.is_ready(pod),
        pod.status.pod_ip,
        pod.status.pod_ips,
        pod.spec.node_name,
        pod.spec.hostname,
        pod.spec.subdomain,
    )


def affected(
    services: Iterable[Service], before: Pod | None, after: Pod | None
) -> Sequence[Service]:
    """The Services whose endpoints a pod's change may touch; the label it lost counts too."""
    if before is not None and after is not None and relevant(before) == relevant(after):
        return ()
    labels = [pod.metadata.labels for pod in (before, after) if pod is not None]
    return [s for s in services if any(selects(s, one) for one in labels)]


@dataclass
class TriggerTimes:
    """Since when the newest change of a Service's endpoints has been waiting to be published.

    Remembers, per Service, the moments already accounted for. Bounded: one entry per Service.
    """

    _service: dict[str, datetime] = field(default_factory=dict)
    _pods: dict[str, dict[str, datetime]] = field(default_factory=dict)

    def newest_change(self, key: str, service: Service, chosen: Iterable[Pod]) -> datetime | None:
        """The earliest change not yet published; None when there is none."""
        changed: list[datetime] = []
        before = self._pods.get(key, {})
        seen: dict[str, datetime] = {}
        for pod in chosen:
            moment = _changed_at(pod)
            if moment is not None:
                seen[pod.metadata.name] = moment
                known = before.get(pod.metadata.name)
                if known is None or moment > known:
                    changed.append(moment)
        created = service.metadata.creation_timestamp
        if created is not None:
            known = self._service.get(key)
            if known is None or created > known:
                changed.append(created)
            self._service[key] = created
        self._pods[key] = seen
        return min(changed, default=None)

    def forget(self, key: str) -> None:
        self._service.pop(key, None)
        self._pods.pop(key, None)


def _changed_at(pod: Pod) -> datetime | None:
    ready = pods.condition(pod, "Ready")
    if ready is not None and ready.last_transition_time is not None:
        return ready.last_transition_time
    return pod.metadata.creation_timestamp


NodeZone = Callable[[str], str | None]
