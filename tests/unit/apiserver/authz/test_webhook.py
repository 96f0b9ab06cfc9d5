"""Asking a webhook: the review, the answer, what is kept, and beginning anew."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest

from apiserver.authz.authorizer import Attributes, Decision, Union
from apiserver.authz.webhook import (
    QUESTIONS_MAX,
    DecisionWanted,
    Unanswered,
    WebhookAuthorizer,
    WebhookConfig,
    decided,
    read_answer,
    spec_of,
)
from apiserver.request import User
from wherry.api.errors import ApiError
from wherry.api.field_selectors import FieldTerm

JANE = User("jane", "1", ("dev",), {"k": ("v",)})
ASKED = Attributes(
    JANE, "list", "ns", "apps", "v1", "deployments", "", "x", "", (FieldTerm("f", False, "v"),),
    "a=x,b notin (y,z),!c,d>1",
)  # fmt: skip
NODE = Path("/nowhere")


class Hook:
    """A webhook; `answers` are statuses, an exception is raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[Any] = []
        self.time = 0.0

    async def post(self, body: bytes) -> bytes:
        self.asked.append(orjson.loads(body))
        await asyncio.sleep(0)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return orjson.dumps({"status": answer})

    def authorizer(self, **config: Any) -> WebhookAuthorizer:
        return WebhookAuthorizer(
            WebhookConfig("hook", NODE, **config), self.post, lambda: self.time
        )


async def ask(authorizer: WebhookAuthorizer | Union, asked: Attributes = ASKED) -> Decision:
    async def attempt() -> Decision:
        return authorizer.authorize(asked)

    try:
        return await attempt()
    except DecisionWanted as wanted:
        return await decided(wanted, attempt)


def test_the_review() -> None:
    assert spec_of(ASKED, "v1") == {
        "user": "jane", "uid": "1", "groups": ["dev"], "extra": {"k": ["v"]},
        "resourceAttributes": {
            "namespace": "ns", "verb": "list", "group": "apps", "version": "v1",
            "resource": "deployments", "name": "x",
            "fieldSelector": {"requirements": [{"key": "f", "operator": "NotIn", "values": ["v"]}]},
            "labelSelector": {"requirements": [
                {"key": "a", "operator": "In", "values": ["x"]},
                {"key": "b", "operator": "NotIn", "values": ["y", "z"]},
                {"key": "c", "operator": "DoesNotExist"},
            ]},
        },
    }  # fmt: skip
    path = Attributes(User("u"), "get", path="/metrics")
    assert spec_of(path, "v1") == {
        "user": "u", "nonResourceAttributes": {"path": "/metrics", "verb": "get"},
    }  # fmt: skip
    assert spec_of(path._replace(user=JANE), "v1beta1")["group"] == ["dev"]
    senseless = spec_of(ASKED._replace(labels="a in ("), "v1")["resourceAttributes"]
    assert "labelSelector" not in senseless


@pytest.mark.parametrize(
    ("body", "want"),
    [
        (b'{"status":{"allowed":true}}', Decision(True)),
        (b'{"status":{"allowed":false,"reason":"no"}}', Decision(False, "no")),
        (b'{"status":{"denied":true,"reason":"never"}}', Decision(False, "never", final=True)),
        (b'{"status":{}}', Decision(False)),
    ],
)
def test_answers(body: bytes, want: Decision) -> None:
    assert read_answer(body) == want


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"null", b"{}", b'{"status":null}', b'{"status":{"allowed":"yes"}}',
        b'{"status":[]}', b'{"status":{"allowed":true,"denied":true}}',
    ],
)  # fmt: skip
def test_answers_that_are_none(body: bytes) -> None:
    with pytest.raises(Unanswered):
        read_answer(body)


async def test_answers_are_kept_for_their_time() -> None:
    hook = Hook({"allowed": True}, {"allowed": False}, {"allowed": True})
    authorizer = hook.authorizer(allowed_seconds=10, refused_seconds=5)
    assert (await ask(authorizer)).allowed
    hook.time = 9.0
    assert (await ask(authorizer)).allowed
    assert len(hook.asked) == 1
    hook.time = 11.0
    assert not (await ask(authorizer)).allowed
    hook.time = 17.0
    assert (await ask(authorizer)).allowed
    assert len(hook.asked) == 3
    assert hook.asked[0]["kind"] == "SubjectAccessReview"
    assert hook.asked[0]["spec"] == spec_of(ASKED, "v1")


async def test_without_keeping_every_request_asks_once() -> None:
    hook = Hook({"allowed": True})
    authorizer = hook.authorizer(allowed_seconds=0)
    assert (await ask(authorizer)).allowed
    assert (await ask(authorizer)).allowed
    assert len(hook.asked) == 2


async def test_one_question_for_all_who_ask_it() -> None:
    hook = Hook({"allowed": True})
    authorizer = hook.authorizer()
    found = await asyncio.gather(*(ask(authorizer) for _ in range(20)))
    assert [one.allowed for one in found] == [True] * 20
    assert len(hook.asked) == 1


@pytest.mark.parametrize("closed", [True, False])
async def test_silence(closed: bool) -> None:
    hook = Hook(Unanswered("away"))
    authorizer = hook.authorizer(fails_closed=closed)
    assert await ask(authorizer) == Decision(False, final=closed, error="away")
    await ask(authorizer)
    assert len(hook.asked) == 2  # silence is not kept


async def test_several_webhooks_are_asked_one_after_the_other() -> None:
    first, second = Hook({"allowed": False, "reason": "not here"}), Hook({"allowed": True})
    union = Union(
        [
            WebhookAuthorizer(WebhookConfig("a", NODE), first.post),
            WebhookAuthorizer(WebhookConfig("b", NODE), second.post),
        ]
    )
    assert (await ask(union)).allowed
    assert (len(first.asked), len(second.asked)) == (1, 1)


async def test_a_request_that_never_stops_asking() -> None:
    hook = Hook({"allowed": True})
    authorizer = hook.authorizer(allowed_seconds=0)
    count = 0

    async def attempt() -> Decision:
        nonlocal count
        count += 1
        return authorizer.authorize(ASKED._replace(name=str(count)))

    with pytest.raises(DecisionWanted) as wanted:
        await attempt()
    with pytest.raises(ApiError) as refusal:
        await decided(wanted.value, attempt)
    assert refusal.value.code == 500
    assert len(hook.asked) == QUESTIONS_MAX
