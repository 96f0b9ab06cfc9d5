"""Autoscalers without anybody who measures: what they say, and what they do all the same."""

from __future__ import annotations

from tests.integration.controller_manager.conftest import until
from tests.integration.controller_manager.test_workloads import workload
from wherry.api.apps_v1 import Deployment
from wherry.api.autoscaling_v2 import HorizontalPodAutoscaler
from wherry.api.core_v1 import Event, Pod

CPU = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
}
PODS = {
    "type": "Pods",
    "pods": {"metric": {"name": "rps"}, "target": {"type": "AverageValue", "averageValue": "1"}},
}


async def autoscaler(cluster, name, *metrics, most=5):
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    spec = {"scaleTargetRef": target, "maxReplicas": most, "metrics": list(metrics)}
    await cluster.make(HorizontalPodAutoscaler, name, spec=spec)


def active(cluster, name, reason):
    """The condition ScalingActive, once it has the reason."""

    async def question():
        found = await cluster.get(HorizontalPodAutoscaler, name)
        (*_, last) = [c for c in found.status.conditions if c.type == "ScalingActive"] or [None]
        return last if last is not None and last.reason == reason else None

    return question


async def test_what_cannot_be_measured_is_told_and_bounds_hold(cluster):
    await cluster.make(Deployment, "web", **workload())

    async def there():
        return len(await cluster.list(Pod)) == 3

    await until(there)
    await autoscaler(cluster, "cpu", CPU, most=2)  # less than there are: no metric is needed

    async def shrunk():
        return (await cluster.get(Deployment, "web")).spec.replicas == 2

    await until(shrunk)
    await cluster.client.delete(HorizontalPodAutoscaler, "cpu", cluster.namespace)
    await autoscaler(cluster, "rps", PODS, CPU)
    condition = await until(active(cluster, "rps", "FailedGetPodsMetric"))
    assert condition.status == "False"
    assert condition.message == (
        "the HPA was unable to compute the replica count: unable to get metric rps: unable to fetch "
        "metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered"
    )

    async def told():
        reasons = {
            e.reason: e.message
            for e in await cluster.list(Event)
            if e.involved_object.kind == "HorizontalPodAutoscaler"
        }
        wanted = {"SuccessfulRescale", "FailedGetPodsMetric", "FailedGetResourceMetric"}
        return reasons if wanted | {"FailedComputeMetricsReplicas"} <= reasons.keys() else None

    reasons = await until(told)
    assert reasons["SuccessfulRescale"] == (
        "New size: 2; reason: Current number of replicas above Spec.MaxReplicas"
    )
    assert reasons["FailedGetResourceMetric"].startswith(
        "failed to get cpu utilization: unable to get metrics for resource cpu: "
    )
    assert reasons["FailedComputeMetricsReplicas"].startswith(
        "invalid metrics (2 invalid out of 2), first error is: failed to get pods metric value: "
    )
    await autoscaler(cluster, "again", CPU)
    condition = await until(active(cluster, "again", "AmbiguousSelector"))
    names = f"{cluster.namespace}/again {cluster.namespace}/rps"
    assert condition.message == (
        f"pods by selector app=web are controlled by multiple HPAs: [{names}]"
    )
    assert (await cluster.get(Deployment, "web")).spec.replicas == 2
