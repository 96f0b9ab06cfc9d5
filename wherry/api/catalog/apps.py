"""The apps group."""

from __future__ import annotations

from wherry.api.resource import SCALE, Resource, status

MODELS = "wherry.api.apps_v1"

RESOURCES = (
    Resource(
        "apps", "v1", "ControllerRevision", "controllerrevisions", MODELS,
    ),
    Resource(
        "apps", "v1", "DaemonSet", "daemonsets", MODELS, short_names=("ds",),
        categories=("all",), subresources=(status("apps/v1", "DaemonSet"),),
    ),
    Resource(
        "apps", "v1", "Deployment", "deployments", MODELS, short_names=("deploy",),
        categories=("all",), subresources=(SCALE, status("apps/v1", "Deployment")),
    ),
    Resource(
        "apps", "v1", "ReplicaSet", "replicasets", MODELS, short_names=("rs",),
        categories=("all",), fields=("status.replicas",),
        subresources=(SCALE, status("apps/v1", "ReplicaSet")),
    ),
    Resource(
        "apps", "v1", "StatefulSet", "statefulsets", MODELS, short_names=("sts",),
        categories=("all",), subresources=(SCALE, status("apps/v1", "StatefulSet")),
    ),
)  # fmt: skip
