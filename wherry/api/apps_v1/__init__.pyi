"""The types of the apps group, v1. A name is imported when it is first asked for."""

from wherry.api.apps_v1.controllerrevision import ControllerRevision as ControllerRevision
from wherry.api.apps_v1.daemonset import DaemonSet as DaemonSet
from wherry.api.apps_v1.daemonset import DaemonSetCondition as DaemonSetCondition
from wherry.api.apps_v1.daemonset import DaemonSetSpec as DaemonSetSpec
from wherry.api.apps_v1.daemonset import DaemonSetStatus as DaemonSetStatus
from wherry.api.apps_v1.daemonset import DaemonSetUpdateStrategy as DaemonSetUpdateStrategy
from wherry.api.apps_v1.daemonset import RollingUpdateDaemonSet as RollingUpdateDaemonSet
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
from wherry.api.apps_v1.statefulset import (
    RollingUpdateStatefulSetStrategy as RollingUpdateStatefulSetStrategy,
)
from wherry.api.apps_v1.statefulset import StatefulSet as StatefulSet
from wherry.api.apps_v1.statefulset import StatefulSetCondition as StatefulSetCondition
from wherry.api.apps_v1.statefulset import StatefulSetOrdinals as StatefulSetOrdinals
from wherry.api.apps_v1.statefulset import (
    StatefulSetPersistentVolumeClaimRetentionPolicy as StatefulSetPersistentVolumeClaimRetentionPolicy,
)
from wherry.api.apps_v1.statefulset import StatefulSetSpec as StatefulSetSpec
from wherry.api.apps_v1.statefulset import StatefulSetStatus as StatefulSetStatus
from wherry.api.apps_v1.statefulset import (
    StatefulSetUpdateStrategy as StatefulSetUpdateStrategy,
)
