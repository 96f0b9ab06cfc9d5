"""Deployments, ReplicaSets and Services against the real API server."""

from __future__ import annotations

import asyncio
import shutil
import subprocess

import pytest

from tests.integration.controller_manager.conftest import until
from wherry.api.apps_v1 import Deployment, ReplicaSet
from wherry.api.core_v1 import (
    ConfigMap,
    Endpoints,
    Event,
    Node,
    Pod,
    Service,
    ServiceAccount,
)
from wherry.api.discovery_v1 import EndpointSlice

NODE = "worker"
ZONE = "topology.kubernetes.io/zone"


def workload(image="app:1", replicas=3, **spec):
    return {
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {
                    "terminationGracePeriodSeconds": 1,
                    "containers": [{"name": "c", "image": image, "ports": [{"name": "http", "containerPort": 8080}]}],
                },
            },
            **spec,
        }
    }  # fmt: skip


@pytest.fixture
async def node(cluster):
    if await cluster.get(Node, NODE) is None:
        await cluster.node(NODE, labels={ZONE: "z1"})
    return NODE


def available(cluster, name="web", count=3):
    async def question():
        found = await cluster.get(Deployment, name)
        status = found.status
        return (
            status.observed_generation == found.metadata.generation
            and (status.updated_replicas, status.replicas, status.available_replicas)
            == (count,) * 3
        )

    return question


async def set_image(cluster, image):
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}}
    await cluster.client.patch(Deployment, "web", cluster.namespace, patch, type="strategic")


async def events_of(cluster, kind):
    found = await cluster.list(Event)
    return {(e.reason, e.message) for e in found if e.involved_object.kind == kind}


async def test_a_namespace_gets_its_account_and_ca(cluster):
    await until(lambda: cluster.get(ServiceAccount, "default"))
    published = await until(lambda: cluster.get(ConfigMap, "kube-root-ca.crt"))
    assert "BEGIN CERTIFICATE" in published.data["ca.crt"]
    assert "kubernetes.io/description" in published.metadata.annotations
    await cluster.client.delete(ServiceAccount, "default", cluster.namespace)
    await until(lambda: cluster.get(ServiceAccount, "default"))
    await cluster.client.patch(
        ConfigMap, "kube-root-ca.crt", cluster.namespace, {"data": {"ca.crt": "x"}}
    )

    async def restored():
        return (await cluster.get(ConfigMap, "kube-root-ca.crt")).data == published.data

    await until(restored)


async def test_deployment_from_creation_to_rollback_to_deletion(cluster, node):
    async with cluster.kubelets(node, beating=False):
        await cluster.make(Deployment, "web", **workload())
        await until(available(cluster))
        (rs,) = await cluster.list(ReplicaSet)
        name = rs.metadata.name
        assert name.startswith("web-")
        assert ("ScalingReplicaSet", f"Scaled up replica set {name} from 0 to 3") in await until(
            lambda: events_of(cluster, "Deployment")
        )
        pods = await cluster.list(Pod)
        assert all(pod.metadata.name.startswith(f"{name}-") for pod in pods)
        assert {f"Created pod: {pod.metadata.name}" for pod in pods} <= {
            message for _, message in await until(lambda: events_of(cluster, "ReplicaSet"))
        }

        await set_image(cluster, "app:2")
        await until(available(cluster))
        sizes = {
            r.spec.template.spec.containers[0].image: r.spec.replicas
            for r in await cluster.list(ReplicaSet)
        }
        assert sizes == {"app:1": 0, "app:2": 3}
        await set_image(cluster, "app:1")
        await until(available(cluster))
        back = await cluster.get(Deployment, "web")
        assert back.metadata.annotations["deployment.kubernetes.io/revision"] == "3"
        assert (await cluster.get(ReplicaSet, name)).metadata.annotations[
            "deployment.kubernetes.io/revision-history"
        ] == "1"

        await cluster.client.delete(
            Deployment, "web", cluster.namespace, propagation_policy="Background"
        )

        async def empty():
            return not await cluster.list(ReplicaSet) and not await cluster.list(Pod)

        await until(empty)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl on PATH")
async def test_kubectl_rollout_unmodified(cluster, node, controlled):
    def kubectl(*arguments):
        command = [
            "kubectl",
            f"--kubeconfig={controlled.kubeconfig}",
            "-n",
            cluster.namespace,
            *arguments,
        ]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    async with cluster.kubelets(node, beating=False):
        await cluster.make(Deployment, "web", **workload(replicas=2))
        done = await asyncio.to_thread(
            kubectl, "rollout", "status", "deployment/web", "--timeout=30s"
        )
        assert 'deployment "web" successfully rolled out' in done.stdout, done.stderr
        for arguments in (
            ("set", "image", "deployment/web", "c=app:2"),
            ("rollout", "status", "deployment/web", "--timeout=30s"),
            ("scale", "deployment/web", "--replicas=4"),
            ("rollout", "status", "deployment/web", "--timeout=30s"),
            ("wait", "--for=condition=Available", "deployment/web", "--timeout=30s"),
            ("rollout", "undo", "deployment/web"),
            ("rollout", "status", "deployment/web", "--timeout=30s"),
            ("rollout", "restart", "deployment/web"),
            ("rollout", "status", "deployment/web", "--timeout=30s"),
        ):
            done = await asyncio.to_thread(kubectl, *arguments)
            assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        history = await asyncio.to_thread(kubectl, "rollout", "history", "deployment/web")
        revisions = [line.split()[0] for line in history.stdout.splitlines() if line[:1].isdigit()]
        assert revisions == ["2", "3", "4"]
    assert (await cluster.get(Deployment, "web")).status.replicas == 4


async def test_recreate_never_mixes_versions(cluster, node):
    async with cluster.kubelets(node, beating=False):
        await cluster.make(Deployment, "web", **workload(strategy={"type": "Recreate"}))
        await until(available(cluster))
        await set_image(cluster, "app:2")

        async def done():
            images = {pod.spec.containers[0].image for pod in await cluster.list(Pod)}
            assert len(images) <= 1, images
            return images == {"app:2"} and await available(cluster)()

        await until(done)


async def test_replica_set_heals_adopts_and_releases(cluster):
    orphan = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    await until(lambda: cluster.get(ServiceAccount, "default"))
    await cluster.make(Pod, "orphan", **orphan)
    await cluster.make(ReplicaSet, "web", **workload(replicas=2))

    async def two():
        found = await cluster.get(ReplicaSet, "web")
        return found.status.replicas == 2 and found

    rs = await until(two)
    pods = await cluster.list(Pod)
    assert len(pods) == 2
    assert all(pod.metadata.owner_references[0].uid == rs.metadata.uid for pod in pods)
    await cluster.client.patch(
        Pod, "orphan", cluster.namespace, {"metadata": {"labels": {"app": "x"}}}
    )

    async def released():
        found = await cluster.list(Pod)
        return len(found) == 3 and not (await cluster.get(Pod, "orphan")).metadata.owner_references

    await until(released)
    victim = next(p for p in await cluster.list(Pod) if p.metadata.name != "orphan")
    await cluster.client.delete(
        Pod, victim.metadata.name, cluster.namespace, grace_period_seconds=0
    )

    async def healed():
        names = {pod.metadata.name for pod in await cluster.list(Pod)}
        return len(names) == 3 and victim.metadata.name not in names

    await until(healed)


async def test_many_pods_no_more_than_wanted(cluster):
    """Random names and a lagging cache: never one pod too many."""
    await cluster.make(ReplicaSet, "web", **workload(replicas=60))

    async def all_there():
        found = await cluster.list(Pod)
        assert len(found) <= 60
        return len(found) == 60

    await until(all_there)
    await cluster.client.patch(ReplicaSet, "web", cluster.namespace, {"spec": {"replicas": 7}})

    async def few():
        found = await cluster.list(Pod)
        assert len(found) >= 7
        return len(found) == 7 and (await cluster.get(ReplicaSet, "web")).status.replicas == 7

    await until(few)


async def test_services_follow_their_pods(cluster, node):
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    await cluster.make(Service, "web", spec={"selector": {"app": "web"}, "ports": ports})
    where = "kubernetes.io/service-name=web"

    async def slices():
        return await cluster.list(EndpointSlice, label_selector=where)

    (empty,) = await until(slices)
    assert empty.endpoints == []
    await cluster.make(Deployment, "web", **workload(replicas=2))

    async def pods_exist():
        return len(await cluster.list(Pod)) == 2

    await until(pods_exist)
    await cluster.run_pods(node, ready=False)

    async def listed(ready):
        (piece,) = await slices()
        flags = [e.conditions.ready for e in piece.endpoints]
        return flags == [ready] * 2 and piece

    await until(lambda: listed(False))
    for pod in await cluster.list(Pod):
        await cluster.report(pod)
    piece = await until(lambda: listed(True))
    assert piece.metadata.name == empty.metadata.name
    assert piece.metadata.owner_references[0].kind == "Service"
    assert [(p.name, p.port, p.protocol) for p in piece.ports] == [("http", 8080, "TCP")]
    assert {(e.node_name, e.zone) for e in piece.endpoints} == {(node, "z1")}
    ips = {pod.status.pod_ip for pod in await cluster.list(Pod)}
    assert {address for e in piece.endpoints for address in e.addresses} == ips

    async def endpoints():
        found = await cluster.get(Endpoints, "web")
        return found and [{a.ip for a in s.addresses} for s in found.subsets] == [ips]

    await until(endpoints)

    await cluster.client.delete(Service, "web", cluster.namespace)

    async def gone():
        return not await slices() and await cluster.get(Endpoints, "web") is None

    await until(gone)


async def test_endpoints_made_before_their_service_are_left_alone(cluster):
    subsets = [{"addresses": [{"ip": "10.9.9.9"}], "ports": [{"port": 5}]}]
    await cluster.make(Endpoints, "manual", subsets=subsets)
    await cluster.make(Service, "manual", spec={"ports": [{"port": 5}]})
    await cluster.make(Service, "marker", spec={"selector": {"a": "b"}, "ports": [{"port": 5}]})
    await until(lambda: cluster.get(Endpoints, "marker"))
    assert (await cluster.get(Endpoints, "manual")).subsets[0].addresses[0].ip == "10.9.9.9"
