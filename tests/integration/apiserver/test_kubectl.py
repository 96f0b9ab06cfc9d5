"""Unmodified kubectl against the API server."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl on PATH")

MANIFEST = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, labels: {app: web}}
data: {mode: one}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: main, image: "web:1", ports: [{containerPort: 80}]}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80}]
"""


class Kubectl:
    def __init__(self, kubeconfig: Path, cache: Path, namespace: str) -> None:
        self._base = ["kubectl", f"--kubeconfig={kubeconfig}", f"--cache-dir={cache}",
                      f"--namespace={namespace}"]  # fmt: skip

    def __call__(self, *arguments: str, stdin: str = "", code: int = 0) -> str:
        done = subprocess.run(
            [*self._base, *arguments], input=stdin, capture_output=True, text=True, timeout=60,
            env={**os.environ, "KUBECONFIG": ""}, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "-o", "json"))


@pytest.fixture
def kubectl(shared_apiserver: Any, tmp_path: Path) -> Kubectl:
    name = f"k-{uuid.uuid4().hex[:8]}"
    found = Kubectl(shared_apiserver.kubeconfig, tmp_path, name)
    found(
        "apply",
        "-f",
        "-",
        stdin=f'{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"{name}"}}}}',
    )
    found(
        "apply",
        "-f",
        "-",
        stdin='{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"default"}}',
    )
    return found


def test_apply_diff_get_scale_patch_delete(kubectl: Kubectl) -> None:
    said = kubectl("apply", "-f", "-", stdin=MANIFEST)
    assert "deployment.apps/web created" in said
    assert "unchanged" in kubectl("apply", "-f", "-", stdin=MANIFEST)
    changed = MANIFEST.replace("mode: one", "mode: two").replace("replicas: 2", "replicas: 3")
    diff = kubectl("diff", "-f", "-", stdin=changed, code=1)
    assert "+  mode: two" in diff
    assert "configmap/settings configured" in kubectl("apply", "-f", "-", stdin=changed)
    assert kubectl.json("get", "deploy", "web")["spec"]["replicas"] == 3
    kubectl("scale", "deploy/web", "--replicas=5")
    assert kubectl.json("get", "deploy", "web")["spec"]["replicas"] == 5
    kubectl("patch", "deploy", "web", "-p", '{"spec":{"replicas":1}}')
    kubectl("patch", "cm", "settings", "--type=json", "-p",
            '[{"op":"replace","path":"/data/mode","value":"three"}]')  # fmt: skip
    assert kubectl.json("get", "cm", "settings")["data"] == {"mode": "three"}
    kubectl("label", "cm", "settings", "tier=back")
    assert "settings" in kubectl("get", "cm", "-l", "tier=back", "-o", "name")
    table = kubectl("get", "deploy,svc,cm")
    assert "READY" in table
    assert "CLUSTER-IP" in table
    kubectl("set", "image", "deploy/web", "main=web:2")
    kubectl("annotate", "svc", "web", "a=b")
    assert 'service "web" deleted' in kubectl("delete", "-f", "-", stdin=changed)
    assert "No resources found" in kubectl("get", "deploy,svc")


def test_create_from_a_file_twice(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=MANIFEST)
    assert "AlreadyExists" in kubectl("create", "-f", "-", stdin=MANIFEST, code=1)
    assert "replaced" in kubectl("replace", "-f", "-", stdin=MANIFEST)


def test_wait_and_delete_with_wait(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=MANIFEST)
    kubectl("wait", "--for=jsonpath={.data.mode}=one", "cm/settings", "--timeout=60s")
    kubectl("delete", "cm", "settings", "--wait=true", "--timeout=60s")
    kubectl("wait", "--for=delete", "cm/settings", "--timeout=60s")


def test_explain_describe_and_discovery(kubectl: Kubectl) -> None:
    assert "KIND:       Deployment" in kubectl("explain", "deployment.spec.replicas")
    assert "deployments" in kubectl("api-resources")
    assert "apps/v1" in kubectl("api-versions")
    kubectl("apply", "-f", "-", stdin=MANIFEST)
    assert "Type:" in kubectl("describe", "svc", "web")
    assert "Replicas:" in kubectl("describe", "deploy", "web")


def test_watch(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=MANIFEST)
    with subprocess.Popen(
        [*kubectl._base, "get", "cm", "-w", "-o", "name"], stdout=subprocess.PIPE, text=True
    ) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline() == "configmap/settings\n"
        kubectl("label", "cm", "settings", "x=y")
        assert watching.stdout.readline() == "configmap/settings\n"
        watching.terminate()


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ('{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"nope":1}',
         'unknown field "nope"'),
        ('{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"X y"}}', "Invalid value"),
        ('{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":{"a":1}}',
         "cannot"),
    ],
    ids=["unknown field", "invalid name", "wrong type"],
)  # fmt: skip
def test_bad_input_is_told(kubectl: Kubectl, manifest: str, words: str) -> None:
    assert words in kubectl("create", "-f", "-", stdin=manifest, code=1)


BUDGET = """
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: p}
spec: {minAvailable: %s, selector: {matchLabels: {app: web}}}
"""


def test_jobs_budgets_quotas_and_autoscalers(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=MANIFEST)
    kubectl("create", "job", "j", "--image=b")
    kubectl("create", "cronjob", "c", "--image=b", "--schedule=*/5 * * * *")
    kubectl("create", "quota", "q", "--hard=pods=5,count/configmaps=9")
    kubectl("autoscale", "deployment", "web", "--max=3", "--cpu-percent=50")
    for lowest in ("1", "50%"):
        kubectl("apply", "--server-side", "-f", "-", stdin=BUDGET % lowest)
    shown = kubectl("get", "job,cronjob,quota,pdb,hpa")
    for words in ("Running", "*/5 * * * *", "count/configmaps", "50%", "Deployment/web"):
        assert words in shown
    for what in ("job/j", "cronjob/c", "quota/q", "pdb/p", "hpa/web"):
        assert kubectl("describe", what).startswith("Name:")
    assert "targetCPUUtilizationPercentage" in kubectl(
        "explain", "hpa.spec", "--api-version=autoscaling/v1"
    )
    one = kubectl.json("get", "horizontalpodautoscalers.v1.autoscaling", "web")
    assert one["apiVersion"] == "autoscaling/v1"
    assert "deleted" in kubectl("delete", "job", "j", "--wait=false")


def test_auth_commands(kubectl: Kubectl) -> None:
    who = kubectl("auth", "whoami")
    assert "Username" in who
    assert "admin" in who
    other = kubectl("auth", "whoami", "--as=bob", "--as-group=dev", "--as-uid=u1")
    for word in ("bob", "dev", "u1", "system:authenticated"):
        assert word in other
    assert kubectl("auth", "can-i", "list", "pods").strip() == "yes"
    token = kubectl("create", "token", "default", "--duration=10m", "--audience=vault").strip()
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims["aud"] == ["vault"]
    assert claims["exp"] - claims["iat"] == 600
    short = kubectl("create", "token", "default", "--duration=1m", code=1)
    assert "may not specify a duration less than 10 minutes" in short
