"""Objects told at length."""

from datetime import UTC, datetime

import pytest

from cli.describe.config import describe_config_map, describe_secret
from cli.describe.events import describe_events
from cli.describe.generic import describe_object
from cli.describe.node import describe_node, requested
from cli.describe.pod import describe_pod, toleration_text
from cli.describe.service import describe_service, endpoints
from cli.describe.text import Page, aligned
from cli.describe.workloads import describe_deployment, describe_replica_set

NOW = datetime(2026, 11, 21, 17, 0, tzinfo=UTC)
THEN = "2026-11-21T16:58:00Z"


def test_columns_are_as_wide_as_their_run_of_lines():
    lines = ["a:\t1", "long key:\t2", "  none", "b:\t3", "c:\t4\t5", "dd:\t66\t7"]
    assert aligned(lines).split("\n") == [
        "a:         1", "long key:  2", "  none", "b:   3", "c:   4   5", "dd:  66  7",
    ]  # fmt: skip


def event(**more):
    return {
        "type": "Normal", "reason": "Pulled", "message": "Image is here\n", "lastTimestamp": THEN,
        "source": {"component": "kubelet", "host": "n1"}, **more,
    }  # fmt: skip


def test_events():
    page = Page()
    many = event(
        count=3, firstTimestamp="2026-11-21T16:00:00Z", lastTimestamp="2026-11-21T16:59:00Z"
    )
    describe_events(page, [many, event()], NOW)
    assert page.text().split("\n") == [
        "Events:",
        "  Type    Reason  Age                From     Message",
        "  ----    ------  ---                ----     -------",
        "  Normal  Pulled  2m                 kubelet  Image is here",
        "  Normal  Pulled  60s (x3 over 60m)  kubelet  Image is here",
    ]


POD = {
    "metadata": {
        "name": "web-1", "namespace": "shop", "uid": "u", "labels": {"app": "web", "tier": "front"},
        "ownerReferences": [{"kind": "ReplicaSet", "name": "web", "controller": True}],
    },
    "spec": {
        "nodeName": "n1", "serviceAccountName": "default", "priority": 0,
        "containers": [
            {
                "name": "c", "image": "web:1", "command": ["sh", "-c"],
                "ports": [{"containerPort": 80, "name": "http"}],
                "env": [{"name": "A", "value": "1"}],
                "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
                "readinessProbe": {"httpGet": {"path": "/ok", "port": 80}},
                "volumeMounts": [{"name": "cfg", "mountPath": "/etc/cfg", "readOnly": True}],
            }
        ],
        "volumes": [{"name": "cfg", "configMap": {"name": "cfg"}}],
        "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}],
    },
    "status": {
        "phase": "Running", "podIP": "10.0.0.5", "podIPs": [{"ip": "10.0.0.5"}], "hostIP": "192.168.0.1",
        "startTime": THEN, "qosClass": "Burstable",
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [
            {
                "name": "c", "ready": True, "restartCount": 1, "containerID": "docker://1",
                "imageID": "sha256:1", "state": {"running": {"startedAt": THEN}},
                "lastState": {"terminated": {"exitCode": 3, "reason": "Error"}},
            }
        ],
    },
}  # fmt: skip


def test_pod():
    text = describe_pod(POD, [], NOW)
    for line in (
        "Name:             web-1",
        "Service Account:  default",
        "Node:             n1/192.168.0.1",
        "Start Time:       Sat, 21 Nov 2026 16:58:00 +0000",
        "Labels:           app=web",
        "                  tier=front",
        "Annotations:      <none>",
        "Controlled By:  ReplicaSet/web",
        "    Port:          80/TCP (http)",
        "    State:          Running",
        "      Started:      Sat, 21 Nov 2026 16:58:00 +0000",
        "    Last State:     Terminated",
        "      Exit Code:    3",
        "    Readiness:  http-get http://:80/ok delay=0s timeout=1s period=10s #success=1 #failure=3",
        "      /etc/cfg from cfg (ro)",
        "QoS Class:       Burstable",
        "Tolerations:     k:NoExecute op=Exists for 300s",
        "Events:          <none>",
    ):
        assert line in text.split("\n"), text


@pytest.mark.parametrize(
    ("toleration", "text"),
    [
        ({"operator": "Exists"}, "op=Exists"),
        ({"key": "a", "value": "b", "effect": "NoSchedule"}, "a=b:NoSchedule"),
    ],
)
def test_tolerations(toleration, text):
    assert toleration_text(toleration) == text


SLICES = [
    {
        "ports": [{"name": "http", "port": 8080}],
        "endpoints": [
            {"addresses": ["10.0.0.1"], "conditions": {"ready": True}},
            {"addresses": ["10.0.0.2"], "conditions": {"ready": False}},
            *({"addresses": [f"10.0.1.{n}"]} for n in range(4)),
        ],
    }
]


def test_endpoints():
    assert endpoints(SLICES, "http") == "10.0.0.1:8080,10.0.1.0:8080,10.0.1.1:8080 + 2 more..."
    assert endpoints(SLICES, "other") == ""


def test_service():
    tree = {
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "type": "NodePort", "clusterIP": "10.96.0.5", "clusterIPs": ["10.96.0.5"],
            "selector": {"app": "web"},
            "ports": [{"name": "http", "port": 80, "targetPort": 8080, "nodePort": 30080}],
        },
    }  # fmt: skip
    text = describe_service(tree, SLICES, [], NOW)
    assert "NodePort:          http  30080/TCP" in text
    assert "TargetPort:        8080/TCP" in text


DEPLOYMENT = {
    "metadata": {"name": "web", "namespace": "shop", "uid": "d", "annotations": {"deployment.kubernetes.io/revision": "2"}},
    "spec": {
        "replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": POD,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
    },
    "status": {"replicas": 3, "updatedReplicas": 3, "availableReplicas": 3},
}  # fmt: skip


def replica_set(revision, replicas):
    return {
        "metadata": {
            "name": f"web-{revision}", "namespace": "shop",
            "annotations": {"deployment.kubernetes.io/revision": str(revision)},
            "ownerReferences": [{"uid": "d", "kind": "Deployment", "name": "web", "controller": True}],
        },
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": POD},
        "status": {"replicas": replicas},
    }  # fmt: skip


def test_deployment():
    text = describe_deployment(DEPLOYMENT, [replica_set(1, 0), replica_set(2, 3)], [], NOW)
    for words in (
        "3 desired | 3 updated | 3 total | 3 available | 0 unavailable",
        "RollingUpdateStrategy:  25% max unavailable, 25% max surge",
        "OldReplicaSets:    web-1 (0/0 replicas created)",
        "NewReplicaSet:     web-2 (3/3 replicas created)",
    ):
        assert words in text


def test_replica_set():
    text = describe_replica_set(replica_set(2, 1), [POD], [], NOW)
    assert "Controlled By:  Deployment/web" in text
    assert "Pods Status:    1 Running / 0 Waiting / 0 Succeeded / 0 Failed" in text


def test_node():
    node = {
        "metadata": {"name": "n1", "labels": {"node-role.kubernetes.io/control-plane": ""}},
        "spec": {"taints": [{"key": "k", "effect": "NoSchedule"}], "podCIDR": "10.0.0.0/24"},
        "status": {"allocatable": {"cpu": "2", "memory": "1Gi"}, "nodeInfo": {"osImage": "Debian"}},
    }
    text = describe_node(node, None, [POD], [], NOW)
    for words in (
        "Roles:              control-plane",
        "Taints:             k:NoSchedule",
        "100m (5%)",
        "64Mi (6%)",
        "Non-terminated Pods:          (1 in total)",
    ):
        assert words in text, text


def test_a_pod_asks_for_the_greater_of_its_containers_and_its_greediest_init_container():
    def pod(*init):
        return {"spec": {"containers": [cpu("1"), cpu("500m")], "initContainers": list(init)}}

    def cpu(amount, **more):
        return {"resources": {"requests": {"cpu": amount}}, **more}

    assert requested(pod(), "requests", "cpu") == 1500
    assert requested(pod(cpu("2")), "requests", "cpu") == 2000
    assert requested(pod(cpu("1", restartPolicy="Always")), "requests", "cpu") == 2500


def test_any_other_kind():
    tree = {
        "apiVersion": "v1", "kind": "Thing", "spec": {"someField": [{"a": 1}, {"a": 2}], "b": True},
        "metadata": {"name": "s", "uid": "u", "creationTimestamp": THEN},
    }  # fmt: skip
    text = describe_object(tree, [], NOW)
    for words in (
        "API Version:  v1",
        "Creation Timestamp:",
        "  Some Field:\n    A:   1\n    A:   2",
    ):
        assert words in text, text
    assert "UID" not in text


def test_a_config_map_shows_its_texts():
    tree = {"metadata": {"name": "c", "namespace": "n"}, "data": {"k": "one\ntwo"}}
    assert "k:\n----\none\ntwo\n" in describe_config_map(tree, [], NOW)


def test_a_secret_shows_only_sizes():
    tree = {"metadata": {"name": "s", "namespace": "n"}, "data": {"password": "aHVudGVyMg=="}}
    text = describe_secret(tree)
    assert "password:  7 bytes" in text
    assert "aHVudGVyMg" not in text
