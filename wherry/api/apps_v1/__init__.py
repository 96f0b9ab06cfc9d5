"""The types of the apps group, v1. A name is imported when it is first asked for."""

from __future__ import annotations

from wherry.api.lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "controllerrevision": ("ControllerRevision",),
        "daemonset": (
            "DaemonSet",
            "DaemonSetCondition",
            "DaemonSetSpec",
            "DaemonSetStatus",
            "DaemonSetUpdateStrategy",
            "RollingUpdateDaemonSet",
        ),
        "deployment": (
            "Deployment",
            "DeploymentCondition",
            "DeploymentSpec",
            "DeploymentStatus",
            "DeploymentStrategy",
            "RollingUpdateDeployment",
        ),
        "replicaset": ("ReplicaSet", "ReplicaSetCondition", "ReplicaSetSpec", "ReplicaSetStatus"),
        "statefulset": (
            "RollingUpdateStatefulSetStrategy",
            "StatefulSet",
            "StatefulSetCondition",
            "StatefulSetOrdinals",
            "StatefulSetPersistentVolumeClaimRetentionPolicy",
            "StatefulSetSpec",
            "StatefulSetStatus",
            "StatefulSetUpdateStrategy",
        ),
    },
)
