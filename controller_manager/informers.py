"""The caches that all controllers share: one informer per kind, made when first asked for.

What a controller does not read is dropped before it is kept (`slim`), and kinds of which only one
name per namespace matters are watched by that name: memory is the price of a cache.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from controller_manager.ownership import controller_of
from controller_manager.slimming import PodSlimmer, slim_metadata
from controller_manager.volumebinder import local_path
from controller_manager.volumeprotection.plan import claims_of
from wherry.api.apps_v1 import (
    ControllerRevision,
    DaemonSet,
    Deployment,
    ReplicaSet,
    StatefulSet,
)
from wherry.api.autoscaling_v2 import HorizontalPodAutoscaler
from wherry.api.batch_v1 import CronJob, Job
from wherry.api.certificates_v1 import CertificateSigningRequest
from wherry.api.coordination_v1 import Lease
from wherry.api.core_v1 import (
    ConfigMap,
    Endpoints,
    Namespace,
    Node,
    PersistentVolume,
    PersistentVolumeClaim,
    Pod,
    ReplicationController,
    Secret,
    Service,
    ServiceAccount,
)
from wherry.api.discovery_v1 import EndpointSlice
from wherry.api.model import TypedModel
from wherry.api.networking_v1 import IPAddress, ServiceCIDR
from wherry.api.policy_v1 import PodDisruptionBudget
from wherry.api.rbac_v1 import ClusterRole
from wherry.api.scheme import Resource
from wherry.api.storage_v1 import StorageClass, VolumeAttributesClass
from wherry.client.informer import Informer
from wherry.client.rest import Client
from wherry.client.store import meta_of

ROOT_CA_CONFIGMAP = "kube-root-ca.crt"
DEFAULT_ACCOUNT = "default"
NODE_LEASES = "kube-node-lease"
TOKEN_SECRETS = "kubernetes.io/service-account-token"
BOOTSTRAP_TOKEN = "bootstrap.kubernetes.io/token"
SERVICE_LABEL = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by=endpointslice-controller.k8s.io"
MIRRORED_BY = "endpointslice.kubernetes.io/managed-by=endpointslicemirroring-controller.k8s.io"

BY_NODE = "node"
BY_CONTROLLER = "controller"
ORPHANS = "orphans"  # by namespace
BY_SERVICE = "service"
BY_CLAIM = "claim"  # pods that mount a PersistentVolumeClaim, by its key
BY_TRACKING_JOB = "job"  # pods that a Job still has to count, by the Job's key
JOB_TRACKING = "batch.kubernetes.io/job-tracking"


def controller_uid(obj: TypedModel) -> list[str]:
    reference = controller_of(meta_of(obj))
    return [reference.uid] if reference else []


def orphan_of(obj: TypedModel) -> list[str]:
    metadata = meta_of(obj)
    return [] if controller_of(metadata) else [metadata.namespace]


def node_of(pod: Pod) -> list[str]:
    return [pod.spec.node_name] if pod.spec.node_name else []


def service_of(piece: EndpointSlice) -> list[str]:
    name = piece.metadata.labels.get(SERVICE_LABEL, "")
    return [f"{piece.metadata.namespace}/{name}"] if name else []


def tracking_job_of(pod: Pod) -> list[str]:
    """The key of the Job that has yet to count the pod; `namespace/` when no Job controls it."""
    if JOB_TRACKING not in pod.metadata.finalizers:
        return []
    reference = controller_of(pod.metadata)
    name = reference.name if reference is not None and reference.kind == "Job" else ""
    return [f"{pod.metadata.namespace}/{name}"]


# Informers without a selector, by resource.
WHOLE = {
    ("", "pods"): "pods",
    ("", "nodes"): "nodes",
    ("", "services"): "services",
    ("", "endpoints"): "endpoints",
    ("", "namespaces"): "namespaces",
    ("", "persistentvolumeclaims"): "claims",
    ("", "persistentvolumes"): "volumes",
    ("storage.k8s.io", "volumeattributesclasses"): "attributes_classes",
    ("apps", "deployments"): "deployments",
    ("apps", "replicasets"): "replica_sets",
    ("apps", "daemonsets"): "daemon_sets",
    ("apps", "statefulsets"): "stateful_sets",
    ("apps", "controllerrevisions"): "controller_revisions",
    ("batch", "jobs"): "jobs",
    ("", "replicationcontrollers"): "replication_controllers",
    ("policy", "poddisruptionbudgets"): "disruption_budgets",
    ("batch", "cronjobs"): "cron_jobs",
    ("certificates.k8s.io", "certificatesigningrequests"): "certificate_requests",
    ("networking.k8s.io", "servicecidrs"): "service_cidrs",
    ("networking.k8s.io", "ipaddresses"): "addresses",
    ("rbac.authorization.k8s.io", "clusterroles"): "cluster_roles",
}


class Informers:
    """Every property is an informer; `made` are those somebody asked for, to be run."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.made: list[Informer[Any]] = []

    @cached_property
    def pods(self) -> Informer[Pod]:
        indexers = {
            BY_NODE: node_of,
            BY_CONTROLLER: controller_uid,
            ORPHANS: orphan_of,
            BY_TRACKING_JOB: tracking_job_of,
            BY_CLAIM: claims_of,
        }
        return self._keep(Informer(self._client, Pod, indexers=indexers, transform=PodSlimmer()))

    @cached_property
    def nodes(self) -> Informer[Node]:
        return self._keep(Informer(self._client, Node, transform=slim_node))

    @cached_property
    def services(self) -> Informer[Service]:
        return self._keep(Informer(self._client, Service))

    @cached_property
    def endpoints(self) -> Informer[Endpoints]:
        return self._keep(Informer(self._client, Endpoints))

    @cached_property
    def endpoint_slices(self) -> Informer[EndpointSlice]:
        return self._keep(
            Informer(
                self._client,
                EndpointSlice,
                label_selector=MANAGED_BY,
                indexers={BY_SERVICE: service_of},
            )
        )

    @cached_property
    def mirrored_slices(self) -> Informer[EndpointSlice]:
        return self._keep(
            Informer(
                self._client,
                EndpointSlice,
                label_selector=MIRRORED_BY,
                indexers={BY_SERVICE: service_of},
            )
        )

    @cached_property
    def deployments(self) -> Informer[Deployment]:
        return self._keep(Informer(self._client, Deployment))

    @cached_property
    def replica_sets(self) -> Informer[ReplicaSet]:
        indexers = {BY_CONTROLLER: controller_uid, ORPHANS: orphan_of}
        return self._keep(Informer(self._client, ReplicaSet, indexers=indexers))

    @cached_property
    def autoscalers(self) -> Informer[HorizontalPodAutoscaler]:
        return self._keep(Informer(self._client, HorizontalPodAutoscaler))

    @cached_property
    def jobs(self) -> Informer[Job]:
        return self._keep(Informer(self._client, Job, indexers={BY_CONTROLLER: controller_uid}))

    @cached_property
    def cron_jobs(self) -> Informer[CronJob]:
        return self._keep(Informer(self._client, CronJob))

    @cached_property
    def daemon_sets(self) -> Informer[DaemonSet]:
        return self._keep(Informer(self._client, DaemonSet))

    @cached_property
    def stateful_sets(self) -> Informer[StatefulSet]:
        return self._keep(Informer(self._client, StatefulSet))

    @cached_property
    def controller_revisions(self) -> Informer[ControllerRevision]:
        indexers = {BY_CONTROLLER: controller_uid, ORPHANS: orphan_of}
        return self._keep(Informer(self._client, ControllerRevision, indexers=indexers))

    @cached_property
    def claims(self) -> Informer[PersistentVolumeClaim]:
        return self._keep(Informer(self._client, PersistentVolumeClaim))

    @cached_property
    def volumes(self) -> Informer[PersistentVolume]:
        return self._keep(Informer(self._client, PersistentVolume))

    @cached_property
    def storage_classes(self) -> Informer[StorageClass]:
        return self._keep(Informer(self._client, StorageClass))

    @cached_property
    def volume_cleaners(self) -> Informer[Pod]:
        """The pods that delete what lay behind volumes."""
        return self._keep(
            Informer(
                self._client, Pod, namespace=local_path.NAMESPACE,
                label_selector=local_path.CLEANER_LABEL,
            )
        )  # fmt: skip

    @cached_property
    def attributes_classes(self) -> Informer[VolumeAttributesClass]:
        return self._keep(Informer(self._client, VolumeAttributesClass))

    @cached_property
    def replication_controllers(self) -> Informer[ReplicationController]:
        indexers = {BY_CONTROLLER: controller_uid}
        return self._keep(Informer(self._client, ReplicationController, indexers=indexers))

    @cached_property
    def disruption_budgets(self) -> Informer[PodDisruptionBudget]:
        return self._keep(Informer(self._client, PodDisruptionBudget))

    @cached_property
    def service_cidrs(self) -> Informer[ServiceCIDR]:
        return self._keep(Informer(self._client, ServiceCIDR))

    @cached_property
    def addresses(self) -> Informer[IPAddress]:
        return self._keep(Informer(self._client, IPAddress, transform=slim_address))

    @cached_property
    def certificate_requests(self) -> Informer[CertificateSigningRequest]:
        return self._keep(Informer(self._client, CertificateSigningRequest))

    @cached_property
    def cluster_roles(self) -> Informer[ClusterRole]:
        return self._keep(Informer(self._client, ClusterRole))

    @cached_property
    def namespaces(self) -> Informer[Namespace]:
        return self._keep(Informer(self._client, Namespace))

    @cached_property
    def default_accounts(self) -> Informer[ServiceAccount]:
        """ServiceAccounts named `default` only."""
        selector = f"metadata.name={DEFAULT_ACCOUNT}"
        return self._keep(Informer(self._client, ServiceAccount, field_selector=selector))

    @cached_property
    def accounts(self) -> Informer[ServiceAccount]:
        return self._keep(Informer(self._client, ServiceAccount))

    @cached_property
    def token_secrets(self) -> Informer[Secret]:
        """Secrets that hold tokens of service accounts only."""
        selector = f"type={TOKEN_SECRETS}"
        return self._keep(Informer(self._client, Secret, field_selector=selector))

    @cached_property
    def root_ca_maps(self) -> Informer[ConfigMap]:
        """ConfigMaps named `kube-root-ca.crt` only."""
        selector = f"metadata.name={ROOT_CA_CONFIGMAP}"
        return self._keep(Informer(self._client, ConfigMap, field_selector=selector))

    @cached_property
    def bootstrap_tokens(self) -> Informer[Secret]:
        """Secrets that hold tokens of joining machines."""
        selector = f"type={BOOTSTRAP_TOKEN}"
        return self._keep(
            Informer(self._client, Secret, namespace="kube-system", field_selector=selector)
        )

    @cached_property
    def cluster_info_maps(self) -> Informer[ConfigMap]:
        """`kube-public/cluster-info` only."""
        selector = "metadata.name=cluster-info"
        return self._keep(
            Informer(self._client, ConfigMap, namespace="kube-public", field_selector=selector)
        )

    @cached_property
    def node_leases(self) -> Informer[Lease]:
        return self._keep(Informer(self._client, Lease, namespace=NODE_LEASES))

    def whole(self, resource: Resource) -> Informer[Any] | None:
        """The informer in use that has every object of the resource, if any."""
        name = WHOLE.get((resource.group, resource.plural))
        return self.__dict__.get(name) if name else None  # where cached_property keeps them

    def _keep(self, informer: Informer[Any]) -> Informer[Any]:
        self.made.append(informer)
        return informer


def slim_node(node: Node) -> Node:
    """Without images and other long lists; written back by patches only."""
    status = node.status.with_(images=[], volumes_attached=[], volumes_in_use=[])
    return node.with_(metadata=slim_metadata(node.metadata), status=status)


def slim_address(address: IPAddress) -> IPAddress:
    return address.with_(metadata=slim_metadata(address.metadata))
