"""Ways to more rights than one has: each is refused. `docs/security.md` lists them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from tests.integration.apiserver.rbac_support import (
    GROUP,
    RBAC,
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

APPLY = {"Content-Type": "application/apply-patch+yaml"}
MERGE = {"Content-Type": "application/merge-patch+json"}
WEBSOCKET = {
    "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": "v5.channel.k8s.io",
}  # fmt: skip
JSON_PATCH = {"Content-Type": "application/json-patch+json"}
ROLE_WRITES = rule("create get list patch update delete", GROUP, "roles clusterroles")
BINDING_WRITES = rule(
    "create get list patch update delete", GROUP, "rolebindings clusterrolebindings"
)
PODS = rule("get list", "core", "pods")
SECRETS = rule("get", "core", "secrets")


@pytest.fixture(scope="module")
def server(shared_etcd: Etcd) -> Iterator[ApiServer]:
    flags = ("--authorization-mode=Node,RBAC", "--etcd-prefix=/attacks")
    with running_apiserver(shared_etcd, *flags) as made:
        yield made


@pytest.fixture
async def people(server: ApiServer) -> AsyncIterator[People]:
    made = People(server)
    yield made
    await made.close()


@pytest.fixture
def admin(people: People) -> httpx.AsyncClient:
    return people.client()


async def writer(people: People, *rules: Any, namespace: str = "") -> tuple[str, httpx.AsyncClient]:
    """A user with these rights, and a client of theirs."""
    user = fresh("eve")
    await allow(people.client(), user, *rules, namespace=namespace)
    return user, people.client(user)


def refused(answer: httpx.Response, *words: str) -> None:
    assert answer.status_code == 403, answer.text
    for word in words:
        assert word in answer.json()["message"], answer.text


# --- roles ---


async def test_a_role_with_rights_one_lacks(people: People) -> None:
    user, eve = await writer(people, ROLE_WRITES, PODS)
    name = fresh("strong")
    wanted = role(name, PODS, rule("get update", "core apps", "secrets"))
    missing = [
        f'{{APIGroups:["{group}"], Resources:["secrets"], Verbs:["get" "update"]}}'
        for group in ("", "apps")
    ]
    answer = await eve.post(at("clusterroles"), json=wanted)
    assert answer.json()["message"] == (
        f'clusterroles.{GROUP} "{name}" is forbidden: user "{user}" '
        f'(groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently '
        "held:\n" + "\n".join(missing)
    )
    await make(eve, at("clusterroles"), role(name, PODS))
    path = f"{at('clusterroles')}/{name}"
    refused(await eve.put(path, json=wanted), *missing)
    rules = {"rules": wanted["rules"]}
    refused(await eve.patch(path, content=json.dumps(rules), headers=MERGE), *missing)
    step = [{"op": "replace", "path": "/rules", "value": wanted["rules"]}]
    refused(await eve.patch(path, content=json.dumps(step), headers=JSON_PATCH), *missing)
    refused(
        await eve.patch(
            path, params={"fieldManager": "eve", "force": "true"}, content=json.dumps(wanted),
            headers=APPLY,
        ),
        *missing,
    )  # fmt: skip
    assert (await eve.get(path)).json()["rules"] == [PODS]


@pytest.mark.parametrize("how", ["put", "apply"])
async def test_a_role_made_by_an_update(people: People, how: str) -> None:
    _, eve = await writer(people, ROLE_WRITES)
    name = fresh("new")
    path, wanted = f"{at('clusterroles')}/{name}", role(name, SECRETS)
    if how == "put":
        answer = await eve.put(path, json=wanted)
    else:
        answer = await eve.patch(
            path, params={"fieldManager": "eve"}, content=json.dumps(wanted), headers=APPLY
        )
    refused(answer, "not currently held")
    assert (await people.client().get(path)).status_code == 404


async def test_a_role_of_a_namespace_needs_rights_there(people: People) -> None:
    admin = people.client()
    own, other = await space(admin), await space(admin)
    user, eve = await writer(people, ROLE_WRITES)
    await allow(admin, user, SECRETS, namespace=own)
    await make(eve, at("roles", own), role("r", SECRETS, namespace=own))
    answer = await eve.post(at("roles", other), json=role("r", SECRETS, namespace=other))
    refused(answer, "not currently held")


async def test_escalate_is_what_lifts_the_check(people: People) -> None:
    user, eve = await writer(people, ROLE_WRITES, rule("escalate", GROUP, "roles"))
    namespace = await space(people.client())
    await make(eve, at("roles", namespace), role("r", SECRETS, namespace=namespace))
    refused(await eve.post(at("clusterroles"), json=role(fresh("r"), SECRETS)), user)


async def test_a_role_that_gathers_takes_all_rights(people: People, admin: Any) -> None:
    _, eve = await writer(people, ROLE_WRITES)
    selector = {"matchLabels": {"x": "y"}}
    gathering = role(fresh("all"), aggregationRule={"clusterRoleSelectors": [selector]})
    words = "must have cluster-admin privileges to use the aggregationRule"
    refused(await eve.post(at("clusterroles"), json=gathering), words)
    made = await make(admin, at("clusterroles"), gathering)
    path = f"{at('clusterroles')}/{made['metadata']['name']}"
    changed = json.dumps({"aggregationRule": None})
    refused(await eve.patch(path, content=changed, headers=MERGE), words)


async def test_dry_runs_are_checked_too(people: People) -> None:
    _, eve = await writer(people, ROLE_WRITES)
    answer = await eve.post(
        at("clusterroles"), params={"dryRun": "All"}, json=role(fresh("r"), SECRETS)
    )
    refused(answer, "not currently held")


# --- bindings ---


async def test_a_binding_to_a_stronger_role(people: People) -> None:
    user, eve = await writer(people, BINDING_WRITES, PODS)
    namespace = await space(people.client())
    name = fresh("up")
    for path in (at("clusterrolebindings"), at("rolebindings", namespace)):
        where = namespace if "namespaces" in path else ""
        wanted = binding(name, "cluster-admin", user, namespace=where)
        refused(
            await eve.post(path, json=wanted),
            f'"{name}" is forbidden: user "{user}"',
            '{APIGroups:["*"], Resources:["*"], Verbs:["*"]}\n{NonResourceURLs:["*"], Verbs:["*"]}',
        )
        refused(await eve.put(f"{path}/{name}", json=wanted))
        applied = await eve.patch(
            f"{path}/{name}",
            params={"fieldManager": "eve"},
            content=json.dumps(wanted),
            headers=APPLY,
        )
        refused(applied, "not currently held")
    held = fresh("held")
    await make(people.client(), at("clusterroles"), role(held, PODS))
    await make(eve, at("clusterrolebindings"), binding(fresh("ok"), held, "friend"))


async def test_a_subject_added_to_a_strong_binding(people: People) -> None:
    user, eve = await writer(people, BINDING_WRITES)
    path = f"{at('clusterrolebindings')}/cluster-admin"
    one = {"kind": "User", "apiGroup": GROUP, "name": user}
    patch = json.dumps({"subjects": [one]})
    refused(await eve.patch(path, content=patch, headers=MERGE), "not currently held")
    step = json.dumps([{"op": "add", "path": "/subjects/-", "value": one}])
    refused(await eve.patch(path, content=step, headers=JSON_PATCH), "not currently held")


async def test_bind_is_what_lifts_the_check(people: People) -> None:
    user, eve = await writer(
        people, BINDING_WRITES, rule("bind", GROUP, "clusterroles", "view edit")
    )
    namespace = await space(people.client())
    await make(eve, at("rolebindings", namespace), binding("v", "view", user, namespace=namespace))
    await make(eve, at("clusterrolebindings"), binding(fresh("e"), "edit", user))
    admin = binding("a", "cluster-admin", user, namespace=namespace)
    refused(await eve.post(at("rolebindings", namespace), json=admin), user)


async def test_bind_in_one_namespace_is_for_that_namespace(people: People) -> None:
    admin = people.client()
    own, other = await space(admin), await space(admin)
    user, eve = await writer(people, BINDING_WRITES)
    await allow(admin, user, rule("bind", GROUP, "clusterroles"), namespace=own)
    strong = "cluster-admin"
    await make(eve, at("rolebindings", own), binding("a", strong, user, namespace=own))
    refused(
        await eve.post(at("rolebindings", other), json=binding("a", strong, user, namespace=other))
    )
    refused(await eve.post(at("clusterrolebindings"), json=binding(fresh("a"), strong, user)))


async def test_a_binding_ahead_of_its_role(people: People, admin: httpx.AsyncClient) -> None:
    """A role that is not there yet could become anything."""
    user, eve = await writer(people, BINDING_WRITES)
    later = fresh("later")
    answer = await eve.post(at("clusterrolebindings"), json=binding(later, later, user))
    assert answer.status_code == 404
    assert answer.json()["message"] == f'clusterroles.{GROUP} "{later}" not found'
    await make(admin, at("clusterrolebindings"), binding(later, later, user))


async def test_the_role_of_a_binding_never_changes(admin: httpx.AsyncClient) -> None:
    name = fresh("b")
    await make(admin, at("clusterrolebindings"), binding(name, "view", "jane"))
    path = f"{at('clusterrolebindings')}/{name}"
    answer = await admin.put(path, json=binding(name, "cluster-admin", "jane"))
    assert answer.status_code == 422
    assert "cannot change roleRef" in answer.json()["message"]


# --- other ways ---


async def test_subresources_are_rights_of_their_own(people: People) -> None:
    namespace = await space(people.client())
    _, eve = await writer(
        people, rule("get list create", "core", "pods"), rule("update", "apps", "*/scale")
    )
    pods = f"/api/v1/namespaces/{namespace}/pods"
    for part in ("exec", "attach", "portforward", "log", "eviction", "binding", "status"):
        verb = {"log": eve.get, "status": eve.get}.get(part, eve.post)
        refused(await verb(f"{pods}/p/{part}"), f'resource "pods/{part}"')
    for method in ("GET", "POST", "PUT", "DELETE"):
        refused(await eve.request(method, f"{pods}/p/proxy/x"), 'resource "pods/proxy"')
    deployments = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    refused(await eve.put(f"{deployments}/d", json={}), 'resource "deployments"')
    # It gets past authorization: there is no such deployment.
    body = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "d"}}
    assert (await eve.put(f"{deployments}/d/scale", json=body)).status_code == 404


@pytest.mark.parametrize("part", ["exec?command=sh", "attach", "portforward"])
async def test_reading_a_stream_takes_the_right_to_make_it(people: People, part: str) -> None:
    """A WebSocket begins with a GET: `get pods/exec` reads as a right to look, and runs commands."""
    namespace = await space(people.client())
    subresource = part.partition("?")[0]
    path = f"/api/v1/namespaces/{namespace}/pods/p/{part}"
    _, looker = await writer(people, rule("get list watch", "core", f"pods pods/{subresource}"))
    answer = await looker.get(path, headers=WEBSOCKET)
    assert answer.status_code == 403
    assert answer.json()["message"] == 'pods "p" is forbidden: '
    _, maker = await writer(people, rule("get create", "core", f"pods/{subresource}"))
    assert (await maker.get(path, headers=WEBSOCKET)).status_code == 404  # no such pod
    assert (await maker.post(path, headers=WEBSOCKET)).status_code == 404


async def test_status_is_a_right_of_its_own(people: People, admin: httpx.AsyncClient) -> None:
    namespace = await space(admin)
    _, eve = await writer(people, rule("get patch update", "core", "resourcequotas"))
    _, boss = await writer(people, rule("patch", "core", "resourcequotas/status"))
    quotas = f"/api/v1/namespaces/{namespace}/resourcequotas"
    spec = {"hard": {"pods": "1"}}
    await make(admin, quotas, {"metadata": {"name": "q"}, "spec": spec})
    change = json.dumps({"status": {"used": {"pods": "0"}, "hard": {"pods": "9"}}})
    part = f"{quotas}/q/status"
    refused(
        await eve.patch(part, content=change, headers=MERGE), 'resource "resourcequotas/status"'
    )
    kept = await eve.patch(f"{quotas}/q", content=change, headers=MERGE)
    assert kept.json().get("status", {}).get("hard") != {"pods": "9"}
    refused(await boss.patch(f"{quotas}/q", content=json.dumps({"spec": {}}), headers=MERGE))
    spec_too = json.dumps({"spec": {"hard": {"pods": "99"}}})
    await boss.patch(part, content=spec_too, headers=MERGE)
    assert (await admin.get(f"{quotas}/q")).json()["spec"] == spec


@pytest.mark.parametrize(
    "path",
    [
        "//api/v1/namespaces/{ns}/secrets/s",
        "/api/v1//namespaces/{ns}/secrets/s",
        "/api/v1/namespaces/{ns}/pods/../secrets/s",
        "/api/v1/namespaces/{ns}/pods/%2e%2e/secrets/s",
        "/api/v1/namespaces/{ns}/pods/..%2fsecrets%2fs",
        "/api/v1/namespaces/{ns}/secrets%2fs",
        "/API/v1/namespaces/{ns}/secrets/s",
        "/api/v1/namespaces/{ns}/Secrets/s",
        "/api/v1/namespaces/{ns}/secrets/s%00",
        "/api/v1/./namespaces/{ns}/secrets/s",
        "/api/v1/watch/namespaces/{ns}/secrets/s",
        "/api/v1/namespaces/{ns}/secrets/s/",
        "/healthz/../api/v1/namespaces/{ns}/secrets/s",
        "/version/../api/v1/namespaces/{ns}/secrets/s",
        "/api/v1/namespaces/{ns}/pods/p/proxy/../../../secrets/s",
    ],
)
async def test_tricks_with_paths_show_no_secret(
    server: ApiServer, people: People, admin: httpx.AsyncClient, path: str
) -> None:
    """What stands in the path is what is authorized and what is served, however it is written."""
    namespace = await space(admin)
    secret = {"metadata": {"name": "s"}, "stringData": {"key": "very-secret"}}
    await make(admin, f"/api/v1/namespaces/{namespace}/secrets", secret)
    user, _ = await writer(people, rule("get list", "core", "pods"))
    text = await raw_get(server, path.format(ns=namespace), user)
    assert text.split(" ", 2)[1] in ("301", "400", "403", "404", "405"), text
    assert "very-secret" not in text
    assert "dmVyeS1zZWNyZXQ" not in text


async def raw_get(server: ApiServer, path: str, user: str) -> str:
    """A GET whose path no client library tidies."""
    import asyncio
    import ssl

    from tests.integration.conftest import TOKEN

    context = ssl.create_default_context(cafile=str(server.ca_file))
    reader, out = await asyncio.open_connection(
        "127.0.0.1", server.port, ssl=context, server_hostname="localhost"
    )
    out.write(
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Impersonate-User: {user}\r\nConnection: close\r\n\r\n".encode()
    )
    async with asyncio.timeout(60):
        text = (await reader.read()).decode(errors="replace")
    out.close()
    return text


async def test_a_pod_with_a_stronger_account(people: People, admin: httpx.AsyncClient) -> None:
    """Documented, as upstream: who may make pods in a namespace may use all its accounts."""
    namespace = await space(admin)
    await make(
        admin, f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "strong"}}
    )
    _, eve = await writer(people, rule("create", "core", "pods"), namespace=namespace)
    pod = {
        "metadata": {"name": "p"},
        "spec": {"serviceAccountName": "strong", "containers": [{"name": "c", "image": "i"}]},
    }
    await make(eve, f"/api/v1/namespaces/{namespace}/pods", pod)
    # But not those of another namespace, and no token without that right.
    tokens = f"/api/v1/namespaces/{namespace}/serviceaccounts/strong/token"
    refused(await eve.post(tokens, json={}), 'resource "serviceaccounts/token"')


async def test_wildcards_do_not_reach_paths_or_other_groups(people: People) -> None:
    _, eve = await writer(people, rule("*", "core", "*"))
    refused(await eve.get("/metrics"), 'cannot get path "/metrics"')
    refused(await eve.get("/apis/apps/v1/deployments"))
    refused(await eve.get(f"{RBAC}/clusterroles"))


async def test_impersonation_is_a_right(people: People, server: ApiServer) -> None:
    """Only who may impersonate is another: here a real user without it tries."""
    user, _ = await writer(people, rule("get", "core", "pods"))
    asked = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": user,
            "resourceAttributes": {
                "verb": "impersonate",
                "resource": "groups",
                "name": "system:masters",
            },
        },
    }
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    answer = await people.client().post(path, json=asked)
    assert answer.json()["status"] == {"allowed": False}
