"""The controllers there are: upstream's names, their old aliases, and how each is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from controller_manager.bootstrap.controller import BootstrapSigner, TokenCleaner
from controller_manager.certificates.controller import (
    ApprovingController,
    CleaningController,
    SigningController,
)
from controller_manager.clusterroleaggregation.controller import ClusterRoleAggregationController
from controller_manager.context import Component, Context
from controller_manager.controlplanetaint.controller import ControlPlaneTaintController
from controller_manager.cronjob.controller import CronJobController
from controller_manager.daemonset.controller import DaemonSetController
from controller_manager.deployment.controller import DeploymentController
from controller_manager.disruption.controller import DisruptionController
from controller_manager.endpoints.controller import EndpointsController
from controller_manager.endpointslice.controller import EndpointSliceController
from controller_manager.endpointslicemirroring.controller import EndpointSliceMirroringController
from controller_manager.ephemeralvolume.controller import EphemeralVolumeController
from controller_manager.garbagecollector.controller import GarbageCollector
from controller_manager.job.controller import JobController
from controller_manager.legacytokens.controller import LegacyTokenCleaner
from controller_manager.namespace.controller import NamespaceController
from controller_manager.nodeipam.controller import NodeIpamController
from controller_manager.nodelifecycle.controller import NodeLifecycleController
from controller_manager.nodelifecycle.eviction_controller import TaintEvictionController
from controller_manager.nodettl.controller import NodeTtlController
from controller_manager.podautoscaler.controller import PodAutoscalerController
from controller_manager.podgc.controller import PodGcController
from controller_manager.replicaset.controller import (
    ReplicaSetController,
    ReplicationControllerController,
)
from controller_manager.rootca.controller import RootCaController
from controller_manager.serviceaccount.controller import ServiceAccountController
from controller_manager.serviceaccounttokens.controller import TokensController
from controller_manager.servicecidr.controller import ServiceCidrController
from controller_manager.statefulset.controller import StatefulSetController
from controller_manager.ttlafterfinished.controller import TtlAfterFinishedController
from controller_manager.volumebinder.controller import VolumeBinderController
from controller_manager.volumeexpander.controller import VolumeExpanderController
from controller_manager.volumeprotection.controller import (
    ClaimProtectionController,
    ClassProtectionController,
    VolumeProtectionController,
)


@dataclass(frozen=True)
class Entry:
    """A controller: its name, the name upstream once gave it, and its class.

    by_default: whether `*` means it too
    """

    name: str
    alias: str
    make: Callable[[Context], Component]
    by_default: bool = True


CONTROLLERS: tuple[Entry, ...] = (
    Entry("serviceaccount-controller", "serviceaccount", ServiceAccountController),
    Entry("serviceaccount-token-controller", "serviceaccount-token", TokensController),
    Entry(
        "legacy-serviceaccount-token-cleaner-controller",
        "legacy-service-account-token-cleaner",
        LegacyTokenCleaner,
    ),
    Entry("root-ca-certificate-publisher-controller", "root-ca-cert-publisher", RootCaController),
    Entry("namespace-controller", "namespace", NamespaceController),
    Entry("node-ipam-controller", "nodeipam", NodeIpamController),
    Entry("node-lifecycle-controller", "nodelifecycle", NodeLifecycleController),
    Entry("control-plane-taint-controller", "controlplanetaint", ControlPlaneTaintController),
    Entry("taint-eviction-controller", "taint-eviction", TaintEvictionController),
    Entry("deployment-controller", "deployment", DeploymentController),
    Entry("replicaset-controller", "replicaset", ReplicaSetController),
    Entry("daemonset-controller", "daemonset", DaemonSetController),
    Entry("statefulset-controller", "statefulset", StatefulSetController),
    Entry(
        "replicationcontroller-controller",
        "replicationcontroller",
        ReplicationControllerController,
    ),
    Entry(
        "horizontal-pod-autoscaler-controller",
        "horizontalpodautoscaling",
        PodAutoscalerController,
    ),
    Entry("disruption-controller", "disruption", DisruptionController),
    Entry("cronjob-controller", "cronjob", CronJobController),
    Entry("job-controller", "job", JobController),
    Entry("ttl-controller", "ttl", NodeTtlController),
    Entry("ttl-after-finished-controller", "ttl-after-finished", TtlAfterFinishedController),
    Entry("endpoints-controller", "endpoint", EndpointsController),
    Entry("endpointslice-controller", "endpointslice", EndpointSliceController),
    Entry(
        "endpointslice-mirroring-controller",
        "endpointslicemirroring",
        EndpointSliceMirroringController,
    ),
    Entry("persistentvolume-binder-controller", "persistentvolume-binder", VolumeBinderController),
    Entry(
        "persistentvolume-expander-controller",
        "persistentvolume-expander",
        VolumeExpanderController,
    ),
    Entry("ephemeral-volume-controller", "ephemeral-volume", EphemeralVolumeController),
    Entry(
        "persistentvolumeclaim-protection-controller",
        "pvc-protection",
        ClaimProtectionController,
    ),
    Entry("persistentvolume-protection-controller", "pv-protection", VolumeProtectionController),
    Entry(
        "volumeattributesclass-protection-controller",
        "volumeattributesclass-protection",
        ClassProtectionController,
    ),
    Entry("service-cidr-controller", "service-cidr-controller", ServiceCidrController),
    Entry("certificatesigningrequest-signing-controller", "csrsigning", SigningController),
    Entry("certificatesigningrequest-approving-controller", "csrapproving", ApprovingController),
    Entry("certificatesigningrequest-cleaner-controller", "csrcleaner", CleaningController),
    Entry("bootstrap-signer-controller", "bootstrapsigner", BootstrapSigner, by_default=False),
    Entry("token-cleaner-controller", "tokencleaner", TokenCleaner, by_default=False),
    Entry(
        "clusterrole-aggregation-controller",
        "clusterrole-aggregation",
        ClusterRoleAggregationController,
    ),
    Entry("garbage-collector-controller", "garbagecollector", GarbageCollector),
    Entry("pod-garbage-collector-controller", "podgc", PodGcController),
)

# Upstream's other controllers, by name, with the old name and why there is none here. Naming one is
# no mistake: manifests do.
ELSEWHERE: dict[str, tuple[str, str]] = {
    "resourcequota-controller": ("resourcequota", "the API server keeps the usage of quotas"),
    "validatingadmissionpolicy-status-controller": (
        "validatingadmissionpolicy-status",
        "expressions of policies are not checked for their types",
    ),
    "persistentvolume-attach-detach-controller": ("attachdetach", "volumes are never attached"),
    "storageversion-garbage-collector-controller": (
        "storage-version-gc",
        "API servers publish no storage versions",
    ),
    "storage-version-migrator-controller": ("", "one version of each kind is stored"),
    "resourceclaim-controller": ("resource-claim-controller", "devices are not allocated"),
    "device-taint-eviction-controller": ("", "devices are not allocated"),
    "resourcepoolstatusrequest-controller": ("", "devices are not allocated"),
    "podgroup-protection-controller": ("", "an alpha feature, off by default"),
    "podcertificaterequest-cleaner-controller": ("", "an alpha feature, off by default"),
    "kube-apiserver-serving-clustertrustbundle-publisher-controller": (
        "",
        "an alpha feature, off by default",
    ),
    "selinux-warning-controller": ("", "off by default"),
    "service-lb-controller": ("service", "there is no cloud provider"),
    "node-route-controller": ("route", "there is no cloud provider"),
    "cloud-node-lifecycle-controller": ("cloud-node-lifecycle", "there is no cloud provider"),
}


def chosen(wishes: Sequence[str]) -> list[Entry]:
    """The entries that `--controllers` asks for; ValueError names one that does not exist."""
    known = {name for entry in CONTROLLERS for name in (entry.name, entry.alias)}
    known |= {name for full, (alias, _) in ELSEWHERE.items() for name in (full, alias) if name}
    for wish in wishes:
        if wish != "*" and wish.removeprefix("-") not in known:
            raise ValueError(f"{wish.removeprefix('-')!r} is not in the list of known controllers")
    return [entry for entry in CONTROLLERS if _wanted(entry, wishes)]


def asked_in_vain(wishes: Sequence[str]) -> list[str]:
    """Sentences about controllers that were asked for by name and have no task here."""
    return [
        f"{full} has nothing to do: {why}"
        for full, (alias, why) in ELSEWHERE.items()
        if full in wishes or (alias and alias in wishes)
    ]


def _wanted(entry: Entry, wishes: Sequence[str]) -> bool:
    names = (entry.name, entry.alias)
    if any(name in wishes for name in names):
        return True
    if any(f"-{name}" in wishes for name in names):
        return False
    return entry.by_default and "*" in wishes
