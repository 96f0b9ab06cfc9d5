"""The types of the apps group, v1. A name is imported when it is first asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wherry.api.lazy import lazy_exports

if TYPE_CHECKING:
    from wherry.api.apps_v1.controllerrevision import ControllerRevision as ControllerRevision
    from wherry.api.apps_v1.deployment import Deployment as Deployment
    from wherry.api.apps_v1.deployment import DeploymentCondition as DeploymentCondition
    from wherry.api.apps_v1.deployment import DeploymentSpec as DeploymentSpec
    from wherry.api.apps_v1.deployment import DeploymentStatus as DeploymentStatus
    from wherry.api.apps_v1.deployment import DeploymentStrategy as DeploymentStrategy
    from wherry.api.apps_v1.deployment import RollingUpdateDeployment as RollingUpdateDeployment
    from wherry.api.apps_v1.replicaset import ReplicaSet as ReplicaSet
    from wherry.api.apps_v1.replicaset import ReplicaSetCondition as ReplicaSetCondition
    from wherry.api.apps_v1.replicaset import ReplicaSetSpec as ReplicaSetSpec
    from wherry.api.apps_v1.replicaset import ReplicaSetStatus as ReplicaSetStatus

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "controllerrevision": ("ControllerRevision",),
        "deployment": (
            "Deployment",
            "DeploymentCondition",
            "DeploymentSpec",
            "DeploymentStatus",
            "DeploymentStrategy",
            "RollingUpdateDeployment",
        ),
        "replicaset": ("ReplicaSet", "ReplicaSetCondition", "ReplicaSetSpec", "ReplicaSetStatus"),
    },
)
