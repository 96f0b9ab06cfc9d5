"""An authorizer that asks somebody else: a SubjectAccessReview is POSTed, its status is the decision.

Authorizers never wait. So one that has no answer yet raises `DecisionWanted`; whoever serves the request
waits for it and begins the request anew (`decided`), with all answers it got so far in hand. Answers are
kept for a while, as configured; the same question is asked once at a time, however many wait for it.

Source: k8s.io/apiserver/plugin/pkg/authorizer/webhook.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import orjson

from apiserver.authz.authorizer import Attributes, Decision, Rules
from apiserver.request import User
from wherry.api.errors import ApiError, status_error
from wherry.api.selectors import parse_label_selector

ANSWERS_KEPT_MAX: Final = 8192
QUESTION_BYTES_KEPT_MAX: Final = 10_000  # a longer one's answer is not kept
QUESTIONS_MAX: Final = 100  # of one request
GROUP: Final = "authorization.k8s.io"
_OPERATORS: Final = {
    "=": "In", "==": "In", "in": "In", "!=": "NotIn", "notin": "NotIn", "exists": "Exists",
    "!": "DoesNotExist",
}  # fmt: skip
_LIST_ONLY: Final = "webhook authorizer does not support user rule resolution"

T = TypeVar("T")
Tree = dict[str, Any]
Answers = dict[tuple[str, bytes], Decision]


@dataclass(frozen=True, slots=True)
class WebhookConfig:
    """Where a webhook is (a kubeconfig) and what to make of its answers and silence.

    fails_closed: what it does not answer is refused; else the next authorizer is asked
    """

    name: str
    kubeconfig: Path
    version: str = "v1"
    timeout_seconds: float = 3.0
    allowed_seconds: float = 300.0
    refused_seconds: float = 30.0
    fails_closed: bool = False


class Unanswered(Exception):
    """The webhook gave no answer that makes sense; the text says why."""


class DecisionWanted(Exception):
    """A decision is not there yet: `find` it, then begin anew with it in hand."""

    def __init__(self, key: tuple[str, bytes], find: Callable[[], Awaitable[Decision]]) -> None:
        super().__init__(f"{key[0]} is to be asked")
        self.key = key
        self.find = find


# The answers that the request at hand got so far.
_IN_HAND: ContextVar[Answers | None] = ContextVar("answers in hand", default=None)


async def decided(first: DecisionWanted, attempt: Callable[[], Awaitable[T]]) -> T:
    """What `attempt` comes to once all decisions it wants are there, `first` for a start."""
    answers: Answers = {}
    token = _IN_HAND.set(answers)
    wanted = first
    try:
        for _ in range(QUESTIONS_MAX):
            answers[wanted.key] = await wanted.find()
            try:
                return await attempt()
            except DecisionWanted as more:
                wanted = more
    finally:
        _IN_HAND.reset(token)
    raise too_many_questions()


def too_many_questions() -> ApiError:
    why = f"Internal error occurred: one request asks webhooks more than {QUESTIONS_MAX} questions"
    return status_error("InternalError", why)


class WebhookAuthorizer:
    """See the module. `post` takes a review to the webhook; Unanswered when nothing comes back."""

    def __init__(
        self,
        config: WebhookConfig,
        post: Callable[[bytes], Awaitable[bytes]],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._post = post
        self._now = now
        self._kept: OrderedDict[bytes, tuple[float, Decision]] = OrderedDict()
        self._asked: dict[bytes, asyncio.Task[Decision]] = {}

    def authorize(self, attributes: Attributes) -> Decision:
        """Raises DecisionWanted."""
        question = orjson.dumps(spec_of(attributes, self._config.version))
        key = (self._config.name, question)
        in_hand = _IN_HAND.get()
        if in_hand is not None and (answer := in_hand.get(key)) is not None:
            return answer
        kept = self._kept.get(question)
        if kept is not None and kept[0] > self._now():
            self._kept.move_to_end(question)
            return kept[1]
        raise DecisionWanted(key, lambda: self._find(question))

    def rules(self, user: User, namespace: str) -> Rules:
        return Rules(incomplete=True, error=_LIST_ONLY)

    async def _find(self, question: bytes) -> Decision:
        """The answer, of one question for all who want it."""
        task = self._asked.get(question)
        if task is None:
            task = self._asked[question] = asyncio.get_running_loop().create_task(
                self._ask(question)
            )
            task.add_done_callback(lambda _: self._asked.pop(question, None))
        return await asyncio.shield(task)

    async def _ask(self, question: bytes) -> Decision:
        version = f"{GROUP}/{self._config.version}".encode()
        body = b'{"kind":"SubjectAccessReview","apiVersion":"%b","metadata":{},"spec":%b}'
        try:
            decision = read_answer(await self._post(body % (version, question)))
        except Unanswered as error:
            return Decision(False, final=self._config.fails_closed, error=str(error))
        allowed = self._config.allowed_seconds
        seconds = allowed if decision.allowed else self._config.refused_seconds
        if seconds > 0 and len(question) <= QUESTION_BYTES_KEPT_MAX:
            self._kept[question] = self._now() + seconds, decision
            self._kept.move_to_end(question)
            if len(self._kept) > ANSWERS_KEPT_MAX:
                self._kept.popitem(last=False)
        return decision


def spec_of(attributes: Attributes, version: str) -> Tree:
    """A SubjectAccessReviewSpec that asks this."""
    user = attributes.user
    spec: Tree = {"user": user.name}
    if attributes.path:
        spec["nonResourceAttributes"] = {"path": attributes.path, "verb": attributes.verb}
    else:
        fields = ("namespace", "verb", "group", "version", "resource", "subresource", "name")
        asked: Tree = {field: value for field in fields if (value := getattr(attributes, field))}
        if attributes.fields:
            asked["fieldSelector"] = {
                "requirements": [
                    {"key": one.field, "operator": "In" if one.equal else "NotIn", "values": [one.value]}
                    for one in attributes.fields
                ]
            }  # fmt: skip
        if labels := _label_requirements(attributes.labels):
            asked["labelSelector"] = {"requirements": labels}
        spec["resourceAttributes"] = asked
    if user.groups:
        spec["group" if version == "v1beta1" else "groups"] = list(user.groups)
    if user.uid:
        spec["uid"] = user.uid
    if user.extra:
        spec["extra"] = {key: list(user.extra[key]) for key in sorted(user.extra)}
    return spec


def _label_requirements(selector: str) -> list[Tree]:
    """A selector's conditions as metav1 has them; what it has no word for, or no sense, is left out."""
    try:
        found = parse_label_selector(selector).requirements if selector else ()
    except ValueError:
        return []
    return [
        {"key": one.key, "operator": _OPERATORS[one.operator]}
        | ({"values": list(one.values)} if one.values else {})
        for one in found
        if one.operator in _OPERATORS
    ]


def read_answer(body: bytes) -> Decision:
    """The decision in a SubjectAccessReview that came back. Unanswered."""
    try:
        tree = orjson.loads(body)
        status = tree["status"]
        allowed, denied = status.get("allowed", False), status.get("denied", False)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Unanswered("the webhook's answer is no SubjectAccessReview") from error
    if not isinstance(allowed, bool) or not isinstance(denied, bool):
        raise Unanswered("the webhook's answer is no SubjectAccessReview")
    if allowed and denied:
        raise Unanswered("webhook subject access review returned both allow and deny response")
    return Decision(allowed, str(status.get("reason") or ""), final=denied)
