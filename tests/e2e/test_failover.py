"""Machines that die, are cut off and return: what runs afterwards, and never twice.

A lab of its own: three machines, two of which also run a controller manager and a scheduler; the third
one fences itself. docs/failover.md says what is promised.
"""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy import lab, outages
from tests.e2e.conftest import keep_logs
from tests.e2e.support import IMAGE, Cluster, wait
from tests.e2e.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
FAILOVER_SECONDS_MAX = 15.0
FENCES_AFTER = 10.0
FENCED = "node3"
GRACE_SECONDS = 1
LEADERS = ("control-plane", "node1", "node2")


@pytest.fixture(scope="module")
def cluster(hello_archive: Path) -> Iterator[Cluster]:
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    directory = Path(tempfile.mkdtemp(prefix="wfail"))
    made = Cluster(directory)
    try:
        flags = {f"{FENCED}/kubelet": (f"--self-fencing-after={FENCES_AFTER:g}s",)}
        lab.up(directory, lab.Shape(3, standby=2), lambda text: None, 120, flags=flags)
        lab.load(directory, hello_archive, lambda text: None)
        yield made
    finally:
        keep_logs(directory)
        lab.down(directory)


@pytest.fixture
def whole(cluster: Cluster) -> Iterator[Cluster]:
    """Whatever a test did to machines and wires is mended after it."""
    yield cluster
    outages.heal(cluster.directory)
    for machine in cluster.machines:
        if machine in cluster.lab.faults.stopped:
            outages.start(cluster.directory, machine, 120)
    cluster.kubectl("uncordon", *cluster.machines)
    taint = "node.kubernetes.io/out-of-service-"
    cluster.kubectl("taint", "nodes", "--all", taint, check=False)
    wait(lambda: all(ready(cluster, one) for one in cluster.machines), "every machine is Ready")


def workload(kind: str, name: str, namespace: str, **spec: Any) -> dict[str, Any]:
    labels = {"app": name}
    container = {"name": "c", "image": IMAGE, "command": ["sleep", "1000"]}
    pod = {"containers": [container], "terminationGracePeriodSeconds": GRACE_SECONDS}
    if kind == "Job":
        pod["restartPolicy"] = "Never"
    else:
        spec["selector"] = {"matchLabels": labels}
    return {
        "apiVersion": "batch/v1" if kind == "Job" else "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {**spec, "template": {"metadata": {"labels": labels}, "spec": pod}},
    }


def pods(cluster: Cluster, namespace: str, app: str) -> list[Any]:
    found: list[Any] = cluster.get("pods", "-n", namespace, "-l", f"app={app}")["items"]
    return found


def is_ready(pod: Any) -> bool:
    conditions = pod["status"].get("conditions", ())
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def running(cluster: Cluster, namespace: str, app: str) -> dict[str, str]:
    """uid → machine, of ready pods that nobody has begun to delete."""
    return {
        pod["metadata"]["uid"]: pod["spec"].get("nodeName", "")
        for pod in pods(cluster, namespace, app)
        if "deletionTimestamp" not in pod["metadata"] and is_ready(pod)
    }


def ready(cluster: Cluster, machine: str) -> bool:
    """Ready, and without a taint that expels."""
    node = cluster.get("node", machine)
    taints = node["spec"].get("taints", ())
    return is_ready(node) and not any(t["effect"] == "NoExecute" for t in taints)


def place_on(cluster: Cluster, machine: str, namespace: str, *kinds: str) -> dict[str, str]:
    """One pod of each kind on this machine; the Deployment and the Job then grow to three anywhere.

    Name of the kind → uid of the pod on the machine.
    """
    others = [one for one in cluster.machines if one != machine]
    cluster.kubectl("cordon", *others)
    for kind in kinds:
        size = {"parallelism": 1, "completions": 3} if kind == "Job" else {"replicas": 1}
        cluster.apply(workload(kind, kind.lower(), namespace, **size))
    first = {}
    for kind in kinds:
        app = kind.lower()
        found = wait(lambda app=app: running(cluster, namespace, app), f"a pod of the {kind}")
        assert list(found.values()) == [machine]
        first[app] = next(iter(found))
    cluster.kubectl("uncordon", *others)
    grown = {"Deployment": {"replicas": 3}, "Job": {"parallelism": 3}}
    for kind in [one for one in kinds if one in grown]:
        patch = json.dumps({"spec": grown[kind]})
        cluster.kubectl("patch", kind, kind.lower(), "-n", namespace, "-p", patch)
        wait(
            lambda app=kind.lower(): len(running(cluster, namespace, app)) == 3, f"three of {kind}"
        )
    return first


def elsewhere(cluster: Cluster, namespace: str, app: str, machine: str) -> bool:
    found = running(cluster, namespace, app)
    return len(found) == 3 and machine not in found.values()


def leader(cluster: Cluster) -> str:
    """The machine whose controller manager leads."""
    lease = cluster.get("lease", "kube-controller-manager", "-n", "kube-system")
    holder = lease["spec"]["holderIdentity"]
    for machine in LEADERS:
        log = cluster.directory / machine / "logs" / "controller-manager.log"
        if holder and f"{holder} leads" in log.read_text():
            return machine
    return ""


def test_a_dead_machines_pods_run_elsewhere_but_a_stateful_one_only_when_it_is_known_dead(
    whole: Cluster, namespace: str
) -> None:
    victim = "node2"
    kinds = ("StatefulSet", "Deployment", "Job")
    uid = place_on(whole, victim, namespace, *kinds)["statefulset"]
    with World(whole, namespace) as world:
        outages.stop(whole.directory, victim)
        began = time.monotonic()
        wait(lambda: elsewhere(whole, namespace, "deployment", victim), "the ReplicaSet's pods")
        took = time.monotonic() - began
        wait(lambda: elsewhere(whole, namespace, "job", victim), "the Job's pods")
        print(f"a dead machine's pods run elsewhere after {took:.1f} s")
        assert took < FAILOVER_SECONDS_MAX
        (old,) = wait(
            lambda: pods(whole, namespace, "statefulset"), "the StatefulSet's pod is still there"
        )
        assert old["metadata"]["uid"] == uid
        assert "deletionTimestamp" in old["metadata"], "it is to end, which nobody has confirmed"
        taint = "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"
        whole.kubectl("taint", "node", victim, taint)
        found = wait(
            lambda: running(whole, namespace, "statefulset"), "a person said that it is dead"
        )
        assert uid not in found
        assert victim not in found.values()
        outages.start(whole.directory, victim, 120)
        assert world.doubled == {}
        assert all(victim not in where for where in world.now.values())


def test_the_machine_of_the_leader_may_die(whole: Cluster, namespace: str) -> None:
    if leader(whole) not in whole.machines:
        os.kill(whole.daemon_pid("controller-manager"), signal.SIGTERM)
    victim = wait(lambda: next((m for m in [leader(whole)] if m in whole.machines), ""), "a leader")
    place_on(whole, victim, namespace, "Deployment")
    outages.stop(whole.directory, victim)
    began = time.monotonic()
    wait(lambda: elsewhere(whole, namespace, "deployment", victim), "the ReplicaSet's pods")
    took = time.monotonic() - began
    print(f"the leader's machine: its pods run elsewhere after {took:.1f} s")
    assert leader(whole) != victim
    assert took < FAILOVER_SECONDS_MAX


def test_one_that_was_cut_off_and_returns_in_time_loses_nothing(
    whole: Cluster, namespace: str
) -> None:
    victim = "node1"
    place_on(whole, victim, namespace, "Deployment")
    before = running(whole, namespace, "deployment")
    started = {p["metadata"]["uid"]: p["status"] for p in pods(whole, namespace, "deployment")}
    outages.cut(whole.directory, victim)
    time.sleep(3)  # it may have renewed 2 s before, and is silent after 7 s
    outages.heal(whole.directory)
    renewed = whole.get("lease", victim, "-n", "kube-node-lease")["spec"]["renewTime"]
    wait(
        lambda: whole.get("lease", victim, "-n", "kube-node-lease")["spec"]["renewTime"] > renewed,
        "its Lease is renewed",
    )
    wait(lambda: ready(whole, victim), "it is Ready")
    time.sleep(3)  # what must not happen needs time not to happen in
    after = pods(whole, namespace, "deployment")
    assert {p["metadata"]["uid"]: p["spec"]["nodeName"] for p in after} == before
    for pod in after:
        assert "deletionTimestamp" not in pod["metadata"]
        told = started[pod["metadata"]["uid"]]["containerStatuses"][0]["containerID"]
        assert pod["status"]["containerStatuses"][0]["containerID"] == told


def test_one_that_returns_late_stops_what_was_replaced_and_nothing_ran_twice(
    whole: Cluster, namespace: str
) -> None:
    victim = "node1"
    uid = place_on(whole, victim, namespace, "StatefulSet", "Deployment")["statefulset"]
    before = running(whole, namespace, "deployment")
    lost = sum(machine == victim for machine in before.values())
    with World(whole, namespace) as world:
        outages.cut(whole.directory, victim)
        wait(lambda: elsewhere(whole, namespace, "deployment", victim), "replaced elsewhere")
        wait(
            lambda: "deletionTimestamp" in pods(whole, namespace, "statefulset")[0]["metadata"],
            "statefulset-0 is to end",
        )
        assert world.now["statefulset-0"] == [victim], "it goes on where nobody can reach it"
        (pod,) = pods(whole, namespace, "statefulset")
        assert pod["metadata"]["uid"] == uid
        outages.heal(whole.directory)
        found = wait(lambda: running(whole, namespace, "statefulset"), "confirmed, and replaced")
        assert uid not in found
        wait(
            lambda: [m for n, m in world.now.items() if n != "statefulset-0" and victim in m] == [],
            "what was replaced is stopped there",
        )
        assert world.doubled == {}
    assert len(set(running(whole, namespace, "deployment")) & set(before)) == 3 - lost


def test_a_node_that_fences_itself_lets_its_stateful_pod_go(whole: Cluster, namespace: str) -> None:
    uid = place_on(whole, FENCED, namespace, "StatefulSet")["statefulset"]
    with World(whole, namespace) as world:
        began = time.monotonic()
        outages.cut(whole.directory, FENCED)
        wait(lambda: not ready(whole, FENCED), "it is silent")
        # A kubelet that is killed meanwhile keeps the promise of the one before.
        os.kill(whole.daemon_pid(f"{FENCED}/kubelet"), signal.SIGKILL)
        found = wait(
            lambda: running(whole, namespace, "statefulset"), "replaced, as it must be dead"
        )
        took = time.monotonic() - began
        print(f"a node that fences itself after {FENCES_AFTER:g} s: replaced after {took:.1f} s")
        assert uid not in found
        assert FENCED not in found.values()
        assert world.doubled == {}
        wait(lambda: world.now.get("statefulset-0") == list(found.values()), "it is seen there")
        outages.heal(whole.directory)
        wait(lambda: ready(whole, FENCED), "it is back")
        assert world.doubled == {}


def test_a_pod_forced_out_is_over_before_its_namesake_starts(
    whole: Cluster, namespace: str
) -> None:
    """The API server forgets the old one at once; the kubelet does not."""
    machine = "node1"
    uid = place_on(whole, machine, namespace, "StatefulSet")["statefulset"]
    whole.kubectl("cordon", *(one for one in whole.machines if one != machine))
    with World(whole, namespace) as world:
        whole.kubectl(
            "delete", "pod", "statefulset-0", "-n", namespace, "--force", "--grace-period=0"
        )
        found = wait(
            lambda: running(whole, namespace, "statefulset"), "its successor, on the same machine"
        )
        assert uid not in found
        assert list(found.values()) == [machine]
        assert [where["statefulset-0"] for _, where in world.history if where] == [
            [machine],
            [machine],
        ]
        assert {} in [where for _, where in world.history], "there was a moment without either"


def test_drain_and_a_node_that_was_deleted(whole: Cluster, namespace: str) -> None:
    drained, deleted = "node1", "node2"
    kept = place_on(whole, deleted, namespace, "Deployment")["deployment"]
    said = whole.kubectl("drain", drained, "--ignore-daemonsets", "--force", "--timeout=60s")
    assert f"node/{drained} drained" in said
    wait(lambda: elsewhere(whole, namespace, "deployment", drained), "drained")
    assert "SchedulingDisabled" in whole.kubectl("get", "node", drained)
    node = whole.get("node", deleted)["metadata"]["uid"]
    whole.kubectl("delete", "node", deleted)

    def registered() -> bool:
        found = whole.get("nodes")["items"]
        mine = [one for one in found if one["metadata"]["name"] == deleted]
        return bool(mine) and mine[0]["metadata"]["uid"] != node and is_ready(mine[0])

    wait(registered, "it registers again")
    wait(lambda: whole.get("node", deleted)["spec"].get("podCIDR"), "and has a pod range")
    assert running(whole, namespace, "deployment").get(kept) == deleted, "its pods go on"
