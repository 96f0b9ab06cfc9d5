"""Accounts that say which Secrets their pods may use."""

from __future__ import annotations

import random
from typing import Any

import pytest

from apiserver.admission.attributes import PODS
from apiserver.admission.mountable_secrets import ANNOTATION, is_enforced
from apiserver.admission.service_account import MIRROR_ANNOTATION, ServiceAccount
from tests.unit.apiserver.admission.objects import Objects, Tree, write
from wherry.api.errors import ApiError

OTHER = "is not allowed because service account bot does not reference that secret"


def objects(annotation: str = "true") -> Objects:
    return Objects(
        (
            "serviceaccounts",
            {
                "metadata": {
                    "namespace": "ns", "name": "bot", "annotations": {ANNOTATION: annotation},
                },
                "secrets": [{"name": "mine"}],
                "imagePullSecrets": [{"name": "pull"}],
            },
        )
    )  # fmt: skip


def variable(secret: str) -> list[Tree]:
    ref = {"secretKeyRef": {"name": secret, "key": "k"}}
    return [{"name": "VAR", "valueFrom": ref}, {"name": "PLAIN", "value": "x"}]


def why(objects: Objects, *, debugs: bool = False, **spec: Any) -> str:
    whole = {"serviceAccountName": "bot", "containers": [{"name": "c"}], **spec}
    pod = {"metadata": {"name": "p"}, "spec": whole}
    attributes = (
        write("UPDATE", PODS, pod, pod, subresource="ephemeralcontainers")
        if debugs
        else write("CREATE", PODS, pod)
    )
    try:
        ServiceAccount(random.Random(1)).validate(attributes, objects)
    except ApiError as error:
        return error.message.partition("is forbidden: ")[2]
    return ""


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (
            {"volumes": [{"name": "v", "secret": {"secretName": "other"}}]},
            f'volume with secret.secretName="other" {OTHER}',
        ),
        (
            {"initContainers": [{"name": "i", "env": variable("other")}]},
            f'init container i with envVar VAR referencing secret.secretName="other" {OTHER}',
        ),
        (
            {"containers": [{"name": "c", "env": variable("other")}]},
            f'container c with envVar VAR referencing secret.secretName="other" {OTHER}',
        ),
        (
            {"imagePullSecrets": [{"name": "pull"}, {"name": "other"}]},
            'imagePullSecrets[1].name="other" is not allowed because service account bot does not '
            "reference that imagePullSecret",
        ),
    ],
)
def test_secrets_that_the_account_does_not_list(spec: Tree, words: str) -> None:
    assert why(objects(), **spec) == words
    assert why(objects("false"), **spec) == ""


def test_those_it_lists() -> None:
    assert why(
        objects(),
        volumes=[{"name": "v", "secret": {"secretName": "mine"}}, {"name": "w", "emptyDir": {}}],
        containers=[{"name": "c", "env": variable("mine")}],
        imagePullSecrets=[{"name": "pull"}],
    ) == ""  # fmt: skip


def test_a_debugger_cannot_get_others_either() -> None:
    debugger = [{"name": "d", "env": variable("other")}]
    words = f'ephemeral container d with envVar VAR referencing secret.secretName="other" {OTHER}'
    assert why(objects(), debugs=True, ephemeralContainers=debugger) == words
    mine = [{"name": "d", "env": variable("mine")}]
    assert why(objects(), debugs=True, ephemeralContainers=mine) == ""


@pytest.mark.parametrize(("text", "expected"), [("true", True), ("1", True), ("yes", False)])
def test_what_counts_as_true(text: str, expected: bool) -> None:
    account = {"metadata": {"annotations": {ANNOTATION: text}}}
    assert is_enforced(account) is expected


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"serviceAccountName": "bot"}, "a mirror pod may not reference service accounts"),
        (
            {"containers": [{"name": "c", "env": variable("x")}]},
            "a mirror pod may not reference secrets",
        ),
        ({"imagePullSecrets": [{"name": "x"}]}, "a mirror pod may not reference secrets"),
        (
            {"volumes": [{"name": "v", "secret": {"secretName": "x"}}]},
            "a mirror pod may not reference secrets",
        ),
        (
            {"volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {}}]}}]},
            "a mirror pod may not use ServiceAccountToken volume projections",
        ),
    ],
)
def test_a_mirror_pod_uses_none(spec: Tree, words: str) -> None:
    mirror: Tree = {
        "metadata": {"name": "p", "annotations": {MIRROR_ANNOTATION: "x"}},
        "spec": spec,
    }
    with pytest.raises(ApiError) as refusal:
        ServiceAccount(random.Random(1)).admit(write("CREATE", PODS, mirror), objects())
    assert refusal.value.message == f'pods "p" is forbidden: {words}'
