"""Who may do what on a server with Node,RBAC: decisions, refusals, reviews, default roles."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest

from apiserver.bootstrap_policy import policy
from tests.integration.apiserver.rbac_support import (
    GROUP,
    RBAC,
    REVIEWS,
    People,
    allow,
    at,
    binding,
    fresh,
    make,
    role,
    rule,
    space,
)
from tests.integration.conftest import ApiServer, Etcd, running_apiserver

MODES = "--authorization-mode=Node,RBAC"


@pytest.fixture(scope="module")
def server(shared_etcd: Etcd) -> Iterator[ApiServer]:
    with running_apiserver(shared_etcd, MODES, "--etcd-prefix=/rbac") as made:
        yield made


@pytest.fixture
async def people(server: ApiServer) -> AsyncIterator[People]:
    made = People(server)
    yield made
    await made.close()


@pytest.fixture
def admin(people: People) -> httpx.AsyncClient:
    return people.client()


async def test_refusals_are_worded_as_upstream(people: People) -> None:
    jane = people.client("jane", "dev")
    for path, message, details in (
        (
            "/api/v1/namespaces/ns/pods/p",
            'pods "p" is forbidden: User "jane" cannot get resource "pods" in API group "" in the '
            'namespace "ns"',
            {"name": "p", "kind": "pods"},
        ),
        (
            "/apis/apps/v1/deployments",
            'deployments.apps is forbidden: User "jane" cannot list resource "deployments" in API '
            'group "apps" at the cluster scope',
            {"group": "apps", "kind": "deployments"},
        ),
        (
            "/api/v1/namespaces/ns",
            'namespaces "ns" is forbidden: User "jane" cannot get resource "namespaces" in API '
            'group "" in the namespace "ns"',
            {"name": "ns", "kind": "namespaces"},
        ),
        ("/metrics", 'forbidden: User "jane" cannot get path "/metrics"', {}),
    ):
        answer = await jane.get(path)
        assert answer.status_code == 403
        assert answer.json() == {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": "Forbidden", "details": details, "code": 403,
        }  # fmt: skip


async def test_rights_count_from_the_next_request_on(
    people: People, admin: httpx.AsyncClient
) -> None:
    namespace, user = await space(admin), fresh("jane")
    jane = people.client(user)
    pods = f"/api/v1/namespaces/{namespace}/pods"
    assert (await jane.get(pods)).status_code == 403
    name = await allow(admin, user, rule("list", "core", "pods"), namespace=namespace)
    assert (await jane.get(pods)).status_code == 200
    assert (await jane.get("/api/v1/pods")).status_code == 403
    await admin.delete(f"{at('rolebindings', namespace)}/{name}")
    assert (await jane.get(pods)).status_code == 403


async def test_names_and_lists_of_one_name(people: People, admin: httpx.AsyncClient) -> None:
    namespace, user = await space(admin), fresh("jane")
    jane = people.client(user)
    secrets = f"/api/v1/namespaces/{namespace}/secrets"
    for name in ("mine", "other"):
        await make(admin, secrets, {"metadata": {"name": name}})
    await allow(admin, user, rule("get list watch", "core", "secrets", "mine"))
    assert (await jane.get(f"{secrets}/mine")).status_code == 200
    assert (await jane.get(f"{secrets}/other")).status_code == 403
    assert (await jane.get(secrets)).status_code == 403
    one = await jane.get(secrets, params={"fieldSelector": "metadata.name=mine"})
    assert [each["metadata"]["name"] for each in one.json()["items"]] == ["mine"]
    other = await jane.get(secrets, params={"fieldSelector": "metadata.name=other"})
    assert other.status_code == 403


async def test_anonymous_sees_health_and_version_only(people: People) -> None:
    nobody = people.client()
    del nobody.headers["authorization"]
    for path in ("/healthz", "/livez", "/readyz", "/version"):
        assert (await nobody.get(path)).status_code == 200
    for path in ("/api", "/apis", "/openapi/v2", "/metrics", "/api/v1/namespaces", "/healthz/etcd"):
        answer = await nobody.get(path)
        assert answer.status_code == 403, path
        assert 'User \\"system:anonymous\\"' in answer.text


async def test_everybody_else_may_discover(people: People) -> None:
    jane = people.client("jane")
    for path in ("/api", "/apis", "/api/v1", "/apis/apps/v1", "/openapi/v3", "/version"):
        assert (await jane.get(path)).status_code == 200, path


async def test_the_default_roles_are_upstreams(admin: httpx.AsyncClient) -> None:
    found = {}
    for kind in ("clusterroles", "clusterrolebindings", "roles", "rolebindings"):
        for one in (await admin.get(at(kind))).json()["items"]:
            metadata = one["metadata"]
            found[kind, metadata.get("namespace", ""), metadata["name"]] = one
    for resource, tree in policy.objects():
        metadata = tree["metadata"]
        one = found[resource.plural, metadata.get("namespace", ""), metadata["name"]]
        for field in ("rules", "roleRef", "subjects", "aggregationRule"):
            assert one.get(field) == tree.get(field), (metadata["name"], field)
        for field in ("labels", "annotations"):
            assert one["metadata"][field] == metadata[field]


async def test_default_roles_are_mended_at_start(
    make_apiserver: Callable[..., ApiServer],
) -> None:
    first = make_apiserver(MODES)
    async with first.client() as client:
        path = f"{at('clusterroles')}/system:basic-user"
        extra = rule("get", "core", "pods")
        await client.patch(
            path,
            json={"rules": [extra], "metadata": {"labels": {"mine": "1"}}},
            headers={"Content-Type": "application/merge-patch+json"},
        )
        await client.delete(f"{at('clusterroles')}/system:discovery")
        keep = f"{at('clusterroles')}/system:monitoring"
        annotation = {"rbac.authorization.kubernetes.io/autoupdate": "false"}
        await client.patch(
            keep,
            json={"rules": [], "metadata": {"annotations": annotation}},
            headers={"Content-Type": "application/merge-patch+json"},
        )
        await client.delete(f"{at('clusterrolebindings')}/system:discovery")
        wrong = binding("system:discovery", "view", "jane")
        await make(client, at("clusterrolebindings"), wrong)
    first.stop()
    second = make_apiserver(MODES)
    async with second.client() as client:
        mended = (await client.get(path)).json()
        assert mended["metadata"]["labels"] == {
            "kubernetes.io/bootstrapping": "rbac-defaults", "mine": "1",
        }  # fmt: skip
        assert mended["rules"][0] == extra
        verbs = {(one["resources"][0], *one["verbs"]) for one in mended["rules"][1:]}
        assert verbs == {
            ("selfsubjectaccessreviews", "create"),
            ("selfsubjectrulesreviews", "create"),
            ("selfsubjectreviews", "create"),
        }
        assert not (await client.get(keep)).json()["rules"]
        bound = (await client.get(f"{at('clusterrolebindings')}/system:discovery")).json()
        assert bound["roleRef"]["name"] == "system:discovery"
        assert [one["name"] for one in bound["subjects"]] == ["system:authenticated"]
        assert (await client.get(f"{at('clusterroles')}/system:discovery")).status_code == 200


# --- reviews ---


async def review(client: httpx.AsyncClient, kind: str, spec: Any, namespace: str = "") -> Any:
    where = f"/namespaces/{namespace}" if namespace else ""
    path = f"{REVIEWS}{where}/{kind.lower()}s"
    body: dict[str, Any] = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}
    if namespace:
        body["metadata"] = {"namespace": namespace}
    answer = await client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["status"]


async def test_reviews_answer_truthfully(people: People, admin: httpx.AsyncClient) -> None:
    namespace, user = await space(admin), fresh("jane")
    name = await allow(admin, user, rule("get", "core", "pods/log"), namespace=namespace)
    asked = {"namespace": namespace, "verb": "get", "resource": "pods", "subresource": "log"}
    reason = f'RBAC: allowed by RoleBinding "{name}/{namespace}" of Role "{name}" to User "{user}"'
    want = {"allowed": True, "reason": reason}
    spec = {"user": user, "resourceAttributes": asked}
    assert await review(admin, "SubjectAccessReview", spec) == want
    assert await review(admin, "LocalSubjectAccessReview", spec, namespace) == want
    own = {"resourceAttributes": asked}
    jane = people.client(user)
    assert await review(jane, "SelfSubjectAccessReview", own) == want
    asked["subresource"] = ""
    assert await review(jane, "SelfSubjectAccessReview", own) == {"allowed": False}
    path = {"nonResourceAttributes": {"path": "/healthz", "verb": "get"}}
    status = await review(jane, "SelfSubjectAccessReview", path)
    assert status["allowed"]
    assert 'of ClusterRole "system:discovery" to Group "system:authenticated"' in status["reason"]


async def test_reviews_know_groups_and_nodes(admin: httpx.AsyncClient) -> None:
    pods = {"verb": "list", "resource": "pods"}
    node = {"user": "system:node:n1", "groups": ["system:nodes"]}
    refused = await review(admin, "SubjectAccessReview", {**node, "resourceAttributes": pods})
    assert refused == {
        "allowed": False, "reason": "can only list/watch pods with spec.nodeName field selector",
    }  # fmt: skip
    limited = {**pods, "fieldSelector": {"rawSelector": "spec.nodeName=n1"}}
    spec = {**node, "resourceAttributes": limited}
    assert (await review(admin, "SubjectAccessReview", spec))["allowed"]
    masters = {"user": "x", "groups": ["system:masters"], "resourceAttributes": pods}
    assert await review(admin, "SubjectAccessReview", masters) == {"allowed": True}


async def test_lost_roles_are_told(people: People, admin: httpx.AsyncClient) -> None:
    user, gone = fresh("jane"), fresh("gone")
    await make(admin, at("clusterrolebindings"), binding(gone, gone, user))
    words = f'clusterrole.{GROUP} "{gone}" not found'
    asked = {"user": user, "resourceAttributes": {"verb": "get", "resource": "pods"}}
    status = await review(admin, "SubjectAccessReview", asked)
    assert status == {"allowed": False, "reason": f"RBAC: {words}"}
    rules = await review(people.client(user), "SelfSubjectRulesReview", {"namespace": "default"})
    assert rules["evaluationError"] == words
    assert not rules["incomplete"]


async def test_who_may_ask_about_others(people: People) -> None:
    asked = {"user": "x", "resourceAttributes": {"verb": "get", "resource": "pods"}}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": asked}
    answer = await people.client("jane").post(f"{REVIEWS}/subjectaccessreviews", json=body)
    assert answer.status_code == 403


# --- kubectl ---


def kubectl(server: ApiServer, *words: str, text: str = "") -> str:
    command = ["kubectl", f"--kubeconfig={server.kubeconfig}", *words]
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout + done.stderr


# What upstream's documentation and a fresh upstream server show an ordinary user.
EVERYBODY = {
    ("selfsubjectreviews.authentication.k8s.io", "[]", "[]", "[create]"),
    ("selfsubjectaccessreviews.authorization.k8s.io", "[]", "[]", "[create]"),
    ("selfsubjectrulesreviews.authorization.k8s.io", "[]", "[]", "[create]"),
    *(("", f"[{path}]", "[]", "[get]") for path in (
        "/api/*", "/api", "/apis/*", "/apis", "/healthz", "/livez", "/openapi/*", "/openapi",
        "/readyz", "/version/", "/version",
    )),
}  # fmt: skip


def test_can_i_list_of_an_ordinary_user(server: ApiServer) -> None:
    shown = kubectl(server, "auth", "can-i", "--list", "--as=jane", "--no-headers")
    assert _table(shown) == EVERYBODY


async def test_can_i_list_of_a_bound_user(server: ApiServer, admin: httpx.AsyncClient) -> None:
    namespace, user = await space(admin), fresh("jane")
    bound = binding("b", "system:aggregate-to-view", user, namespace=namespace)
    await make(admin, at("rolebindings", namespace), bound)
    command = ("auth", "can-i", "--list", f"--as={user}", "--no-headers", "-n", namespace)
    shown = _table(kubectl(server, *command)) - EVERYBODY
    default = {
        tree["metadata"]["name"]: tree["rules"]
        for resource, tree in policy.objects()
        if resource is policy.CLUSTER_ROLES
    }
    want = {
        (_shown(resource, group), "[]", "[]", "[get list watch]")
        for one in default["system:aggregate-to-view"]
        for group in one["apiGroups"]
        for resource in one["resources"]
    }
    assert shown == want


def _shown(resource: str, group: str) -> str:
    kind, slash, part = resource.partition("/")
    return f"{kind}.{group}{slash}{part}" if group else resource


def _table(text: str) -> set[tuple[str, ...]]:
    rows = set()
    for line in text.splitlines():
        cells = line.split("  ")
        cells = [cell.strip() for cell in cells if cell.strip()]
        rows.add(("", *cells) if len(cells) == 3 else tuple(cells))
    return rows


def test_auth_reconcile(server: ApiServer) -> None:
    name = fresh("rec")
    text = f"""
apiVersion: {GROUP}/v1
kind: ClusterRole
metadata: {{name: {name}}}
rules: [{{apiGroups: [""], resources: [pods], verbs: [get, list]}}]
---
apiVersion: {GROUP}/v1
kind: ClusterRoleBinding
metadata: {{name: {name}}}
roleRef: {{apiGroup: {GROUP}, kind: ClusterRole, name: {name}}}
subjects: [{{kind: User, apiGroup: {GROUP}, name: jim}}]
"""
    assert "reconciled" in kubectl(server, "auth", "reconcile", "-f", "-", text=text)
    more = text.replace("[get, list]", "[watch]")
    shown = kubectl(server, "auth", "reconcile", "-f", "-", text=more)
    assert "reconciliation required update" in shown
    verbs = kubectl(server, "get", "clusterrole", name, "-o", "jsonpath={.rules[*].verbs}")
    assert verbs == '["get","list"] ["watch"]'


async def test_a_collection_of_roles_is_a_path_of_its_own(admin: httpx.AsyncClient) -> None:
    """Names with colons, as default roles have them, are found."""
    answer = await admin.get(f"{RBAC}/clusterroles/system:node")
    assert answer.json()["metadata"]["name"] == "system:node"
    await make(admin, at("clusterroles"), role(fresh("a:b:c"), rule("get", "core", "pods")))


async def test_who_may_not_ask_does_not_learn_what_is_there(people: People) -> None:
    jane, admin = people.client("jane"), people.client()
    for path, words in (
        ("/api/v1/foos", 'foos is forbidden: User "jane" cannot list resource "foos"'),
        (
            "/apis/x.io/v1/namespaces/ns/foos/f",
            'foos.x.io "f" is forbidden: User "jane" cannot get resource "foos" in API group "x.io"',
        ),
    ):
        answer = await jane.get(path)
        assert answer.status_code == 403
        assert answer.json()["message"].startswith(words)
        assert (await admin.get(path)).status_code == 404
    assert (await jane.put("/api/v1/pods")).status_code == 403
    assert (await admin.put("/api/v1/pods")).status_code == 405


async def test_what_was_decided_is_counted(people: People, admin: httpx.AsyncClient) -> None:
    await people.client("jane").get("/api/v1/secrets")
    lines = (await admin.get("/metrics")).text.splitlines()
    counts = dict(
        line.rsplit(" ", 1) for line in lines if line.startswith("authorization_attempts")
    )
    assert float(counts['authorization_attempts_total{result="allowed"}']) >= 1
    assert float(counts['authorization_attempts_total{result="no-opinion"}']) >= 1
