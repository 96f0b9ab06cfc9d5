"""DaemonSets against the real API server; the test plays kubelets and the scheduler."""

from __future__ import annotations

import contextlib

import pytest

from tests.integration.controller_manager.conftest import Cluster, until
from wherry.api.apps_v1 import ControllerRevision, DaemonSet
from wherry.api.core_v1 import Node, Pod
from wherry.api.errors import ApiError

NODES = ("one", "two", "three")


@pytest.fixture
async def nodes(cluster):
    """Nodes of this test's own, beside whatever other tests have left."""
    for name in NODES:
        await cluster.node(name, labels={"pool": cluster.namespace})
    yield
    for name in NODES:
        await cluster.client.delete(Node, name)


def agent(cluster, image="agent:1", **spec):
    return {
        "spec": {
            "selector": {"matchLabels": {"app": "agent"}},
            "template": {
                "metadata": {"labels": {"app": "agent"}},
                "spec": {
                    "terminationGracePeriodSeconds": 0,
                    "nodeSelector": {"pool": cluster.namespace},
                    "containers": [{"name": "c", "image": image}],
                },
            },
            **spec,
        }
    }


def target(pod: Pod) -> str:
    affinity = pod.spec.affinity.node_affinity
    (term,) = affinity.required_during_scheduling_ignored_during_execution.node_selector_terms
    return term.match_fields[0].values[0]


async def run_pods(cluster: Cluster) -> dict[str, list[str]]:
    """Bind each pod to its node and report it running; images by node."""
    found: dict[str, list[str]] = {}
    for pod in await cluster.list(Pod):
        with contextlib.suppress(ApiError):  # it went meanwhile
            if pod.metadata.deletion_timestamp is not None:
                continue
            found.setdefault(target(pod), []).append(pod.spec.containers[0].image)
            if not pod.spec.node_name:
                await cluster.bind(pod, target(pod))
            if pod.status.phase != "Running":
                await cluster.report(pod)
    return found


async def test_every_node_then_an_update_then_fewer_nodes(cluster, nodes):
    await cluster.make(DaemonSet, "agent", **agent(cluster))

    async def everywhere(image, where=NODES):
        found = await run_pods(cluster)
        assert all(len(images) == 1 for images in found.values())
        made = await cluster.get(DaemonSet, "agent")
        done = made.status.number_available == len(where) == made.status.updated_number_scheduled
        return found == {name: [image] for name in where} and done

    await until(lambda: everywhere("agent:1"))
    (revision,) = await cluster.list(ControllerRevision)
    assert revision.revision == 1
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "agent:2"}]}}}}
    await cluster.client.patch(DaemonSet, "agent", cluster.namespace, patch, type="strategic")
    await until(lambda: everywhere("agent:2"))
    assert sorted(r.revision for r in await cluster.list(ControllerRevision)) == [1, 2]
    selector = {"spec": {"template": {"spec": {"nodeSelector": {"kind": "edge"}}}}}
    await cluster.client.patch(Node, "two", "", {"metadata": {"labels": {"kind": "edge"}}})
    await cluster.client.patch(DaemonSet, "agent", cluster.namespace, selector)
    await until(lambda: everywhere("agent:2", ("two",)))


async def test_surge(cluster, nodes):
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    await cluster.make(DaemonSet, "agent", **agent(cluster, updateStrategy=strategy))

    async def everywhere(image):
        found = await run_pods(cluster)
        assert sum(len(images) - 1 for images in found.values()) <= 1
        return found == {name: [image] for name in NODES}

    await until(lambda: everywhere("agent:1"))
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "agent:2"}]}}}}
    await cluster.client.patch(DaemonSet, "agent", cluster.namespace, patch, type="strategic")
    await until(lambda: everywhere("agent:2"))
