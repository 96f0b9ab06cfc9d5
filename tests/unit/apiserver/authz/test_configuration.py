"""`--authorization-config`: what it says, and what it must not say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from apiserver.authz.authorizer import AlwaysAllow, AlwaysDeny, Attributes, Authorizer
from apiserver.authz.configuration import AuthorizerConfig, parse, read
from apiserver.authz.reload import FollowedAuthorizers
from apiserver.authz.webhook import WebhookConfig
from apiserver.request import User

HEAD = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthorizationConfiguration"}
HOOK: dict[str, Any] = {
    "timeout": "3s", "subjectAccessReviewVersion": "v1", "failurePolicy": "Deny",
    "matchConditionSubjectAccessReviewVersion": "v1", "authorizedTTL": "1m",
    "connectionInfo": {"type": "KubeConfigFile", "kubeConfigFile": "/etc/hook.kubeconfig"},
}  # fmt: skip


def of(*authorizers: Any) -> tuple[AuthorizerConfig, ...]:
    return parse({**HEAD, "authorizers": list(authorizers)})


def hook(**changes: Any) -> dict[str, Any]:
    return {"type": "Webhook", "name": "hook", "webhook": {**HOOK, **changes}}


def test_what_it_says() -> None:
    found = of(hook(), {"type": "Node", "name": "node"}, {"type": "RBAC", "name": "rbac"})
    assert [one.type for one in found] == ["Webhook", "Node", "RBAC"]
    path = Path("/etc/hook.kubeconfig")
    assert found[0].webhook == WebhookConfig("hook", path, "v1", 3.0, 60.0, 30.0, True)
    [once] = of(hook(cacheAuthorizedRequests=False, failurePolicy="NoOpinion"))
    assert once.webhook == WebhookConfig("hook", path, "v1", 3.0, 0.0, 30.0, False)
    two = of(hook(), {**hook(), "name": "other"})
    assert len(two) == 2


@pytest.mark.parametrize(
    ("authorizers", "words"),
    [
        ([], "authorizers: Required value"),
        ([{"name": "x"}], "authorizers[0].type: Required value"),
        ([{"type": "Magic", "name": "x"}], 'authorizers[0].type: Unsupported value: "Magic"'),
        ([{"type": "ABAC", "name": "x"}], "ABAC is not supported"),
        ([{"type": "RBAC"}], "authorizers[0].name: Required value"),
        ([{"type": "RBAC", "name": "X Y"}], "authorizers[0].name: Invalid value"),
        ([{"type": "RBAC", "name": "a"}, {"type": "RBAC", "name": "b"}],
         'authorizers[1].type: Duplicate value: "RBAC"'),
        ([{"type": "RBAC", "name": "a"}, {"type": "Node", "name": "a"}],
         'authorizers[1].name: Duplicate value: "a"'),
        ([{"type": "RBAC", "name": "a", "webhook": HOOK}], "only allowed for type Webhook"),
        ([{"type": "Webhook", "name": "a"}], "authorizers[0].webhook: Required value"),
        ([{"type": "RBAC", "name": "a", "x": 1}], 'unknown field "authorizers[0].x"'),
        ([hook(timeout="31s")], "authorizers[0].webhook.timeout"),
        ([hook(timeout=3)], "authorizers[0].webhook.timeout"),
        ([hook(authorizedTTL="0s")], "authorizedTTL: must be greater than zero"),
        ([hook(subjectAccessReviewVersion="v2")], "subjectAccessReviewVersion: Unsupported value"),
        ([hook(failurePolicy=None)], "failurePolicy: Required value"),
        ([hook(matchConditions=[{"expression": "true"}])], "CEL expressions are not supported"),
        ([hook(connectionInfo={"type": "InClusterConfig"})], "connectionInfo.type: Unsupported"),
        ([hook(connectionInfo={"type": "KubeConfigFile", "kubeConfigFile": "x"})], "absolute path"),
        ([hook(nonsense=1)], 'unknown field "authorizers[0].webhook.nonsense"'),
        (["x"], "authorizers[0] is not a mapping"),
    ],
    ids=str,
)  # fmt: skip
def test_what_it_must_not_say(authorizers: list[Any], words: str) -> None:
    with pytest.raises(ValueError, match=r"^") as error:
        of(*authorizers)
    assert words in str(error.value)


@pytest.mark.parametrize("text", ["", "a: [", "kind: Pod", "[]", "1: 2", "\x00"])
def test_files_that_are_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "authorization.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"authorization\.yaml"):
        read(file)


class Maker:
    """Makes authorizers that say which they are."""

    def __init__(self) -> None:
        self.made: list[AuthorizerConfig] = []

    def one(self, config: AuthorizerConfig) -> Authorizer:
        self.made.append(config)
        return AlwaysAllow() if config.type == "AlwaysAllow" else AlwaysDeny()


def test_a_file_is_followed(tmp_path: Path) -> None:
    file, maker, asked = tmp_path / "a.yaml", Maker(), Attributes(User("jane"), "get")

    def write(*authorizers: Any) -> None:
        new = tmp_path / "new.yaml"
        new.write_text(json.dumps({**HEAD, "authorizers": list(authorizers)}))
        new.rename(file)

    rbac, allow = {"type": "RBAC", "name": "r"}, {"type": "AlwaysAllow", "name": "a"}
    write(rbac)
    followed = FollowedAuthorizers(file, maker.one, lambda: True)
    assert not followed.union.authorize(asked).allowed
    write(rbac, allow)
    followed.look()
    assert followed.union.authorize(asked).allowed
    assert [one.type for one in maker.made] == ["RBAC", "AlwaysAllow"]  # each once
    write()
    followed.look()  # makes no sense
    assert followed.union.authorize(asked).allowed
    write(rbac)
    followed.look()
    assert not followed.union.authorize(asked).allowed
