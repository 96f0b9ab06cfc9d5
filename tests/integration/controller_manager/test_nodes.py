"""Silent nodes, leaders and restarts: with the fast profile, on a server of the test's own."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import signal
import ssl
import urllib.error
import urllib.request
from datetime import UTC, datetime

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.conftest import TOKEN
from tests.integration.controller_manager.conftest import until
from wherry.api.apps_v1 import Deployment
from wherry.api.coordination_v1 import Lease
from wherry.api.core_v1 import ConfigMap, Event, Node, Pod, ServiceAccount
from wherry.api.model import format_micro_time, format_time

FAST = [
    "--node-monitor-period=200ms",
    "--node-monitor-grace-period=2s",
    "--node-startup-grace-period=3s",
    "--node-eviction-rate=1",
]
ELECT = [
    "--leader-elect-lease-duration=2s",
    "--leader-elect-renew-deadline=1s",
    "--leader-elect-retry-period=200ms",
]
ALONE = "--leader-elect=false"
NODES = ("n1", "n2", "n3")


def tolerations(seconds):
    return [
        {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds}
        for key in ("not-ready", "unreachable")
    ]  # fmt: skip


def spec(replicas):
    return {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "c", "image": "i"}], "tolerations": tolerations(1)},
        },
    }


def running(cluster, count):
    async def question():
        pods = await cluster.list(Pod)
        live = [
            p for p in pods if p.status.phase == "Running" and p.metadata.deletion_timestamp is None
        ]
        return len(live) == count and live

    return question


def ready(node):
    return next((c.status for c in node.status.conditions if c.type == "Ready"), "")


def taints(node):
    return {(t.key.rpartition("/")[2], t.effect) for t in node.spec.taints}


async def test_pods_of_a_dead_node_run_elsewhere_and_the_node_may_come_back(own, start):
    start(ALONE, *FAST)
    for name in NODES:
        await own.node(name)
    await until(lambda: own.get(ServiceAccount, "default"))
    async with own.kubelets(*NODES) as alive:
        await own.make(Deployment, "web", spec=spec(6))
        before = await until(running(own, 6))
        assert {pod.spec.node_name for pod in before} == set(NODES)
        alive.discard("n1")

        async def unknown():
            node = await own.get(Node, "n1")
            return (
                ready(node) == "Unknown" and ("unreachable", "NoExecute") in taints(node) and node
            )

        node = await until(unknown)
        assert ("unreachable", "NoSchedule") in taints(node)
        (condition,) = [c for c in node.status.conditions if c.type == "Ready"]
        assert condition.message == "Kubelet stopped posting node status."

        async def moved():
            live = await running(own, 6)()
            return live and {pod.spec.node_name for pod in live} == {"n2", "n3"}

        await until(moved)
        stuck = [p for p in await own.list(Pod) if p.spec.node_name == "n1"]
        assert stuck
        for pod in stuck:
            kinds = {c.type: c for c in pod.status.conditions}
            assert kinds["Ready"].status == "False"
            assert kinds["DisruptionTarget"].reason == "DeletionByTaintManager"
        reasons = {e.reason for e in (await own.client.list(Event)).items}
        assert {"NodeNotReady", "TaintManagerEviction", "RegisteredNode"} <= reasons

        alive.add("n1")
        heartbeat = format_time(datetime.now(UTC))
        posted = {"type": "Ready", "status": "True", "lastHeartbeatTime": heartbeat}
        patch = {"status": {"conditions": [posted]}}
        await own.client.patch(Node, "n1", "", patch, type="strategic", subresource="status")

        async def clean():
            return taints(await own.get(Node, "n1")) == set()

        await until(clean)


async def test_nobody_is_evicted_when_all_nodes_are_silent(own, start):
    manager = start(ALONE, *FAST)
    for name in NODES:
        await own.node(name)
    await until(lambda: own.get(ServiceAccount, "default"))
    async with own.kubelets(*NODES) as alive:
        await own.make(Deployment, "web", spec=spec(3))
        before = {p.metadata.uid for p in await until(running(own, 3))}
        alive.clear()

        async def all_unknown():
            return all([ready(await own.get(Node, name)) == "Unknown" for name in NODES])

        await until(all_unknown)

        async def said():
            return "nobody is evicted" in manager.log

        await until(said)
        await asyncio.sleep(2.5)  # what must not happen needs time not to happen in
        pods = await own.list(Pod)
        assert {p.metadata.uid for p in pods} == before
        assert all(p.metadata.deletion_timestamp is None for p in pods)


async def test_nobody_is_evicted_when_the_server_was_silent(own, start, apiserver):
    start(ALONE, *FAST)
    for name in NODES:
        await own.node(name)
    await until(lambda: own.get(ServiceAccount, "default"))
    async with own.kubelets(*NODES):
        await own.make(Deployment, "web", spec=spec(3))
        before = {p.metadata.uid for p in await until(running(own, 3))}
        apiserver.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(5)  # longer than the grace
        apiserver.process.send_signal(signal.SIGCONT)
        await asyncio.sleep(3)
        pods = await own.list(Pod)
        assert {p.metadata.uid for p in pods} == before
        for name in NODES:
            node = await own.get(Node, name)
            assert ready(node) == "True"
            assert taints(node) == set()


async def test_node_ranges_and_ttl(cluster):
    names = [f"range-{n}" for n in range(3)]
    for name in names:
        await cluster.node(name)

    async def given():
        nodes = [await cluster.get(Node, name) for name in names]
        advice = {node.metadata.annotations.get("node.alpha.kubernetes.io/ttl") for node in nodes}
        return advice == {"0"} and all(node.spec.pod_cidr for node in nodes) and nodes

    ranges = [ipaddress.ip_network(node.spec.pod_cidr) for node in await until(given)]
    assert {one.prefixlen for one in ranges} == {24}
    assert len(set(ranges)) == 3
    assert all(one.subnet_of(ipaddress.ip_network("10.244.0.0/16")) for one in ranges)
    for name in names:
        await cluster.client.delete(Node, name)


async def test_the_stand_by_takes_over(own, start):
    first = start(*ELECT)
    await until(lambda: own.get(ServiceAccount, "default"))
    start(*ELECT)
    await own.make(Deployment, "web", spec=spec(2))

    async def two():
        return len(await own.list(Pod)) == 2

    await until(two)
    first.stop(signal.SIGKILL)
    await own.client.patch(Deployment, "web", "work", {"spec": {"replicas": 5}})

    async def five():
        return len(await own.list(Pod)) == 5

    await until(five)


async def test_a_leader_that_lost_its_lease_works_again_when_it_has_it_back(own, start):
    """Every controller must survive a second term in the same process."""
    manager = start(*ELECT)
    await until(lambda: own.get(ServiceAccount, "default"))
    await until(lambda: own.get(ConfigMap, "kube-root-ca.crt"))
    theft = {
        "spec": {
            "holderIdentity": "thief",
            "leaseDurationSeconds": 2,
            "renewTime": format_micro_time(datetime.now(UTC)),
        }
    }
    await own.client.patch(Lease, "kube-controller-manager", "kube-system", theft)

    async def lost():
        return " lost " in manager.log

    await until(lost)
    await own.make(Deployment, "web", spec=spec(2))
    ghost = {"apiVersion": "v1", "kind": "ConfigMap", "name": "ghost", "uid": "no-such-uid"}
    await own.make(ConfigMap, "child", metadata={"ownerReferences": [ghost]})

    async def two():
        return len(await own.list(Pod)) == 2

    await until(two)

    async def collected():
        return await own.get(ConfigMap, "child") is None

    await until(collected)
    assert manager.process.poll() is None
    assert "Traceback" not in manager.log


async def test_a_restart_goes_on_where_it_was(own, start):
    first = start(ALONE)
    await until(lambda: own.get(ServiceAccount, "default"))
    await own.make(Deployment, "web", spec=spec(3))

    async def count(number):
        return len(await own.list(Pod)) == number

    await until(lambda: count(3))
    assert first.stop() == 0
    before = {p.metadata.uid for p in await own.list(Pod)}
    await own.client.patch(Deployment, "web", "work", {"spec": {"replicas": 4}})
    start(ALONE)
    await until(lambda: count(4))
    assert before < {p.metadata.uid for p in await own.list(Pod)}


async def test_health_and_metrics(cluster, shared):
    manager = shared[1]
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE

    def fetch(path, token=TOKEN):
        url = f"https://127.0.0.1:{manager.port}{path}"
        asked = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(asked, timeout=30, context=context) as answer:
            return answer.read().decode()

    async def healthy():
        try:
            return await asyncio.to_thread(fetch, "/healthz")
        except OSError:
            return ""

    assert await until(healthy) == "ok"
    await until(lambda: cluster.get(ServiceAccount, "default"))
    page = await asyncio.to_thread(fetch, "/metrics")
    samples = {
        (one.name, one.labels.get("name", one.labels.get("code"))): one.value
        for family in text_string_to_metric_families(page)
        for one in family.samples
    }
    assert samples["workqueue_adds_total", "serviceaccount"] >= 1
    assert ("workqueue_depth", "serviceaccount") in samples
    for name in ("queue_duration", "work_duration"):
        assert samples[f"workqueue_{name}_seconds_count", "serviceaccount"] >= 1
    assert ("workqueue_unfinished_work_seconds", "serviceaccount") in samples
    assert ("workqueue_longest_running_processor_seconds", "serviceaccount") in samples
    assert samples["rest_client_requests_total", "201"] >= 1
    assert samples["running_managed_controllers", "job-controller"] == 1
    assert {name for name, _ in samples} >= {
        "cronjob_controller_job_creation_skew_duration_seconds_count",
        "taint_eviction_controller_pod_deletions_total",
        "ttl_after_finished_controller_job_deletion_duration_seconds_count",
        "process_resident_memory_bytes",
    }
    with pytest.raises(urllib.error.HTTPError, match="401"):
        await asyncio.to_thread(fetch, "/metrics", "nope")


async def test_wrong_flags_end_it_with_one_line(start):
    manager = start(ALONE, "--allocate-node-cidrs")
    assert await asyncio.to_thread(manager.process.wait, 20) == 1
    assert "set --cluster-cidr" in manager.log.splitlines()[-1]
    assert json.dumps(manager.log).count("Traceback") == 0
