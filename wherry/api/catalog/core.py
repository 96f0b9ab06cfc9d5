"""The core group."""

from __future__ import annotations

from wherry.api.resource import (
    CREATE_ONLY,
    NO_COLLECTION_DELETE,
    SCALE,
    STATUS_VERBS,
    Resource,
    Subresource,
    gvk,
    status,
)

MODELS = "wherry.api.core_v1"
CONNECT = ("create", "get")
PROXY = ("create", "delete", "get", "patch", "update")

RESOURCES = (
    Resource(
        "", "v1", "Binding", "bindings", MODELS, verbs=CREATE_ONLY, stored=False,
    ),
    Resource(
        "", "v1", "ComponentStatus", "componentstatuses", MODELS, namespaced=False,
        short_names=("cs",), verbs=("get", "list"), stored=False,
    ),
    Resource("", "v1", "ConfigMap", "configmaps", MODELS, short_names=("cm",)),
    Resource(
        "", "v1", "Endpoints", "endpoints", MODELS, short_names=("ep",),
        storage="services/endpoints",
    ),
    Resource(
        "", "v1", "Event", "events", MODELS, short_names=("ev",),
        fields=(
            "involvedObject.kind", "involvedObject.namespace", "involvedObject.name",
            "involvedObject.uid", "involvedObject.apiVersion", "involvedObject.resourceVersion",
            "involvedObject.fieldPath", "reason", "reportingComponent", "source", "type",
        ),
    ),
    Resource(
        "", "v1", "LimitRange", "limitranges", MODELS, short_names=("limits",),
    ),
    Resource(
        "", "v1", "Namespace", "namespaces", MODELS, namespaced=False, short_names=("ns",),
        verbs=NO_COLLECTION_DELETE, fields=("status.phase",),
        subresources=(
            Subresource("finalize", gvk("v1", "Namespace"), ("update",)),
            status("v1", "Namespace"),
        ),
    ),
    Resource(
        "", "v1", "Node", "nodes", MODELS, namespaced=False, short_names=("no",),
        fields=("spec.unschedulable",), storage="minions",
        subresources=(
            Subresource("proxy", gvk("v1", "NodeProxyOptions"), PROXY),
            status("v1", "Node"),
        ),
    ),
    Resource(
        "", "v1", "PersistentVolume", "persistentvolumes", MODELS, namespaced=False,
        short_names=("pv",), subresources=(status("v1", "PersistentVolume"),),
    ),
    Resource(
        "", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", MODELS,
        short_names=("pvc",), subresources=(status("v1", "PersistentVolumeClaim"),),
    ),
    Resource(
        "", "v1", "Pod", "pods", MODELS, short_names=("po",), categories=("all",),
        fields=(
            "spec.nodeName", "spec.restartPolicy", "spec.schedulerName",
            "spec.serviceAccountName", "spec.hostNetwork", "status.phase", "status.podIP",
            "status.podIPs", "status.nominatedNodeName",
        ),
        subresources=(
            Subresource("attach", gvk("v1", "PodAttachOptions"), CONNECT),
            Subresource("binding", gvk("v1", "Binding"), CREATE_ONLY),
            Subresource("ephemeralcontainers", gvk("v1", "Pod"), STATUS_VERBS),
            Subresource("eviction", gvk("policy/v1", "Eviction"), CREATE_ONLY),
            Subresource("exec", gvk("v1", "PodExecOptions"), CONNECT),
            Subresource("log", gvk("v1", "Pod"), ("get",)),
            Subresource("portforward", gvk("v1", "PodPortForwardOptions"), CONNECT),
            Subresource("proxy", gvk("v1", "PodProxyOptions"), PROXY),
            Subresource("resize", gvk("v1", "Pod"), STATUS_VERBS),
            status("v1", "Pod"),
        ),
    ),
    Resource(
        "", "v1", "PodTemplate", "podtemplates", MODELS,
    ),
    Resource(
        "", "v1", "ReplicationController", "replicationcontrollers", MODELS,
        short_names=("rc",), categories=("all",), fields=("status.replicas",),
        storage="controllers",
        subresources=(SCALE, status("v1", "ReplicationController")),
    ),
    Resource(
        "", "v1", "ResourceQuota", "resourcequotas", MODELS, short_names=("quota",),
        subresources=(status("v1", "ResourceQuota"),),
    ),
    Resource(
        "", "v1", "Secret", "secrets", MODELS, fields=("type",),
    ),
    Resource(
        "", "v1", "ServiceAccount", "serviceaccounts", MODELS, short_names=("sa",),
        subresources=(
            Subresource("token", gvk("authentication.k8s.io/v1", "TokenRequest"), CREATE_ONLY),
        ),
    ),
    Resource(
        "", "v1", "Service", "services", MODELS, short_names=("svc",), categories=("all",),
        fields=("spec.clusterIP", "spec.type"), storage="services/specs",
        subresources=(
            Subresource("proxy", gvk("v1", "ServiceProxyOptions"), PROXY),
            status("v1", "Service"),
        ),
    ),
)  # fmt: skip
