"""What a pod's processes see: rights, names, namespaces, variables, volumes, probes (lines 1, 2 and 3)."""

from __future__ import annotations

import base64
import json
import os
import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.pods import Pods, condition, container, made, once, pod, state, waits
from tests.e2e.support import Cluster, wait


def variable(name: str, **source: Any) -> dict[str, Any]:
    return {"name": name, "valueFrom": source}


def context(**more: Any) -> dict[str, Any]:
    return {"securityContext": more}


STATUS = "grep -E '^(Uid|Gid|Groups|NoNewPrivs|Seccomp|CapEff):' /proc/self/status | tr '\\t' ' '"
LINKS = "for n in pid ipc net uts; do readlink /proc/self/ns/$n; done"
SETTINGS = {
    "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"},
    "data": {"color": "blue", "size": "1"},
}  # fmt: skip
KEY = {
    "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"},
    "data": {"token": base64.b64encode(b"hunter2").decode()},
}  # fmt: skip

RIGHTS = [
    once("user", f"{STATUS}; stat -c '%u:%g %a' /v; touch /v/f && stat -c %g /v/f",
         volumeMounts=[{"name": "v", "mountPath": "/v"}],
         spec={"volumes": [{"name": "v", "emptyDir": {}}],
               **context(runAsUser=1000, runAsGroup=3000, fsGroup=4000,
                         supplementalGroups=[5000], seccompProfile={"type": "RuntimeDefault"})},
         **context(allowPrivilegeEscalation=False, capabilities={"drop": ["ALL"]})),
    once("plain", f"{STATUS}; touch /x && echo written",
         **context(capabilities={"add": ["NET_ADMIN"]})),
    once("privileged", STATUS, **context(privileged=True)),
    once("read-only", "touch /x 2>/dev/null || echo refused; touch /v/x && echo written",
         volumeMounts=[{"name": "v", "mountPath": "/v"}],
         spec={"volumes": [{"name": "v", "emptyDir": {}}]}, **context(readOnlyRootFilesystem=True)),
    pod("as-root", container(**context(runAsNonRoot=True))),
    once("parameter", "cat /proc/sys/net/ipv4/ip_unprivileged_port_start",
         spec=context(sysctls=[{"name": "net.ipv4.ip_unprivileged_port_start", "value": "79"}])),
    pod("unsafe", **context(sysctls=[{"name": "kernel.msgmax", "value": "65536"}])),
    pod("strict", **context(supplementalGroupsPolicy="Strict")),
    pod("mapped", hostUsers=False),
    once("by-class", "exit 0", spec={"runtimeClassName": "e2e-runc"}),
    pod("no-runtime", runtimeClassName="e2e-none"),
]  # fmt: skip

NAMES = [
    once("named", "hostname; cat /etc/hosts /etc/resolv.conf", spec={
        "hostname": "h", "subdomain": "sub", "setHostnameAsFQDN": True,
        "hostAliases": [{"ip": "192.0.2.9", "hostnames": ["far", "away"]}],
        "dnsConfig": {"searches": ["corp.example"], "options": [{"name": "ndots", "value": "2"}]}}),
    once("resolver", "cat /etc/resolv.conf", spec={
        "dnsPolicy": "None", "dnsConfig": {"nameservers": ["192.0.2.53"]}}),
    pod("own"),
    pod("hosts", hostPID=True, hostIPC=True, hostNetwork=True),
    pod("sharing", container(), container("sleep 2000", "d"), shareProcessNamespace=True),
    pod("ported", container("mkdir /www; echo here > /www/index.html; httpd -f -p 80 -h /www",
                            ports=[{"containerPort": 80, "hostPort": 30999}])),
    pod("reader", container(
        "echo $0 $1; echo $GREETING; echo $LIMIT $NODE $POD_IP; echo $HELLO; pwd; env | grep -c ^KUBERNETES_SERVICE; "
        "echo $color $token; exec sleep 1000",
        args=["a-$(NAME)", "$$(NAME)"], workingDir="/tmp",
        envFrom=[{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "key"}}],
        env=[{"name": "NAME", "value": "n"}, {"name": "GREETING", "value": "hello $(NAME)"},
             variable("LIMIT", resourceFieldRef={"resource": "limits.memory", "divisor": "1Mi"}),
             variable("NODE", fieldRef={"fieldPath": "spec.nodeName"}),
             variable("POD_IP", fieldRef={"fieldPath": "status.podIP"}),
             variable("HELLO", fileKeyRef={"volumeName": "f", "path": "env", "key": "HELLO"})],
        resources={"limits": {"memory": "64Mi"}}),
        initContainers=[container("echo \"HELLO='from a file'\" > /f/env", "i",
                                  volumeMounts=[{"name": "f", "mountPath": "/f"}])],
        volumes=[{"name": "f", "emptyDir": {}}]),
]  # fmt: skip

PROJECTED = {"name": "p", "projected": {"defaultMode": 0o440, "sources": [
    {"serviceAccountToken": {"path": "token", "audience": "someone", "expirationSeconds": 600}},
    {"configMap": {"name": "settings", "items": [{"key": "color", "path": "deep/c", "mode": 0o400}]}},
    {"secret": {"name": "none", "optional": True}},
    {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
]}}  # fmt: skip
VOLUMES = [
    pod("volumes", container(volumeMounts=[
        {"name": "disk", "mountPath": "/disk"}, {"name": "memory", "mountPath": "/memory"},
        {"name": "c", "mountPath": "/c"}, {"name": "s", "mountPath": "/s"},
        {"name": "p", "mountPath": "/p"},
        {"name": "disk", "mountPath": "/mine", "subPathExpr": "$(POD)"},
        {"name": "c", "mountPath": "/one", "subPath": "color"},
        {"name": "made", "mountPath": "/made"},
        # Holds the engine's own folders: collectors of logs and figures mount such.
        {"name": "all", "mountPath": "/all", "readOnly": True}],
        env=[variable("POD", fieldRef={"fieldPath": "metadata.name"})]),
        volumes=[
            {"name": "disk", "emptyDir": {}},
            {"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
            {"name": "c", "configMap": {"name": "settings"}},
            {"name": "s", "secret": {"secretName": "key", "defaultMode": 0o400}}, PROJECTED,
            {"name": "made", "hostPath": {"path": "/tmp/wherry-e2e-made", "type": "DirectoryOrCreate"}},
            {"name": "all", "hostPath": {"path": "/"}},
        ], metadata={"labels": {"app": "v"}}),
    pod("wrong-type", container(volumeMounts=[{"name": "h", "mountPath": "/h"}]),
        volumes=[{"name": "h", "hostPath": {"path": "/etc", "type": "File"}}]),
    pod("escaping", container(volumeMounts=[{"name": "v", "mountPath": "/x", "subPath": "out"}]),
        initContainers=[container("ln -s /etc /v/out", "i",
                                  volumeMounts=[{"name": "v", "mountPath": "/v"}])],
        volumes=[{"name": "v", "emptyDir": {}}]),
    pod("waiting", container(volumeMounts=[{"name": "v", "mountPath": "/v"}]),
        volumes=[{"name": "v", "configMap": {"name": "none"}}]),
]  # fmt: skip

PROBES = [
    pod("web", container(
        "mkdir /www; echo ok > /www/ok; sleep 2; httpd -f -p 8080 -h /www",
        ports=[{"name": "main", "containerPort": 8080}],
        startupProbe={"tcpSocket": {"port": "main"}, "periodSeconds": 1, "failureThreshold": 60},
        livenessProbe={"exec": {"command": ["test", "-e", "/www/ok"]}, "periodSeconds": 1,
                       "failureThreshold": 1, "terminationGracePeriodSeconds": 1},
        readinessProbe={"httpGet": {"path": "/ok", "port": "main"}, "periodSeconds": 1}),
        terminationGracePeriodSeconds=600),
    pod("rpc", container(readinessProbe={"grpc": {"port": 9}, "periodSeconds": 1})),
    pod("secure", container(readinessProbe={
        "httpGet": {"port": 8443, "scheme": "HTTPS", "path": "/x"}, "periodSeconds": 1})),
]  # fmt: skip


CLASSES = [
    {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name},
     "handler": handler, "overhead": {"podFixed": {"memory": "16Mi", "cpu": "10m"}}}
    for name, handler in (("e2e-runc", "runc"), ("e2e-none", "no-such-runtime"))
]  # fmt: skip


@pytest.fixture(scope="module")
def classes(cluster: Cluster) -> Iterator[None]:
    cluster.apply({"apiVersion": "v1", "kind": "List", "items": CLASSES})
    yield
    cluster.kubectl("delete", "runtimeclass", "e2e-runc", "e2e-none")


@pytest.fixture(scope="module")
def pods(cluster: Cluster, classes: None) -> Iterator[Pods]:
    with made(cluster, "world", SETTINGS, KEY, *RIGHTS, *NAMES, *VOLUMES, *PROBES) as found:
        yield found


def rights(lines: list[str]) -> dict[str, list[str]]:
    found = (line.partition(":") for line in lines if line.partition(":")[0].isalpha())
    return {name: rest.split() for name, _, rest in found}


def test_users_groups_and_files(pods: Pods) -> None:
    lines = pods.said("user")
    found = rights(lines)
    assert (found["Uid"][0], found["Gid"][0]) == ("1000", "3000")
    assert {"4000", "5000"} <= set(found["Groups"])
    assert (found["NoNewPrivs"], found["Seccomp"]) == (["1"], ["2"])
    assert int(found["CapEff"][0], 16) == 0
    assert lines[-2:] == ["0:4000 2777", "4000"]


def test_privileges(pods: Pods) -> None:
    plain = rights(pods.said("plain"))
    net_admin = 1 << 12
    assert int(plain["CapEff"][0], 16) & net_admin
    assert plain["Seccomp"] == ["0"]
    # All that root has on this machine; Docker 20.10 knows those up to AUDIT_READ, number 37.
    known = (1 << 38) - 1
    has = rights(pods.said("privileged"))["CapEff"][0]
    had = rights(Path("/proc/self/status").read_text().splitlines())["CapBnd"][0]
    assert int(has, 16) & known == int(had, 16) & known
    assert pods.said("read-only") == ["refused", "written"]
    found = pods.until("as-root", waits("CreateContainerConfigError"))
    assert state(found["status"])["message"].startswith(
        "container has runAsNonRoot and image will run as root (pod: "
    )


def test_kernel_parameters(pods: Pods) -> None:
    assert pods.said("parameter") == ["79"]
    found = pods.ended("unsafe", "Failed")
    assert (found["status"]["reason"], found["status"]["message"]) == (
        "SysctlForbidden",
        'Pod was rejected: forbidden sysctl: "kernel.msgmax" not allowlisted',
    )


def test_what_this_engine_can_not_do_is_refused_in_words(pods: Pods) -> None:
    found = pods.ended("strict", "Failed")
    assert found["status"]["reason"] == "SupplementalGroupsPolicyNotSupported"
    words = "can't set `spec.hostUsers: false`, runtime does not support user namespaces"
    pods.told("mapped", "FailedCreatePodSandBox", f"Failed to create pod sandbox: {words}")


def test_a_runtime_class_names_the_runtime_and_adds_its_overhead(pods: Pods) -> None:
    assert pods.ended("by-class")["spec"]["overhead"] == {"memory": "16Mi", "cpu": "10m"}
    assert pods.engine_record("by-class")["HostConfig"]["Runtime"] == "runc"
    pods.told("no-runtime", "FailedCreatePodSandBox", "no-such-runtime")


def test_the_status_tells_who_runs(pods: Pods) -> None:
    found = pods.ready("reader")["status"]["containerStatuses"][0]
    assert (found["user"]["linux"]["uid"], found["user"]["linux"]["gid"]) == (0, 0)


def test_names(pods: Pods) -> None:
    lines = pods.said("named")
    full = f"h.sub.{pods.namespace}.svc.cluster.local"
    assert lines[0] == full[:64]
    ip = pods.get("named")["status"]["podIP"]
    assert f"{ip}\t{full}\th" in lines
    assert "192.0.2.9\tfar\taway" in lines
    search = next(line for line in lines if line.startswith("search "))
    assert search.split()[1:4] == [
        f"{pods.namespace}.svc.cluster.local", "svc.cluster.local", "cluster.local",
    ]  # fmt: skip
    assert "corp.example" in search
    assert "options ndots:2" in lines
    assert pods.said("resolver") == ["nameserver 192.0.2.53"]


def test_namespaces_of_the_machine(pods: Pods) -> None:
    mine = {name: os.readlink(f"/proc/self/ns/{name}") for name in ("pid", "ipc")}
    # Both still run: the kernel gives the number of a namespace that has gone to the next one.
    for name in ("own", "hosts"):
        pods.ready(name)
    own, hosts = (pods.run(name, "sh", "-c", LINKS).split() for name in ("own", "hosts"))
    assert (len(own), len(hosts)) == (4, 4)
    assert not {*own} & {*hosts}
    assert hosts[:2] == [mine["pid"], mine["ipc"]]
    status = pods.get("hosts")["status"]
    assert status["podIP"] == status["hostIP"]


def test_processes_are_shared_when_asked_for(pods: Pods) -> None:
    pods.ready("sharing")
    assert "sleep 2000" in pods.run("sharing", "ps")


def test_a_port_of_the_machine(pods: Pods) -> None:
    host = pods.ready("ported")["status"]["hostIP"]
    machine = next(m for m in pods.cluster.machines if m != pods.get("ported")["spec"]["nodeName"])
    wait(
        lambda: "here" in pods.cluster.on(machine, "curl", "-sm2", f"http://{host}:30999/", check=False),
        "the page through the machine's port",
    )  # fmt: skip


def test_variables(pods: Pods) -> None:
    found = pods.ready("reader")
    lines = pods.kubectl("logs", "reader").splitlines()
    assert lines == [
        "a-n $(NAME)",
        "hello n",
        f"64 {found['spec']['nodeName']} {found['status']['podIP']}",
        "from a file",
        "/tmp",
        lines[5],
        "blue hunter2",
    ]
    assert int(lines[5]) >= 2


def test_volumes_have_their_files_and_modes(pods: Pods) -> None:
    pods.ready("volumes")
    script = (
        "cat /c/color /s/token /one /p/deep/c; echo; stat -Lc %a /s/token /p/deep/c /p/labels; "
        "stat -c %a /disk; df -k /memory | tail -1 | awk '{print $2}'; cat /p/labels; echo; "
        "echo x > /mine/f; ls /disk; touch /c/new 2>/dev/null || echo sealed; cat /p/token"
    )
    lines = pods.run("volumes", "sh", "-c", script).splitlines()
    assert lines[:-1] == [
        "bluehunter2blueblue", "400", "400", "440", "777", "1024", 'app="v"', "volumes", "sealed",
    ]  # fmt: skip
    claims = json.loads(base64.urlsafe_b64decode(lines[-1].split(".")[1] + "=="))
    assert claims["aud"] == ["someone"]
    assert claims["kubernetes.io"]["pod"]["name"] == "volumes"
    assert Path("/tmp/wherry-e2e-made").is_dir()
    Path("/tmp/wherry-e2e-made").rmdir()


def test_changes_reach_a_running_pod_within_seconds(pods: Pods) -> None:
    pods.ready("volumes")
    pods.kubectl("label", "pod", "volumes", "app=w", "--overwrite")
    pods.kubectl("patch", "configmap", "settings", "-p", '{"data":{"size":"2"}}')
    begun = time.monotonic()
    wait(
        lambda: pods.run("volumes", "sh", "-c", "cat /c/size; cat /p/labels") == '2app="w"',
        "the new values",
    )
    # Watched, not polled: the slow round comes once a minute.
    assert time.monotonic() - begun < 30


def test_volumes_that_can_not_be_made_say_why(pods: Pods) -> None:
    pods.told("wrong-type", "FailedMount", "hostPath type check failed: /etc is not a file")
    pods.told("waiting", "FailedMount", 'configmap "none" not found')
    found = pods.until("escaping", waits("CreateContainerConfigError"))
    assert 'failed to prepare subPath for volumeMount "out"' in state(found["status"])["message"]
    for name in ("wrong-type", "waiting"):
        assert state(pods.get(name)["status"])["reason"] == "ContainerCreating"


def test_a_block_device_of_the_machine(pods: Pods, tmp_path: Path) -> None:
    device, machine = tmp_path / "disk", pods.cluster.machines[0]
    os.mknod(device, stat.S_IFBLK | 0o600, os.makedev(7, 0))
    where = {"key": "kubernetes.io/hostname", "operator": "In", "values": [machine]}
    common = {"accessModes": ["ReadWriteOnce"], "volumeMode": "Block", "storageClassName": ""}
    name = f"{pods.namespace}-disk"
    volume = {
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
        "spec": {
            **common, "capacity": {"storage": "1Mi"}, "local": {"path": str(device)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [where]}]}},
        },
    }  # fmt: skip
    claim = {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "disk", "namespace": pods.namespace},
        "spec": {
            **common, "volumeName": name, "resources": {"requests": {"storage": "1Mi"}},
        },
    }  # fmt: skip
    user = once(
        "disk", "stat -c '%t:%T' /dev/mine",
        volumeDevices=[{"name": "d", "devicePath": "/dev/mine"}],
        spec={"volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "disk"}}]},
    )  # fmt: skip
    user["metadata"]["namespace"] = pods.namespace
    pods.cluster.apply({"apiVersion": "v1", "kind": "List", "items": [volume, claim, user]})
    try:
        assert pods.said("disk") == ["7:0"]
        assert pods.get("disk")["spec"]["nodeName"] == machine
    finally:
        pods.kubectl("delete", "pod/disk", "pvc/disk", "--now")
        pods.kubectl("delete", "pv", name, "--wait=false")


def test_probes_of_all_kinds(pods: Pods) -> None:
    found = pods.ready("web")
    pods.told("web", "Unhealthy", "Startup probe failed: dial tcp ")
    assert found["status"]["containerStatuses"][0]["started"] is True
    for name, words in (
        ("rpc", r'Readiness probe failed: .*connect.*'), ("secure", r"Readiness probe failed: Get .https://.*/x"),
    ):  # fmt: skip
        found = pods.until(name, lambda s: s["phase"] == "Running")
        assert condition(found["status"], "Ready")["reason"] == "ContainersNotReady"
        pods.told(name, "Unhealthy", "Readiness probe failed: ")
        said = [text for reason, text in pods.events(name) if reason == "Unhealthy"]
        assert re.match(words, said[0])


def test_a_probes_own_grace_period_is_short(pods: Pods) -> None:
    """The pod's own is ten minutes, and its shell does not end on SIGTERM."""
    pods.ready("web")
    pods.run("web", "rm", "/www/ok")
    pods.until("web", lambda s: s["containerStatuses"][0]["restartCount"] == 1)
    pods.told("web", "Killing", "Container c failed liveness probe, will be restarted")


def test_nothing_is_left_of_a_pod_that_is_gone(pods: Pods) -> None:
    """Last: it deletes what the others looked at."""
    found = pods.ready("volumes")
    folder = pods.cluster.directory / found["spec"]["nodeName"]
    uid = found["metadata"]["uid"]
    mine = [Path(top) / uid for top, folders, _ in os.walk(folder) if uid in folders]
    assert mine, "the pod has a folder below its machine's"
    pods.kubectl("delete", "pod", "volumes", "--now")
    wait(lambda: not any(path.exists() for path in mine), "the pod's folder gone")
    assert found["metadata"]["uid"] not in Path("/proc/self/mounts").read_text()
    machine = pods.cluster.docker(found["spec"]["nodeName"])
    filters = {"label": f"io.kubernetes.pod.uid={found['metadata']['uid']}"}
    assert machine.containers.list(all=True, filters=filters, ignore_removed=True) == []
