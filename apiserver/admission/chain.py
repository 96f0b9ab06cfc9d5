"""The admission chain: the plug-ins that are on, in upstream's order.

All `admit` (they may change the object), later all `validate` (they may only refuse).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from apiserver.admission.certificate_subject import CertificateSubjectRestriction
from apiserver.admission.default_ingress_class import DefaultIngressClass
from apiserver.admission.default_toleration_seconds import DefaultTolerationSeconds
from apiserver.admission.interface import AdmissionPlugin, Attributes, Lister
from apiserver.admission.limit_ranger import LimitRanger
from apiserver.admission.namespace_lifecycle import NamespaceLifecycle
from apiserver.admission.priority import Priority
from apiserver.admission.resource_quota import ResourceQuota
from apiserver.admission.runtime_class import RuntimeClass
from apiserver.admission.service_account import ServiceAccount
from apiserver.admission.storage_classes import DefaultStorageClass, PersistentVolumeClaimResize
from apiserver.admission.storage_protection import StorageObjectInUseProtection
from apiserver.admission.taint_nodes import TaintNodesByCondition


@dataclass(frozen=True, slots=True)
class Settings:
    """What flags say to plug-ins."""

    not_ready_toleration_seconds: int = 300
    unreachable_toleration_seconds: int = 300


# In the order in which upstream runs them; all are on by default.
PLUGINS: Mapping[str, Callable[[Settings], AdmissionPlugin]] = MappingProxyType(
    {
        "NamespaceLifecycle": lambda settings: NamespaceLifecycle(),
        "LimitRanger": lambda settings: LimitRanger(),
        "ServiceAccount": lambda settings: ServiceAccount(random.Random()),
        "TaintNodesByCondition": lambda settings: TaintNodesByCondition(),
        "Priority": lambda settings: Priority(),
        "DefaultTolerationSeconds": lambda settings: DefaultTolerationSeconds(
            settings.not_ready_toleration_seconds, settings.unreachable_toleration_seconds
        ),
        "DefaultStorageClass": lambda settings: DefaultStorageClass(),
        "StorageObjectInUseProtection": lambda settings: StorageObjectInUseProtection(),
        "PersistentVolumeClaimResize": lambda settings: PersistentVolumeClaimResize(),
        "RuntimeClass": lambda settings: RuntimeClass(),
        "CertificateSubjectRestriction": lambda settings: CertificateSubjectRestriction(),
        "DefaultIngressClass": lambda settings: DefaultIngressClass(),
        "ResourceQuota": lambda settings: ResourceQuota(),
    }
)


class Chain:
    """Asks every plug-in in turn; the first refusal (an ApiError) ends it."""

    def __init__(self, plugins: Sequence[AdmissionPlugin], lister: Lister) -> None:
        self._plugins = tuple(plugins)
        self._lister = lister

    def admit(self, attributes: Attributes) -> None:
        for plugin in self._plugins:
            plugin.admit(attributes, self._lister)

    def validate(self, attributes: Attributes) -> None:
        for plugin in self._plugins:
            plugin.validate(attributes, self._lister)


def plugins(
    enable: Sequence[str], disable: Sequence[str], settings: Settings
) -> list[AdmissionPlugin]:
    """The plug-ins of --enable-admission-plugins and --disable-admission-plugins."""
    both = sorted(set(enable) & set(disable))
    if both:
        raise ValueError(f"{', '.join(both)} in both --enable- and --disable-admission-plugins")
    for name in (*enable, *disable):
        if name not in PLUGINS:
            known = ", ".join(PLUGINS)
            raise ValueError(f"admission plugin {name!r} is not known (known: {known})")
    return [make(settings) for name, make in PLUGINS.items() if name not in disable]
