"""How pods live, and what they say of themselves (lines 1 and 4 of the node's promises)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.pods import (
    Pods,
    condition,
    container,
    is_ready,
    made,
    once,
    pod,
    state,
    waits,
)
from tests.e2e.support import Cluster, wait


def rule(action: str, *codes: int) -> dict[str, object]:
    return {"action": action, "exitCodes": {"operator": "In", "values": list(codes)}}


# At once: the engine listens for a lack of memory only after the start.
OUT_OF_MEMORY = "exec dd if=/dev/zero of=/dev/null bs=200M"
SHARED = {"name": "v", "emptyDir": {}}
AT = [{"name": "v", "mountPath": "/v"}]
# Fails with 42 the first time, and succeeds then.
SECOND_TIME = "echo run >> /v/c; [ $(wc -l < /v/c) -gt 1 ] && exit 0; exit 42"

LIFE = [
    pod(
        "rules",
        container(SECOND_TIME, volumeMounts=AT, restartPolicy="Never",
                  restartPolicyRules=[rule("Restart", 42)]),
        container("exit 0", "other"), restartPolicy="Never", volumes=[SHARED],
    ),
    pod(
        "together",
        container(SECOND_TIME, volumeMounts=AT, restartPolicy="Never",
                  restartPolicyRules=[rule("RestartAllContainers", 42)]),
        container("[ $(wc -l < /v/i) -gt 1 ] || sleep 1000", "other", volumeMounts=AT),
        initContainers=[container("echo init >> /v/i", "i", volumeMounts=AT)],
        restartPolicy="Never", volumes=[SHARED],
    ),
    pod(
        "in-turn",
        container("cat /v/log; [ -e /v/side ] && exit 0; exit 1", volumeMounts=AT),
        initContainers=[
            container("echo first >> /v/log", "first", volumeMounts=AT),
            container("touch /v/side; " + "trap 'exit 0' TERM; sleep 1000 & wait", "side",
                      volumeMounts=AT, restartPolicy="Always",
                      startupProbe={"exec": {"command": ["test", "-e", "/v/side"]},
                                    "periodSeconds": 1}),
            container("echo last >> /v/log", "last", volumeMounts=AT),
        ],
        restartPolicy="Never", volumes=[SHARED],
    ),
    pod("crash", container("exit 3")),
    pod("no-command", {**container(), "command": ["/no/such"]}, restartPolicy="Never"),
    pod("no-config", container(env=[
        {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "late", "key": "a"}}}])),
    pod("never-here", {**container(), "image": "local/none:1", "imagePullPolicy": "Never"}),
    pod("not-there", {**container(), "image": "127.0.0.1:9/none:1"}),
    pod("no-name", {**container(), "image": "local/NONE"}),
    once("oom", OUT_OF_MEMORY,
         resources={"limits": {"memory": "16Mi"}}),
    once("message", "echo lost; echo kept > /v/told; exit 4", volumeMounts=AT,
         terminationMessagePath="/dev/told", terminationMessagePolicy="FallbackToLogsOnError",
         spec={"volumes": [SHARED]}),
    once("file", "echo kept > /dev/told; exit 4", terminationMessagePath="/dev/told"),
    pod("late", activeDeadlineSeconds=2),
    pod("hooked", container(lifecycle={
        "postStart": {"exec": {"command": ["sh", "-c", "sleep 1; echo begun > /begun"]}},
        "preStop": {"exec": {"command": ["sh", "-c", "echo over > /proc/1/fd/1; sleep 1"]}},
    }), terminationGracePeriodSeconds=20),
    pod("hooked-side",
        container("end() { until [ -e /v/hook ]; do sleep 0.1; done; echo seen; exit 0; }; "
                  "trap end TERM; sleep 1000 & wait", volumeMounts=AT),
        initContainers=[container(
            restartPolicy="Always", name="side", volumeMounts=AT,
            lifecycle={"preStop": {"exec": {"command": ["touch", "/v/hook"]}}})],
        terminationGracePeriodSeconds=20, volumes=[SHARED]),
    pod("unhooked", container(lifecycle={
        "postStart": {"exec": {"command": ["sh", "-c", "echo secret; exit 9"]}}})),
    pod("held", container(lifecycle={
        "postStart": {"exec": {"command": ["sh", "-c", "until [ -e /go ]; do sleep 0.1; done"]}}})),
    pod("gated", readinessGates=[{"conditionType": "example.com/open"}]),
    pod("lost-record"),
    pod("resized", container(resources={
        "requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"cpu": "100m", "memory": "64Mi"}},
        resizePolicy=[{"resourceName": "memory", "restartPolicy": "RestartContainer"},
                      {"resourceName": "cpu", "restartPolicy": "NotRequired"}])),
    pod("guaranteed", container(resources={"limits": {"cpu": "20m", "memory": "32Mi"}})),
    pod("best-effort"),
    pod("whole", container(), container(name="d"),
        resources={"requests": {"memory": "16Mi"}, "limits": {"memory": "48Mi", "cpu": "200m"}}),
]  # fmt: skip


@pytest.fixture(scope="module")
def pods(cluster: Cluster) -> Iterator[Pods]:
    with made(cluster, "life", *LIFE) as found:
        yield found


def restarts(status: dict[str, object]) -> dict[str, int]:
    found = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]  # type: ignore[misc]
    return {one["name"]: one["restartCount"] for one in found}


def test_a_rule_restarts_one_container(pods: Pods) -> None:
    found = pods.ended("rules")
    assert restarts(found["status"]) == {"c": 1, "other": 0}
    last = found["status"]["containerStatuses"][0]["lastState"]["terminated"]
    assert last["exitCode"] == 42


def test_a_rule_restarts_all_containers_and_init_runs_again(pods: Pods) -> None:
    found = pods.ended("together")
    assert restarts(found["status"]) == {"i": 1, "c": 1, "other": 1}
    assert condition(found["status"], "AllContainersRestarting")["status"] == "False"
    names = [one["name"] for one in found["status"]["containerStatuses"]]
    assert names == ["c", "other"]


def test_init_containers_and_sidecars_run_in_turn(pods: Pods) -> None:
    assert pods.said("in-turn") == ["first", "last"]
    status = pods.get("in-turn")["status"]
    side = status["initContainerStatuses"][1]["state"]["terminated"]
    main = status["containerStatuses"][0]["state"]["terminated"]
    assert side["exitCode"] == 0
    assert side["finishedAt"] >= main["finishedAt"], "sidecars end last"
    assert condition(status, "Initialized")["status"] == "True"


def test_a_crash_loop_backs_off_and_says_so(pods: Pods) -> None:
    found = pods.until("crash", waits("CrashLoopBackOff"))
    one = found["status"]["containerStatuses"][0]
    uid, namespace = found["metadata"]["uid"], pods.namespace
    after = {1: "10s", 2: "20s", 3: "40s", 4: "1m20s"}[one["restartCount"]]  # by when this looks
    assert one["state"]["waiting"]["message"] == (
        f"back-off {after} restarting failed container=c pod=crash_{namespace}({uid})"
    )
    assert one["lastState"]["terminated"]["exitCode"] == 3
    assert found["status"]["phase"] == "Running"
    pods.told(
        "crash", "BackOff", f"Back-off restarting failed container c in pod crash_{namespace}"
    )


def test_what_can_not_start_says_why(pods: Pods) -> None:
    found = pods.ended("no-command", "Failed")
    ended = state(found["status"])
    assert (ended["reason"], ended["exitCode"]) == ("StartError", 128)
    assert "/no/such" in ended["message"]
    found = pods.until("no-config", waits("CreateContainerConfigError"))
    assert state(found["status"])["message"] == 'configmap "late" not found'
    pods.told("no-config", "Failed", 'Error: configmap "late" not found')
    pods.kubectl("create", "configmap", "late", "--from-literal=a=b")
    pods.ready("no-config")


def test_images_that_can_not_be_had(pods: Pods) -> None:
    found = pods.until("never-here", waits("ErrImageNeverPull"))
    words = 'Container image "local/none:1" is not present with pull policy of Never'
    assert state(found["status"])["message"] == words
    found = pods.until("not-there", waits("ImagePullBackOff"))
    assert state(found["status"])["message"].startswith(
        'Back-off pulling image "127.0.0.1:9/none:1": ErrImagePull: '
    )
    pods.told("not-there", "Failed", 'Failed to pull image "127.0.0.1:9/none:1": ')
    pods.told("not-there", "BackOff", 'Back-off pulling image "127.0.0.1:9/none:1"')
    pods.until("no-name", waits("InvalidImageName"))
    pods.told("no-name", "InspectFailed", "couldn't parse image name")


def test_ends_tell_their_reason_and_message(pods: Pods) -> None:
    ended = state(pods.ended("oom", "Failed")["status"])
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)
    ended = state(pods.ended("message", "Failed")["status"])
    assert (ended["reason"], ended["message"]) == ("Error", "lost\n")
    assert state(pods.ended("file", "Failed")["status"])["message"] == "kept\n"
    found = pods.ended("late", "Failed")
    assert (found["status"]["reason"], found["status"]["message"]) == (
        "DeadlineExceeded",
        "Pod was active on the node longer than the specified deadline",
    )


def test_hooks(pods: Pods) -> None:
    pods.ready("hooked")
    assert pods.run("hooked", "cat", "/begun") == "begun\n"
    pods.told("unhooked", "FailedPostStartHook", "PostStartHook failed")
    pods.told("unhooked", "Killing", "FailedPostStartHook")
    assert "secret" not in str(pods.events("unhooked"))
    log = pods.engine_record("hooked")["LogPath"]
    with open(log) as lines:
        pods.kubectl("delete", "pod", "hooked")
        said = [json.loads(line)["log"] for line in lines]
    assert said == ["over\n"]


def test_a_sidecars_hook_runs_while_the_others_end(pods: Pods) -> None:
    pods.ready("hooked-side")
    with open(pods.engine_record("hooked-side")["LogPath"]) as lines:
        pods.kubectl("delete", "pod", "hooked-side")
        assert [json.loads(line)["log"] for line in lines] == ["seen\n"]


def test_nothing_runs_before_its_hook_has_ended(pods: Pods) -> None:
    def is_up(status: dict[str, Any]) -> bool:
        known = any(one.get("containerID") for one in status.get("containerStatuses", ()))
        return known and bool(pods.engine_record("held")["State"]["Running"])

    found = pods.until("held", is_up)["status"]
    assert found["phase"] == "Pending"
    (one,) = found["containerStatuses"]
    assert (one["state"], one["started"]) == ({"waiting": {"reason": "ContainerCreating"}}, False)
    pods.run("held", "touch", "/go")
    pods.ready("held")


def test_a_gate_holds_readiness(pods: Pods) -> None:
    found = pods.until("gated", lambda s: condition(s, "ContainersReady").get("status") == "True")
    ready = condition(found["status"], "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "ReadinessGatesNotReady")
    patch = {"status": {"conditions": [{"type": "example.com/open", "status": "True"}]}}
    pods.kubectl("patch", "pod", "gated", "--subresource=status", "-p", json.dumps(patch))
    pods.ready("gated")


def test_a_container_that_the_engine_lost_is_counted(pods: Pods) -> None:
    pods.ready("lost-record")
    record = pods.engine_record("lost-record")
    machine = pods.get("lost-record")["spec"]["nodeName"]
    pods.cluster.docker(machine).containers.get(record["Id"]).remove(force=True)
    found = pods.until(
        "lost-record", lambda s: s["containerStatuses"][0]["restartCount"] == 1 and is_ready(s)
    )
    assert found["status"]["containerStatuses"][0]["containerID"] != f"docker://{record['Id']}"


def test_resize_in_place_and_by_restart(pods: Pods) -> None:
    before = pods.ready("resized")["status"]["containerStatuses"][0]

    def resize(resources: dict[str, object]) -> None:
        patch = {"spec": {"containers": [{"name": "c", "resources": resources}]}}
        pods.kubectl("patch", "pod", "resized", "--subresource=resize", "-p", json.dumps(patch))

    resize({"limits": {"cpu": "200m"}})
    found = pods.until(
        "resized",
        lambda s: (
            s["containerStatuses"][0].get("resources", {})["limits"]["cpu"] == "200m"
            and not condition(s, "PodResizeInProgress")
        ),
    )
    one = found["status"]["containerStatuses"][0]
    assert (one["containerID"], one["restartCount"]) == (before["containerID"], 0)
    assert found["metadata"]["generation"] == found["status"]["observedGeneration"] == 2
    assert pods.engine_record("resized")["HostConfig"]["CpuQuota"] == 20_000
    resize({"limits": {"memory": "96Mi"}})
    pods.until("resized", lambda s: s["containerStatuses"][0]["restartCount"] == 1 and is_ready(s))
    assert pods.engine_record("resized")["HostConfig"]["Memory"] == 96 * 1024 * 1024
    resize({"requests": {"cpu": "1000"}, "limits": {"cpu": "1000"}})
    found = pods.until("resized", lambda s: condition(s, "PodResizePending"))
    assert condition(found["status"], "PodResizePending")["reason"] == "Infeasible"
    pods.told("resized", "ResizeCompleted", "Pod resize completed")


def test_qos_is_a_control_group_and_a_score(pods: Pods) -> None:
    with open("/proc/self/oom_score_adj") as file:
        lowest = int(file.read())
    for name, level, score in (
        ("guaranteed", "", max(-997, lowest)), ("best-effort", "besteffort", 1000),
    ):  # fmt: skip
        found = pods.ready(name)
        record = pods.engine_record(name)
        parent = record["HostConfig"]["CgroupParent"]
        end = "/".join(["kubepods", *([level] if level else []), f"pod{found['metadata']['uid']}"])
        assert parent.endswith(end)
        assert record["HostConfig"]["OomScoreAdj"] == score
        with open(f"/proc/{record['State']['Pid']}/oom_score_adj") as file:
            assert int(file.read()) == score


def test_what_is_said_of_the_whole_pod_bounds_it(pods: Pods) -> None:
    pods.ready("whole")
    parent = pods.engine_record("whole")["HostConfig"]["CgroupParent"].lstrip("/")
    places = (f"/sys/fs/cgroup/memory/{parent}/memory.limit_in_bytes",
              f"/sys/fs/cgroup/{parent}/memory.max")  # fmt: skip
    with open(next(place for place in places if os.path.exists(place))) as file:
        assert int(file.read()) == 48 * 1024 * 1024
    status = pods.get("whole")["status"]
    assert status["resources"]["limits"] == {"cpu": "200m", "memory": "48Mi"}
    assert status["qosClass"] == "Burstable"


def test_every_condition_tells_the_generation_it_is_of(pods: Pods) -> None:
    found = pods.ready("best-effort")
    mine = [c for c in found["status"]["conditions"] if c["type"] != "PodScheduled"]
    assert {c["type"] for c in mine} >= {
        "PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready",
    }  # fmt: skip
    assert {c["observedGeneration"] for c in mine} == {found["metadata"]["generation"]}
    wait(
        lambda: (
            {"Scheduled", "Pulled", "Created", "Started"}
            <= {reason for reason, _ in pods.events("best-effort")}
        ),
        "the usual events",
    )
