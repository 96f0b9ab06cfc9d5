"""Server-side apply against a real server: over HTTP, by unmodified kubectl and the PyPI client."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from wherry.api.scheme import RESOURCES

APPLY = {"Content-Type": "application/apply-patch+yaml"}
Tree = dict[str, Any]


@pytest.fixture
async def http(shared_apiserver: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with shared_apiserver.client() as client:
        yield client


def config_map(name: str, **data: str) -> Tree:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def deployment(name: str, **spec: Any) -> Tree:
    container = {"name": "c", "image": "i", "ports": [{"containerPort": 80}]}
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    full = {"selector": {"matchLabels": labels}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": full}


def path(name: str, plural: str = "configmaps") -> str:
    root = "/apis/apps/v1" if plural == "deployments" else "/api/v1"
    return f"{root}/namespaces/default/{plural}/{name}"


async def apply(
    http: httpx.AsyncClient, at: str, body: Any, manager: str = "one", code: int = 200, **query: str
) -> Tree:
    answer = await http.patch(
        at, content=body if isinstance(body, str) else json.dumps(body), headers=APPLY,
        params={"fieldManager": manager, **query},
    )  # fmt: skip
    assert answer.status_code == code, answer.text
    found: Tree = answer.json()
    return found


def unique() -> str:
    return f"a-{uuid.uuid4().hex[:8]}"


async def test_apply_makes_changes_and_does_nothing(http: httpx.AsyncClient) -> None:
    name = unique()
    yaml = (
        f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  a: '1'\n  b: '2'\n"
    )
    made = await apply(http, path(name), yaml, code=201)
    assert made["metadata"]["managedFields"][0]["operation"] == "Apply"
    assert made["metadata"]["uid"]
    again = await apply(http, path(name), yaml)
    assert again == made
    less = await apply(http, path(name), config_map(name, a="1"))
    assert less["data"] == {"a": "1"}


async def test_conflicts_and_force(http: httpx.AsyncClient) -> None:
    name = unique()
    await apply(http, path(name), config_map(name, a="1", b="2"), code=201)
    refused = await apply(http, path(name), config_map(name, a="3"), "two", code=409)
    assert refused["reason"] == "Conflict"
    assert refused["message"] == 'Apply failed with 1 conflict: conflict with "one": .data.a'
    assert refused["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".data.a"}
    ]
    forced = await apply(http, path(name), config_map(name, a="3"), "two", force="true")
    assert forced["data"] == {"a": "3", "b": "2"}


async def test_an_update_takes_fields_and_apply_sees_it(http: httpx.AsyncClient) -> None:
    name = unique()
    await apply(http, path(name), config_map(name, a="1"), code=201)
    await http.patch(
        path(name), json={"data": {"a": "2"}}, params={"fieldManager": "edit"},
        headers={"Content-Type": "application/merge-patch+json"},
    )  # fmt: skip
    refused = await apply(http, path(name), config_map(name, a="1"), code=409)
    assert refused["message"] == (
        'Apply failed with 1 conflict: conflict with "edit" using v1: .data.a'
    )


async def test_a_configuration_may_insist_on_a_state(http: httpx.AsyncClient) -> None:
    name = unique()
    made = await apply(http, path(name), config_map(name, a="1"), code=201)
    body = config_map(name, a="2")
    body["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"]
    await apply(http, path(name), body)
    body["data"] = {"a": "3"}
    refused = await apply(http, path(name), body, code=409)
    assert "the object has been modified" in refused["message"]
    body["metadata"] = {"name": name, "uid": "other"}
    assert "Precondition failed: UID" in (await apply(http, path(name), body, code=409))["message"]
    body["metadata"] = {"name": unique(), "uid": "other"}
    refused = await apply(http, path(body["metadata"]["name"]), body, code=409)
    assert "uid mismatch" in refused["message"]


async def test_dry_run_stores_nothing(http: httpx.AsyncClient) -> None:
    name = unique()
    await apply(http, path(name), config_map(name, a="1"), code=201, dryRun="All")
    assert (await http.get(path(name))).status_code == 404
    await apply(http, path(name), config_map(name, a="1"), code=201)
    changed = await apply(http, path(name), config_map(name, a="2"), dryRun="All")
    assert changed["data"] == {"a": "2"}
    assert (await http.get(path(name))).json()["data"] == {"a": "1"}


async def test_defaults_belong_to_nobody(http: httpx.AsyncClient) -> None:
    name = unique()
    made = await apply(http, path(name, "deployments"), deployment(name), code=201)
    assert made["spec"]["replicas"] == 1
    assert "f:replicas" not in made["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]
    assert await apply(http, path(name, "deployments"), deployment(name)) == made
    await apply(
        http, path(name, "deployments"), {**deployment(name), "spec": {"replicas": 3}}, "scaler"
    )
    kept = await apply(http, path(name, "deployments"), deployment(name))
    assert kept["spec"]["replicas"] == 3
    gone = await apply(
        http, path(name, "deployments"), {**deployment(name), "spec": {"paused": True}}, "scaler"
    )
    assert gone["spec"]["replicas"] == 1


async def test_the_scale_of_a_deployment(http: httpx.AsyncClient) -> None:
    name = unique()
    at = path(name, "deployments")
    await apply(http, at, deployment(name, replicas=2), code=201)
    scale = {
        "apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": name},
        "spec": {"replicas": 5},
    }  # fmt: skip
    refused = await apply(http, f"{at}/scale", scale, "hpa", code=409)
    assert refused["details"]["causes"][0]["field"] == ".spec.replicas"
    forced = await apply(http, f"{at}/scale", scale, "hpa", force="true")
    assert forced["spec"] == {"replicas": 5}
    refused = await apply(http, at, deployment(name, replicas=2), code=409)
    assert refused["message"].endswith('"hpa" with subresource "scale": .spec.replicas')


async def test_status(http: httpx.AsyncClient) -> None:
    name = unique()
    at = path(name, "deployments")
    await apply(http, at, {**deployment(name), "status": {"replicas": 7}}, code=201)
    found = await apply(
        http, f"{at}/status", {**deployment(name, replicas=9), "status": {"replicas": 4}}, "ctl"
    )
    assert found["status"]["replicas"] == 4
    assert found["spec"]["replicas"] == 1
    await apply(http, f"{path(unique(), 'deployments')}/status", deployment("x"), code=404)


@pytest.mark.parametrize(
    ("body", "query", "code", "message"),
    [
        ("{}", {}, 400, "invalid object type: /, Kind="),
        ("a: [", {}, 400, "error decoding YAML: "),
        ("", {}, 400, "error decoding YAML: "),
        ("- 1", {}, 400, "error decoding YAML: "),
        ({**config_map("x"), "kind": "Pod"}, {}, 400, "invalid object type: /v1, Kind=Pod"),
        (
            {**config_map("x"), "nope": 1},
            {},
            400,
            "failed to create typed patch object (/x; /v1, Kind=ConfigMap): .nope: field not declared in schema",
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, generation: 1" + "0" * 30 + "}\n",
            {},
            400,
            "failed to convert new typed object",
        ),
        ({**config_map("x"), "metadata": 3}, {}, 400, "failed to create typed patch object"),
        (
            {**config_map("x"), "metadata": {"managedFields": []}},
            {},
            400,
            "metadata.managedFields must be nil",
        ),
        (config_map("other"), {}, 400, "the name of the object (other) does not match"),
        (
            config_map("x"),
            {"fieldManager": ""},
            422,
            'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {}\ndata: {}\n",
            {"fieldValidation": "Strict"},
            400,
            "error strict decoding YAML: ",
        ),
    ],
)
async def test_refusals(
    http: httpx.AsyncClient, body: Any, query: Tree, code: int, message: str
) -> None:
    found = (
        await apply(http, path("x"), body, code=code, **{"manager": "m", **query})
        if ("fieldManager" not in query)
        else (await http.patch(path("x"), content=json.dumps(body), headers=APPLY)).json()
    )
    assert found["code"] == code
    assert found["message"].startswith(message)


async def test_force_is_for_apply_only(http: httpx.AsyncClient) -> None:
    answer = await http.patch(
        path("x"), json={}, params={"force": "true"},
        headers={"Content-Type": "application/merge-patch+json"},
    )  # fmt: skip
    assert answer.status_code == 422
    assert "may not be specified for non-apply patch" in answer.text


async def test_many_appliers_of_one_object_lose_nothing(http: httpx.AsyncClient) -> None:
    name = unique()
    await apply(http, path(name), config_map(name, first="v"), "first", code=201)

    async def one(index: int) -> None:
        await apply(http, path(name), config_map(name, **{f"k{index}": "v"}), f"m{index}")

    await asyncio.gather(*(one(index) for index in range(8)))
    found = (await http.get(path(name))).json()
    assert len(found["data"]) == 9


# --- unmodified clients ---


class Kubectl:
    def __init__(self, kubeconfig: Path, cache: Path) -> None:
        self._base = ["kubectl", f"--kubeconfig={kubeconfig}", f"--cache-dir={cache}"]

    def __call__(self, *arguments: str, stdin: Any = None, code: int = 0) -> str:
        done = subprocess.run(
            [*self._base, *arguments], input=json.dumps(stdin), capture_output=True, text=True,
            timeout=60, env={**os.environ, "KUBECONFIG": ""}, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def kubectl(shared_apiserver: Any, tmp_path: Path) -> Kubectl:
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl on PATH")
    return Kubectl(shared_apiserver.kubeconfig, tmp_path)


def test_kubectl_applies_on_the_server(kubectl: Kubectl) -> None:
    name = unique()
    server_side = ("apply", "--server-side", "-f", "-")
    assert "serverside-applied" in kubectl(*server_side, stdin=deployment(name, replicas=2))
    kubectl(*server_side, "--field-manager=other", stdin=deployment(name, replicas=2))
    said = kubectl(
        *server_side, "--field-manager=other", stdin=deployment(name, replicas=3), code=1
    )
    assert 'conflict with "kubectl": .spec.replicas' in said
    kubectl(
        *server_side, "--field-manager=other", "--force-conflicts",
        stdin=deployment(name, replicas=3),
    )  # fmt: skip
    found = kubectl("get", "deployment", name, "-o", "jsonpath={.spec.replicas}")
    assert found == "3"
    same = deployment(name, replicas=3)
    assert kubectl("diff", "--server-side", "--field-manager=other", "-f", "-", stdin=same) == ""
    more = ("diff", "--server-side", "--field-manager=other", "-f", "-")
    assert "replicas: 4" in kubectl(*more, stdin=deployment(name, replicas=4), code=1)
    kubectl("delete", "deployment", name)


def test_kubectl_moves_from_client_side_to_server_side(kubectl: Kubectl) -> None:
    name = unique()
    kubectl("apply", "-f", "-", stdin=deployment(name, replicas=2))
    kubectl("apply", "--server-side", "-f", "-", stdin=deployment(name, replicas=4))
    found = json.loads(kubectl("get", "deployment", name, "-o", "json", "--show-managed-fields"))
    assert found["spec"]["replicas"] == 4
    managers = [(one["manager"], one["operation"]) for one in found["metadata"]["managedFields"]]
    assert managers[0] == ("kubectl", "Apply")
    kubectl("apply", "--server-side", "-f", "-", stdin=deployment(name))
    found = json.loads(kubectl("get", "deployment", name, "-o", "json"))
    assert found["spec"]["replicas"] == 1
    kubectl("delete", "deployment", name)


async def test_the_server_itself_upgrades_from_the_annotation(
    http: httpx.AsyncClient, kubectl: Kubectl
) -> None:
    name = unique()
    await asyncio.to_thread(kubectl, "apply", "-f", "-", stdin=config_map(name, a="1", b="2"))
    found = await apply(http, path(name), config_map(name, a="9", b="2"), "kubectl")
    assert found["data"]["a"] == "9"
    annotation = found["metadata"]["annotations"][
        "kubectl.kubernetes.io/last-applied-configuration"
    ]
    assert json.loads(annotation)["data"] == {"a": "9", "b": "2"}
    await apply(http, path(name), config_map(name, a="8"), "somebody", code=409)


async def test_the_pypi_client_applies(shared_apiserver: Any) -> None:
    kubernetes = pytest.importorskip("kubernetes")
    name = unique()

    def use() -> Tree:
        api = kubernetes.config.new_client_from_config(str(shared_apiserver.kubeconfig))
        dynamic = kubernetes.dynamic.DynamicClient(api)
        maps = dynamic.resources.get(api_version="v1", kind="ConfigMap")
        maps.server_side_apply(
            body=config_map(name, a="1"), name=name, namespace="default", field_manager="py"
        )
        found = maps.server_side_apply(
            body=config_map(name, b="2"), name=name, namespace="default", field_manager="py"
        )
        tree: Tree = found.to_dict()
        return tree

    assert (await asyncio.to_thread(use))["data"] == {"b": "2"}


LABELS = {"app": "x"}
POD = {"containers": [{"name": "c", "image": "i", "resources": {"limits": {"cpu": "1000m"}}}]}
TEMPLATE = {"metadata": {"labels": LABELS}, "spec": POD}
KINDS: list[tuple[str, str, Tree]] = [
    ("v1", "Pod", {"spec": POD}),
    ("v1", "Service", {"spec": {"selector": LABELS, "ports": [{"port": 80, "name": "web"}, {"port": 53, "protocol": "UDP", "name": "dns"}]}}),
    ("v1", "Secret", {"stringData": {"a": "b"}}),
    ("v1", "ServiceAccount", {}),
    ("v1", "PersistentVolumeClaim", {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}),
    ("v1", "ReplicationController", {"spec": {"selector": LABELS, "template": TEMPLATE}}),
    ("apps/v1", "StatefulSet", {"spec": {"selector": {"matchLabels": LABELS}, "serviceName": "s", "template": TEMPLATE}}),
    ("apps/v1", "DaemonSet", {"spec": {"selector": {"matchLabels": LABELS}, "template": TEMPLATE}}),
    ("batch/v1", "CronJob", {"spec": {"schedule": "@daily", "jobTemplate": {"spec": {"template": {"spec": {**POD, "restartPolicy": "Never"}}}}}}),
    ("batch/v1", "Job", {"spec": {"template": {"spec": {**POD, "restartPolicy": "Never"}}}}),
    ("autoscaling/v2", "HorizontalPodAutoscaler", {"spec": {"maxReplicas": 2, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}}}),
    ("networking.k8s.io/v1", "NetworkPolicy", {"spec": {"podSelector": {}, "ingress": [{"ports": [{"port": 80}]}]}}),
    ("rbac.authorization.k8s.io/v1", "Role", {"rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]}),
    ("coordination.k8s.io/v1", "Lease", {"spec": {"holderIdentity": "a"}}),
    ("policy/v1", "PodDisruptionBudget", {"spec": {"minAvailable": "50%", "selector": {"matchLabels": LABELS}}}),
    ("resource.k8s.io/v1", "ResourceClaim", {"spec": {"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "c"}}]}}}),
    ("flowcontrol.apiserver.k8s.io/v1", "FlowSchema", {"spec": {"priorityLevelConfiguration": {"name": "exempt"}}}),
]  # fmt: skip


@pytest.mark.parametrize(("version", "kind", "rest"), KINDS, ids=[kind for _, kind, _ in KINDS])
async def test_applying_again_writes_nothing(
    http: httpx.AsyncClient, version: str, kind: str, rest: Tree
) -> None:
    name = unique()
    resource = next(one for one in RESOURCES if (one.api_version, one.kind) == (version, kind))
    account = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default"}}
    await http.post("/api/v1/namespaces/default/serviceaccounts", json=account)
    at = resource.path("default", name)
    body = {"apiVersion": version, "kind": kind, "metadata": {"name": name, "labels": LABELS}}
    made = await apply(http, at, {**body, **rest}, code=201)
    again = await apply(http, at, {**body, **rest})
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    assert again == made
    shared = await apply(http, at, body, "two")
    assert [one["manager"] for one in shared["metadata"]["managedFields"]] == ["one", "two"]
    assert (await http.delete(at)).status_code == 200
