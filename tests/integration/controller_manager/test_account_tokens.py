"""Secrets with long-lived tokens: the API server believes them while the account is there."""

from __future__ import annotations

import httpx

from tests.integration.controller_manager.conftest import until
from wherry.api.core_v1 import Secret, ServiceAccount

ALONE = "--leader-elect=false"
WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


async def test_a_secret_gets_a_token_and_goes_with_its_account(own, apiserver, start):
    key = apiserver.directory / "sa.key"
    start(ALONE, f"--service-account-private-key-file={key}")
    await own.make(ServiceAccount, "bot")
    notes = {"kubernetes.io/service-account.name": "bot"}
    kind = "kubernetes.io/service-account-token"
    await own.make(Secret, "bot-token", metadata={"annotations": notes}, type=kind)

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
