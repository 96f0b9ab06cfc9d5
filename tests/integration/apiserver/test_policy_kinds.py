"""Flow control, admission configuration, devices and reviews over HTTP and by unmodified kubectl."""

from __future__ import annotations

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

FLOW = "/apis/flowcontrol.apiserver.k8s.io/v1"
DEVICES = "/apis/resource.k8s.io/v1"
REVIEWS = "/apis/authorization.k8s.io/v1"
RULE = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
Tree = dict[str, Any]


@pytest.fixture
async def http(shared_apiserver: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with shared_apiserver.client() as client:
        yield client


def unique() -> str:
    return f"k-{uuid.uuid4().hex[:8]}"


async def test_a_cluster_starts_with_flow_schemas_and_levels(http: httpx.AsyncClient) -> None:
    schemas = (await http.get(f"{FLOW}/flowschemas")).json()["items"]
    assert {"exempt", "catch-all", "probes", "system-nodes"} <= {
        one["metadata"]["name"] for one in schemas
    }
    exempt = next(one for one in schemas if one["metadata"]["name"] == "exempt")
    assert exempt["status"]["conditions"][0]["type"] == "Dangling"
    levels = (await http.get(f"{FLOW}/prioritylevelconfigurations")).json()["items"]
    assert len(levels) == 8
    changed = {"spec": {"matchingPrecedence": 5000}}
    merge = {"Content-Type": "application/merge-patch+json"}
    refused = await http.patch(f"{FLOW}/flowschemas/catch-all", json=changed, headers=merge)
    assert refused.status_code == 422
    assert "must equal the fixed value" in refused.json()["message"]


async def test_a_claim_is_allocated_through_its_status(http: httpx.AsyncClient) -> None:
    name = unique()
    claims = f"{DEVICES}/namespaces/default/resourceclaims"
    spec = {"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "c"}}]}}
    body = {"metadata": {"name": name}, "spec": spec}
    made = (await http.post(claims, json=body)).json()
    assert made["spec"]["devices"]["requests"][0]["exactly"]["count"] == 1
    assert "generation" not in made["metadata"]
    result = {"request": "r", "driver": "d.com", "pool": "p", "device": "gpu"}
    made["status"] = {"allocation": {"devices": {"results": [result]}}}
    made["spec"] = {"devices": {}}
    answer = await http.put(f"{claims}/{name}/status", json=made)
    assert answer.status_code == 200, answer.text
    assert answer.json()["spec"]["devices"]["requests"][0]["name"] == "r"
    assert answer.json()["status"]["allocation"]["devices"]["results"] == [result]
    changed = {**answer.json(), "spec": {"devices": {}}}
    refused = await http.put(f"{claims}/{name}", json=changed)
    assert refused.status_code == 422
    assert "spec: Invalid value" in refused.json()["message"]


async def test_slices_are_selected_by_node(http: httpx.AsyncClient) -> None:
    name = unique()
    pool = {"name": name, "generation": 1, "resourceSliceCount": 1}
    device = {"name": "gpu", "taints": [{"key": "k", "effect": "NoSchedule"}]}
    spec = {"driver": "d.com", "nodeName": name, "pool": pool, "devices": [device]}
    made = await http.post(
        f"{DEVICES}/resourceslices", json={"metadata": {"name": name}, "spec": spec}
    )
    assert made.status_code == 201, made.text
    assert made.json()["spec"]["devices"][0]["taints"][0]["timeAdded"]
    found = await http.get(
        f"{DEVICES}/resourceslices", params={"fieldSelector": f"spec.nodeName={name}"}
    )
    assert [one["metadata"]["name"] for one in found.json()["items"]] == [name]


async def test_reviews(http: httpx.AsyncClient) -> None:
    asked = {"resourceAttributes": {"namespace": "default", "verb": "get", "resource": "pods"}}
    local = f"{REVIEWS}/namespaces/default/localsubjectaccessreviews"
    answer = await http.post(local, json={"spec": {"user": "u", **asked}})
    assert answer.status_code == 201, answer.text
    assert answer.json()["status"]["allowed"] is True
    asked["resourceAttributes"]["namespace"] = "other"
    assert (await http.post(local, json={"spec": {"user": "u", **asked}})).status_code == 422
    rules = f"{REVIEWS}/selfsubjectrulesreviews"
    answer = await http.post(rules, json={"spec": {"namespace": "default"}})
    assert answer.json()["status"]["resourceRules"] == [
        {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
    ]
    assert (await http.post(rules, json={"spec": {}})).status_code == 400


# --- unmodified kubectl ---

HOOK = {
    "name": "a.example.com",
    "clientConfig": {"service": {"name": "s", "namespace": "n"}},
    "rules": [RULE],
    "sideEffects": "None",
    "admissionReviewVersions": ["v1"],
    # the cluster under test must not wait for a webhook that is not there
    "failurePolicy": "Ignore",
    "objectSelector": {"matchLabels": {"nobody": "has-this"}},
}
SELECTED = {"resourceRules": [RULE], "objectSelector": HOOK["objectSelector"]}
ADMISSION = "admissionregistration.k8s.io/v1"
OBJECTS: list[tuple[str, str, Tree]] = [
    (ADMISSION, "ValidatingWebhookConfiguration", {"webhooks": [HOOK]}),
    (ADMISSION, "MutatingWebhookConfiguration", {"webhooks": [HOOK]}),
    (
        ADMISSION,
        "ValidatingAdmissionPolicy",
        {"spec": {"matchConstraints": SELECTED, "validations": [{"expression": "true"}]}},
    ),
    (
        ADMISSION,
        "ValidatingAdmissionPolicyBinding",
        {"spec": {"policyName": "none", "validationActions": ["Audit"]}},
    ),
    (
        ADMISSION,
        "MutatingAdmissionPolicy",
        {
            "spec": {
                "matchConstraints": SELECTED,
                "reinvocationPolicy": "Never",
                "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": "[]"}}],
            }
        },
    ),
    (ADMISSION, "MutatingAdmissionPolicyBinding", {"spec": {"policyName": "none"}}),
    ("resource.k8s.io/v1", "DeviceClass", {"spec": {}}),
    (
        "resource.k8s.io/v1",
        "ResourceClaimTemplate",
        {"spec": {"spec": {"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "c"}}]}}}},
    ),
    (
        "flowcontrol.apiserver.k8s.io/v1",
        "FlowSchema",
        {"spec": {"priorityLevelConfiguration": {"name": "exempt"}}},
    ),
]  # fmt: skip


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl on PATH")
@pytest.mark.parametrize(
    ("api_version", "kind", "rest"), OBJECTS, ids=[kind for _, kind, _ in OBJECTS]
)
def test_kubectl_applies_shows_and_deletes(
    shared_apiserver: Any, tmp_path: Path, api_version: str, kind: str, rest: Tree
) -> None:
    name = unique()

    def kubectl(*arguments: str, stdin: Any = None) -> str:
        done = subprocess.run(
            ["kubectl", f"--kubeconfig={shared_apiserver.kubeconfig}", f"--cache-dir={tmp_path}",
             *arguments],
            input=json.dumps(stdin), capture_output=True, text=True, timeout=60,
            env={**os.environ, "KUBECONFIG": ""}, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    body = {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **rest}
    resource = f"{kind.lower()}.v1.{api_version.partition('/')[0]}"
    assert "created" in kubectl("apply", "-f", "-", stdin=body)
    version = ("get", resource, name, "-o", "jsonpath={.metadata.resourceVersion}")
    before = kubectl(*version)
    kubectl("apply", "-f", "-", stdin=body)  # lists without keys are sent anew, and change nothing
    assert kubectl(*version) == before
    body["metadata"]["labels"] = {"a": "b"}
    # an atomic list whose items got defaults is not what was applied before: upstream, too, says so
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=body)
    assert name in kubectl("get", resource, name)
    assert "KIND" in kubectl("explain", f"--api-version={api_version}", kind.lower())
    kubectl("delete", resource, name)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl on PATH")
def test_kubectl_lists_what_one_may_do(shared_apiserver: Any, tmp_path: Path) -> None:
    command = ["kubectl", f"--kubeconfig={shared_apiserver.kubeconfig}", f"--cache-dir={tmp_path}"]
    said = subprocess.run(
        [*command, "auth", "can-i", "--list"], capture_output=True, text=True, timeout=60,
        env={**os.environ, "KUBECONFIG": ""}, check=True,
    ).stdout  # fmt: skip
    assert "*.*" in said
