"""The admission chain: the plug-ins that are on, in upstream's order.

All `admit` (they may change the object), later all `validate` (they may only refuse). Which plug-ins have
anything to say about a resource is found out once for each resource.

Source: pkg/kubeapiserver/options/plugins.go.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from prometheus_client import CollectorRegistry

from apiserver.admission.always_pull_images import AlwaysPullImages
from apiserver.admission.anti_affinity import LimitPodHardAntiAffinityTopology
from apiserver.admission.blanket import AlwaysAdmit, AlwaysDeny, NamespaceExists
from apiserver.admission.certificate_signers import CertificateApproval, CertificateSigning
from apiserver.admission.certificate_subject import CertificateSubjectRestriction
from apiserver.admission.configuration import BadConfiguration
from apiserver.admission.default_ingress_class import DefaultIngressClass
from apiserver.admission.default_toleration_seconds import DefaultTolerationSeconds
from apiserver.admission.event_rate_limit import EventRateLimit, limits_of
from apiserver.admission.extended_resource_toleration import ExtendedResourceToleration
from apiserver.admission.external_ips import DenyServiceExternalIPs
from apiserver.admission.interface import Attributes, Lister, Operation, Plugin
from apiserver.admission.limit_ranger import LimitRanger
from apiserver.admission.namespace_lifecycle import NamespaceLifecycle
from apiserver.admission.node_restriction import NodeRestriction
from apiserver.admission.owner_references import OwnerReferencesPermissionEnforcement
from apiserver.admission.pod_node_selector import PodNodeSelector, selectors_of
from apiserver.admission.pod_security.configuration import pod_security_configuration
from apiserver.admission.pod_security.evaluations import Evaluations
from apiserver.admission.pod_security.plugin import PodSecurity
from apiserver.admission.pod_tolerations import PodTolerationRestriction, tolerations_of
from apiserver.admission.pod_topology_labels import PodTopologyLabels
from apiserver.admission.priority import Priority
from apiserver.admission.resource_quota import ResourceQuota
from apiserver.admission.runtime_class import RuntimeClass
from apiserver.admission.service_account import ServiceAccount
from apiserver.admission.storage_classes import DefaultStorageClass, PersistentVolumeClaimResize
from apiserver.admission.storage_protection import StorageObjectInUseProtection
from apiserver.admission.taint_nodes import TaintNodesByCondition
from apiserver.admission.times import AdmissionTimes, Ask
from apiserver.authz.authorizer import AlwaysAllow, Authorizer
from apiserver.request import RequestContext
from wherry.api.scheme import Resource

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    """What flags and other rooms give to plug-ins.

    configurations: what --admission-control-config-file says, by plug-in
    """

    not_ready_toleration_seconds: int = 300
    unreachable_toleration_seconds: int = 300
    authorizer: Authorizer = field(default_factory=AlwaysAllow)
    configurations: Mapping[str, Any] = field(default_factory=dict)
    metrics: CollectorRegistry | None = None


# In the order in which upstream runs them.
PLUGINS: Final[Mapping[str, Callable[[Settings], Plugin]]] = MappingProxyType(
    {
        "AlwaysAdmit": lambda settings: AlwaysAdmit(),
        "NamespaceLifecycle": lambda settings: NamespaceLifecycle(),
        "NamespaceExists": lambda settings: NamespaceExists(),
        "LimitPodHardAntiAffinityTopology": lambda settings: LimitPodHardAntiAffinityTopology(),
        "LimitRanger": lambda settings: LimitRanger(),
        "ServiceAccount": lambda settings: ServiceAccount(random.Random()),
        "NodeRestriction": lambda settings: NodeRestriction(settings.authorizer),
        "TaintNodesByCondition": lambda settings: TaintNodesByCondition(),
        "AlwaysPullImages": lambda settings: AlwaysPullImages(),
        "PodSecurity": lambda settings: PodSecurity(
            pod_security_configuration(settings.configurations.get("PodSecurity")),
            Evaluations(settings.metrics),
        ),
        "PodNodeSelector": lambda settings: PodNodeSelector(
            selectors_of(settings.configurations.get("PodNodeSelector"))
        ),
        "Priority": lambda settings: Priority(),
        "DefaultTolerationSeconds": lambda settings: DefaultTolerationSeconds(
            settings.not_ready_toleration_seconds, settings.unreachable_toleration_seconds
        ),
        "PodTolerationRestriction": lambda settings: PodTolerationRestriction(
            tolerations_of(settings.configurations.get("PodTolerationRestriction"))
        ),
        "EventRateLimit": lambda settings: EventRateLimit(
            limits_of(settings.configurations.get("EventRateLimit"))
        ),
        "ExtendedResourceToleration": lambda settings: ExtendedResourceToleration(),
        "DefaultStorageClass": lambda settings: DefaultStorageClass(),
        "StorageObjectInUseProtection": lambda settings: StorageObjectInUseProtection(),
        "OwnerReferencesPermissionEnforcement": lambda settings: (
            OwnerReferencesPermissionEnforcement(settings.authorizer)
        ),
        "PersistentVolumeClaimResize": lambda settings: PersistentVolumeClaimResize(),
        "RuntimeClass": lambda settings: RuntimeClass(),
        "CertificateApproval": lambda settings: CertificateApproval(settings.authorizer),
        "CertificateSigning": lambda settings: CertificateSigning(settings.authorizer),
        "CertificateSubjectRestriction": lambda settings: CertificateSubjectRestriction(),
        "DefaultIngressClass": lambda settings: DefaultIngressClass(),
        "DenyServiceExternalIPs": lambda settings: DenyServiceExternalIPs(),
        "PodTopologyLabels": lambda settings: PodTopologyLabels(),
        "ResourceQuota": lambda settings: ResourceQuota(),
        "AlwaysDeny": lambda settings: AlwaysDeny(),
    }
)
OFF_BY_DEFAULT: Final = frozenset(
    {
        "AlwaysAdmit", "NamespaceExists", "LimitPodHardAntiAffinityTopology", "NodeRestriction",
        "AlwaysPullImages", "PodNodeSelector", "PodTolerationRestriction", "EventRateLimit",
        "ExtendedResourceToleration", "OwnerReferencesPermissionEnforcement",
        "DenyServiceExternalIPs", "AlwaysDeny",
    }
)  # fmt: skip
# Those that read a configuration.
CONFIGURABLE: Final = frozenset(
    {"PodSecurity", "PodNodeSelector", "PodTolerationRestriction", "EventRateLimit"}
)
# On by default upstream. Their names are understood, but they are not part of Wherry (yet).
NOT_HERE: Final = (
    "PodGroupProtection", "ClusterTrustBundleAttest", "PodGroupWorkloadExists",
    "NodeDeclaredFeatureValidator", "JobValidation", "PodResizeValidator", "MutatingAdmissionPolicy", "MutatingAdmissionWebhook",
    "ValidatingAdmissionPolicy", "ValidatingAdmissionWebhook",
)  # fmt: skip
# Not run by default, and not part of Wherry: both would have to wait for others while they decide.
NEVER_HERE: Final = ("ImagePolicyWebhook", "NamespaceAutoProvision")
ALL_NAMES: Final = frozenset((*PLUGINS, *NOT_HERE, *NEVER_HERE))


class Chain:
    """Asks every plug-in in turn; the first refusal (an ApiError) ends it."""

    def __init__(
        self, plugins: Sequence[Plugin], lister: Lister, times: AdmissionTimes | None = None
    ) -> None:
        self._plugins = tuple(plugins)
        self._lister = lister
        self._times = times or AdmissionTimes()
        self._admitting: dict[Resource, tuple[tuple[str, Ask], ...]] = {}
        self._validating: dict[Resource, tuple[tuple[str, Ask], ...]] = {}

    def admit(self, attributes: Attributes) -> None:
        asked = self._admitting.get(attributes.resource)
        if asked is None:
            asked = self._of(attributes.resource, "admit")
            self._admitting[attributes.resource] = asked
        if asked:
            self._times.run("admit", asked, attributes, self._lister)

    def validate(self, attributes: Attributes) -> None:
        asked = self._validating.get(attributes.resource)
        if asked is None:
            asked = self._of(attributes.resource, "validate")
            self._validating[attributes.resource] = asked
        if asked:
            self._times.run("validate", asked, attributes, self._lister)

    def ask(
        self,
        ctx: RequestContext,
        operation: Operation,
        tree: dict[str, Any] | None,
        resource: Resource | None = None,
        subresource: str | None = None,
        name: str = "",
    ) -> None:
        """Both in one, for subresources that are not written like objects: CONNECT, and CREATE of a
        Binding, Eviction or TokenRequest. `tree` may come back changed."""
        info = ctx.info
        part = info.subresource if subresource is None else subresource
        attributes = Attributes(
            operation, resource or ctx.resource, part, info.namespace, name or info.name, tree, None,
            ctx.user, ctx.dry_run, ctx.warnings, ctx.audit_annotations,
        )  # fmt: skip
        self.admit(attributes)
        self.validate(attributes)

    def _of(self, resource: Resource, method: str) -> tuple[tuple[str, Ask], ...]:
        """The plug-ins that have this method and speak of this resource, by name."""
        return tuple(
            (plugin.name, getattr(plugin, method))
            for plugin in self._plugins
            if (plugin.about is None or resource in plugin.about)
            and getattr(type(plugin), method) is not getattr(Plugin, method)
        )


def chosen(enable: Sequence[str], disable: Sequence[str]) -> list[str]:
    """Which plug-ins --enable-admission-plugins and --disable-admission-plugins leave on."""
    both = sorted(set(enable) & set(disable))
    if both:
        raise ValueError(f"{', '.join(both)} in both --enable- and --disable-admission-plugins")
    for name in (*enable, *disable):
        if name not in ALL_NAMES:
            known = ", ".join((*PLUGINS, *NOT_HERE))
            raise ValueError(f"admission plugin {name!r} is not known (known: {known})")
    for name in enable:
        if name in NEVER_HERE:
            raise ValueError(f"admission plugin {name} is not part of Wherry")
        if name in NOT_HERE:
            log.warning("admission plugin %s is enabled, but Wherry does not run it yet", name)
    off = (OFF_BY_DEFAULT - set(enable)) | set(disable)
    return [name for name in PLUGINS if name not in off]


def plugins(names: Sequence[str], settings: Settings) -> list[Plugin]:
    """These plug-ins, configured. BadConfiguration."""
    for name in sorted(settings.configurations.keys() - CONFIGURABLE):
        log.warning("the configuration of admission plugin %s is not used", name)
    made = []
    for name in names:
        try:
            made.append(PLUGINS[name](settings))
        except BadConfiguration as error:
            raise BadConfiguration(f"{name}: {error}") from error
    return made
