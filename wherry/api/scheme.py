"""The one list of what the API serves: every resource, its names, its model, its verbs.

Routes, discovery, OpenAPI, client paths, CLI names and the garbage collector are all driven by
`RESOURCES`. A built-in kind is a model, a descriptor here and a strategy in the API server.

Source: the discovery documents of upstream 1.36.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from types import MappingProxyType

from wherry.api.model import GroupVersionKind, TypedModel

VERBS = (
    "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch",
)  # fmt: skip
NO_COLLECTION_DELETE = tuple(verb for verb in VERBS if verb != "deletecollection")
CREATE_ONLY = ("create",)
STATUS_VERBS = ("get", "patch", "update")


@dataclass(frozen=True)
class Subresource:
    """A path below an object. `kind` is what it answers with (and, mostly, takes)."""

    name: str
    kind: GroupVersionKind
    verbs: tuple[str, ...]


@dataclass(frozen=True, eq=False)  # one object per resource: equal and hashed by identity, fast
class Resource:
    """A collection of one kind.

    fields:       field selectors beyond metadata.name and metadata.namespace
    storage:      the path below /registry, where upstream's is not the plural
    stored:       False for kinds that are only asked and answered (reviews, bindings)
    """

    group: str
    version: str
    kind: str
    plural: str
    module: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = VERBS
    subresources: tuple[Subresource, ...] = ()
    fields: tuple[str, ...] = ()
    storage: str = ""
    stored: bool = True

    @property
    def singular(self) -> str:
        return self.kind.lower()

    @property
    def list_kind(self) -> str:
        return f"{self.kind}List"

    @cached_property
    def gvk(self) -> GroupVersionKind:
        return GroupVersionKind(self.group, self.version, self.kind)

    @property
    def api_version(self) -> str:
        return self.gvk.api_version

    @property
    def qualified_name(self) -> str:
        """`deployments.apps`; just `pods` in the core group. Upstream's GroupResource.String()."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @cached_property
    def model(self) -> type[TypedModel]:
        """The kind's class; imported when first asked for."""
        found: type[TypedModel] = getattr(importlib.import_module(self.module), self.kind)
        return found

    @property
    def storage_prefix(self) -> str:
        """The etcd path below /registry, without slashes at its ends."""
        return self.storage or self.plural

    @property
    def root(self) -> str:
        """`/api/v1` or `/apis/<group>/<version>`."""
        return f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of the collection (all namespaces when `namespace` is empty) or an object."""
        parts = [self.root]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        if name:
            parts.append(name)
        if subresource:
            parts.append(subresource)
        return "/".join(parts)

    def subresource(self, name: str) -> Subresource | None:
        return next((sub for sub in self.subresources if sub.name == name), None)


def _gvk(api_version: str, kind: str) -> GroupVersionKind:
    group, _, version = api_version.rpartition("/")
    return GroupVersionKind(group, version, kind)


def _status(api_version: str, kind: str) -> Subresource:
    return Subresource("status", _gvk(api_version, kind), STATUS_VERBS)


_SCALE = Subresource("scale", _gvk("autoscaling/v1", "Scale"), STATUS_VERBS)
_CORE = "wherry.api.core_v1"
_APPS = "wherry.api.apps_v1"

RESOURCES: tuple[Resource, ...] = (
    Resource(
        "", "v1", "Binding", "bindings", _CORE, verbs=CREATE_ONLY, stored=False,
    ),
    Resource("", "v1", "ConfigMap", "configmaps", _CORE, short_names=("cm",)),
    Resource(
        "", "v1", "Endpoints", "endpoints", _CORE, short_names=("ep",),
        storage="services/endpoints",
    ),
    Resource(
        "", "v1", "Event", "events", _CORE, short_names=("ev",),
        fields=(
            "involvedObject.kind", "involvedObject.namespace", "involvedObject.name",
            "involvedObject.uid", "involvedObject.apiVersion", "involvedObject.resourceVersion",
            "involvedObject.fieldPath", "reason", "reportingComponent", "source", "type",
        ),
    ),
    Resource(
        "", "v1", "Namespace", "namespaces", _CORE, namespaced=False, short_names=("ns",),
        verbs=NO_COLLECTION_DELETE, fields=("status.phase",),
        subresources=(
            Subresource("finalize", _gvk("v1", "Namespace"), ("update",)),
            _status("v1", "Namespace"),
        ),
    ),
    Resource(
        "", "v1", "Node", "nodes", _CORE, namespaced=False, short_names=("no",),
        fields=("spec.unschedulable",), storage="minions",
        subresources=(_status("v1", "Node"),),
    ),
    Resource(
        "", "v1", "Pod", "pods", _CORE, short_names=("po",), categories=("all",),
        fields=(
            "spec.nodeName", "spec.restartPolicy", "spec.schedulerName",
            "spec.serviceAccountName", "spec.hostNetwork", "status.phase", "status.podIP",
            "status.podIPs", "status.nominatedNodeName",
        ),
        subresources=(
            Subresource("binding", _gvk("v1", "Binding"), CREATE_ONLY),
            Subresource("eviction", _gvk("policy/v1", "Eviction"), CREATE_ONLY),
            Subresource("exec", _gvk("v1", "PodExecOptions"), ("create", "get")),
            Subresource("log", _gvk("v1", "Pod"), ("get",)),
            _status("v1", "Pod"),
        ),
    ),
    Resource(
        "", "v1", "Secret", "secrets", _CORE, fields=("type",),
    ),
    Resource(
        "", "v1", "ServiceAccount", "serviceaccounts", _CORE, short_names=("sa",),
        subresources=(
            Subresource("token", _gvk("authentication.k8s.io/v1", "TokenRequest"), CREATE_ONLY),
        ),
    ),
    Resource(
        "", "v1", "Service", "services", _CORE, short_names=("svc",), categories=("all",),
        fields=("spec.clusterIP", "spec.type"), storage="services/specs",
        subresources=(_status("v1", "Service"),),
    ),
    Resource(
        "apps", "v1", "ControllerRevision", "controllerrevisions", _APPS,
    ),
    Resource(
        "apps", "v1", "Deployment", "deployments", _APPS, short_names=("deploy",),
        categories=("all",), subresources=(_SCALE, _status("apps/v1", "Deployment")),
    ),
    Resource(
        "apps", "v1", "ReplicaSet", "replicasets", _APPS, short_names=("rs",),
        categories=("all",), fields=("status.replicas",),
        subresources=(_SCALE, _status("apps/v1", "ReplicaSet")),
    ),
    Resource(
        "authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews",
        "wherry.api.authentication_v1", namespaced=False, verbs=CREATE_ONLY, stored=False,
    ),
    Resource(
        "authentication.k8s.io", "v1", "TokenReview", "tokenreviews",
        "wherry.api.authentication_v1", namespaced=False, verbs=CREATE_ONLY, stored=False,
    ),
    Resource(
        "authorization.k8s.io", "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews",
        "wherry.api.authorization_v1", namespaced=False, verbs=CREATE_ONLY, stored=False,
    ),
    Resource(
        "authorization.k8s.io", "v1", "SubjectAccessReview", "subjectaccessreviews",
        "wherry.api.authorization_v1", namespaced=False, verbs=CREATE_ONLY, stored=False,
    ),
    Resource(
        "coordination.k8s.io", "v1", "Lease", "leases", "wherry.api.coordination_v1",
    ),
    Resource(
        "discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", "wherry.api.discovery_v1",
    ),
    Resource(
        "scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses",
        "wherry.api.scheduling_v1", namespaced=False, short_names=("pc",),
    ),
)  # fmt: skip

BY_PLURAL: Mapping[tuple[str, str, str], Resource] = MappingProxyType(
    {(r.group, r.version, r.plural): r for r in RESOURCES}
)
BY_KIND: Mapping[GroupVersionKind, Resource] = MappingProxyType({r.gvk: r for r in RESOURCES})


@cache  # bounded by the number of model classes
def resource_of(model: type[TypedModel]) -> Resource:
    """The resource whose objects are of this class; KeyError when it is not served."""
    return BY_KIND[model.GVK]
