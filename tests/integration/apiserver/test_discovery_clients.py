"""Unmodified clients find their way: kubectl's explain and validation, the PyPI `kubernetes` client."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kubernetes
import pytest

needs_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl on PATH")
Kubectl = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def kubectl(shared_apiserver: Any, tmp_path: Path) -> Kubectl:
    """Runs kubectl with a cache of its own."""

    def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["kubectl", f"--kubeconfig={shared_apiserver.kubeconfig}", *arguments],
            input=stdin, capture_output=True, text=True, timeout=60, check=False,
            env={**os.environ, "HOME": str(tmp_path)},
        )  # fmt: skip

    return run


@needs_kubectl
@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("pod.spec.containers.ports", "containerPort\t<integer> -required-"),
        ("deployment.spec.strategy", "rollingUpdate\t<RollingUpdateDeployment>"),
        ("service.spec.ports.targetPort", "FIELD: targetPort <IntOrString>"),
        ("node.status.capacity", "FIELD: capacity <map[string]Quantity>"),
        ("endpointslice.endpoints.conditions", "serving\t<boolean>"),
        ("lease.spec.renewTime", "FIELD: renewTime <string>"),
        ("priorityclass.value", "FIELD: value <integer>"),
    ],
)
def test_explain(kubectl: Kubectl, path: str, words: str) -> None:
    done = kubectl("explain", path)
    assert words in done.stdout, done.stderr


@needs_kubectl
def test_explain_recursively(kubectl: Kubectl) -> None:
    for kind in ("pod", "deployment", "service", "node", "event", "configmap", "secret"):
        done = kubectl("explain", kind, "--recursive")
        assert done.returncode == 0, done.stderr
        assert "metadata\t<ObjectMeta>" in done.stdout


@needs_kubectl
def test_client_asks_the_server_to_validate(kubectl: Kubectl) -> None:
    manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndta: {a: b}\n"
    strict = kubectl("create", "--validate=true", "-f", "-", stdin=manifest)
    assert 'strict decoding error: unknown field "dta"' in strict.stderr
    lenient = kubectl("create", "--validate=warn", "--dry-run=server", "-f", "-", stdin=manifest)
    assert lenient.returncode == 0
    assert 'Warning: unknown field "dta"' in lenient.stderr


@needs_kubectl
def test_raw_paths_and_short_names(kubectl: Kubectl) -> None:
    for short in ("po", "svc", "ep", "cm", "sa", "ns", "no", "deploy", "rs", "pc", "ev"):
        assert kubectl("get", short).returncode == 0
    assert '"gitVersion": "v1.36.2+wherry' in kubectl("get", "--raw", "/version").stdout
    assert "readyz check passed" in kubectl("get", "--raw", "/readyz?verbose").stdout
    names = kubectl("api-resources", "--categories=all", "-o", "name").stdout.split()
    assert set(names) == {
        "pods", "services", "replicationcontrollers", "deployments.apps", "replicasets.apps",
        "daemonsets.apps", "statefulsets.apps", "jobs.batch", "cronjobs.batch",
        "horizontalpodautoscalers.autoscaling",
    }  # fmt: skip


@pytest.fixture
def api(shared_apiserver: Any) -> Iterator[Any]:
    """The PyPI client's transport."""
    api = kubernetes.config.new_client_from_config(config_file=str(shared_apiserver.kubeconfig))
    yield api
    api.close()


@pytest.fixture
def namespace(api: Any) -> str:
    name = f"d-{uuid.uuid4().hex[:8]}"
    space = kubernetes.client.V1Namespace(metadata=kubernetes.client.V1ObjectMeta(name=name))
    kubernetes.client.CoreV1Api(api).create_namespace(space)
    return name


def test_typed_python_client(api: Any, namespace: str) -> None:
    core = kubernetes.client.CoreV1Api(api)
    config = {"metadata": {"name": "c", "labels": {"a": "b"}}, "data": {"k": "1"}}
    made = core.create_namespaced_config_map(namespace, config)
    assert made.metadata.uid
    core.patch_namespaced_config_map("c", namespace, {"data": {"k": "2"}})
    (found,) = core.list_namespaced_config_map(namespace, label_selector="a=b").items
    assert found.data == {"k": "2"}
    found.data["l"] = "3"
    core.replace_namespaced_config_map("c", namespace, found)
    made.data["k"] = "stale"
    with pytest.raises(kubernetes.client.ApiException) as conflict:
        core.replace_namespaced_config_map("c", namespace, made)
    assert conflict.value.status == 409
    core.delete_namespaced_config_map("c", namespace)
    with pytest.raises(kubernetes.client.ApiException) as gone:
        core.read_namespaced_config_map("c", namespace)
    assert gone.value.status == 404


def test_python_clients_watch(api: Any, namespace: str) -> None:
    core = kubernetes.client.CoreV1Api(api)
    core.create_namespaced_config_map(namespace, {"metadata": {"name": "first"}})
    watch = kubernetes.watch.Watch()
    seen = []
    for event in watch.stream(core.list_namespaced_config_map, namespace, timeout_seconds=20):
        seen.append((event["type"], event["object"].metadata.name))
        if len(seen) == 1:
            core.create_namespaced_config_map(namespace, {"metadata": {"name": "second"}})
        else:
            watch.stop()
    assert seen == [("ADDED", "first"), ("ADDED", "second")]


def test_python_clients_deployments_and_scale(api: Any, namespace: str) -> None:
    apps = kubernetes.client.AppsV1Api(api)
    template = {
        "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]},
    }  # fmt: skip
    spec = {"replicas": 2, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    apps.create_namespaced_deployment(namespace, {"metadata": {"name": "d"}, "spec": spec})
    scale = apps.read_namespaced_deployment_scale("d", namespace)
    assert (scale.spec.replicas, scale.status.selector) == (2, "a=b")
    scale.spec.replicas = 5
    apps.replace_namespaced_deployment_scale("d", namespace, scale)
    assert apps.read_namespaced_deployment("d", namespace).spec.replicas == 5


def test_python_clients_discovery(api: Any, tmp_path: Path) -> None:
    dynamic = kubernetes.dynamic.DynamicClient(api, cache_file=str(tmp_path / "cache"))
    deployments = dynamic.resources.get(api_version="apps/v1", kind="Deployment")
    assert deployments.namespaced
    assert "scale" in deployments.subresources
    assert dynamic.resources.get(kind="Node").name == "nodes"
    groups = [group.name for group in kubernetes.client.ApisApi(api).get_api_versions().groups]
    assert groups[0] == "apps"
    assert kubernetes.client.VersionApi(api).get_code().minor == "36"


def test_python_clients_reviews(api: Any) -> None:
    review = {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}
    authorization = kubernetes.client.AuthorizationV1Api(api)
    assert authorization.create_self_subject_access_review(review).status.allowed
    authentication = kubernetes.client.AuthenticationV1Api(api)
    status = authentication.create_self_subject_review({}).status
    assert status.user_info.username == "admin"
