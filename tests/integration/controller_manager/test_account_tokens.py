"""Secrets with long-lived tokens: the API server believes them while the account is there."""

from __future__ import annotations

import httpx

from tests.integration.controller_manager.conftest import until
from wherry.api.core_v1 import ConfigMap, Secret, ServiceAccount

ALONE = "--leader-elect=false"
KIND = "kubernetes.io/service-account-token"
WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


TRACKING = "kube-apiserver-legacy-service-account-token-tracking"
INVALID_SINCE = "kubernetes.io/legacy-token-invalid-since"


async def old_tokens(own):
    """Two that the account lists, as old clusters made them; one is long known to be unused."""
    names = ("old-a", "old-b")
    secrets = [{"name": name} for name in names]
    account = {"metadata": {"name": "old", "namespace": own.namespace}, "secrets": secrets}
    await own.client.create(ServiceAccount.from_wire(account))
    notes = {"kubernetes.io/service-account.name": "old"}
    for name in names:
        labels = {INVALID_SINCE: "2020-01-01"} if name == "old-b" else {}
        metadata = {"annotations": notes, "labels": labels}
        await own.make(Secret, name, metadata=metadata, type=KIND)
    since = {"data": {"since": "2020-01-01"}}
    await own.client.patch(ConfigMap, TRACKING, "kube-system", since)


async def test_a_secret_gets_a_token_and_goes_with_its_account(own, apiserver, start):
    key = apiserver.directory / "sa.key"
    await old_tokens(own)
    start(
        ALONE,
        f"--service-account-private-key-file={key}",
        "--legacy-service-account-token-clean-up-period=1ms",
    )
    await own.make(ServiceAccount, "bot")
    notes = {"kubernetes.io/service-account.name": "bot"}
    await own.make(Secret, "bot-token", metadata={"annotations": notes}, type=KIND)

    async def filled():
        found = await own.get(Secret, "bot-token")
        return found.data.get("token") and found

    secret = await until(filled)
    assert secret.data["namespace"] == own.namespace.encode()
    assert b"BEGIN CERTIFICATE" in secret.data["ca.crt"]
    token = secret.data["token"].decode()
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}

    async def whoami():
        async with httpx.AsyncClient(base_url=apiserver.url, verify=False) as http:
            headers = {"Authorization": f"Bearer {token}"}
            return await http.post(WHO, json=body, headers=headers)

    answer = await whoami()
    assert answer.status_code == 201
    name = answer.json()["status"]["userInfo"]["username"]
    assert name == f"system:serviceaccount:{own.namespace}:bot"
    await own.client.delete(ServiceAccount, "bot", own.namespace)

    async def gone():
        return await own.get(Secret, "bot-token") is None

    await until(gone)
    assert (await whoami()).status_code == 401

    async def cleaned():
        marked = await own.get(Secret, "old-a")
        return marked.metadata.labels.get(INVALID_SINCE) and await own.get(Secret, "old-b") is None

    await until(cleaned)
