"""Callers of a daemon: who they are, what they may, how long answers are kept."""

import json

import pytest

from wherry.api.authentication_v1 import TokenReview, TokenReviewStatus, UserInfo
from wherry.api.authorization_v1 import SubjectAccessReviewStatus
from wherry.api.errors import status_error
from wherry.client.delegated import (
    KEPT_MAX,
    TOKEN_BYTES_MAX,
    Access,
    Caller,
    Delegated,
    HealthGuard,
    Kept,
    Times,
    Unreviewed,
    bearer_token,
    caller_of,
)
from wherry.daemon.clock import FakeClock
from wherry.daemon.health import Asked

ROBOT = Caller("robot", groups=("g",))
METRICS = Access("get", "/metrics")


class Reviewer:
    """Answers reviews as an API server does; remembers the questions."""

    def __init__(self, *, allowed=True, away=False):
        self.allowed, self.away, self.asked = allowed, away, []

    async def create(self, review):
        self.asked.append(review)
        if self.away:
            raise status_error("ServiceUnavailable", "etcd is away")
        if isinstance(review, TokenReview):
            good = review.spec.token == "good"
            user = UserInfo(username="robot", groups=["g"])
            return review.with_(status=TokenReviewStatus(authenticated=good, user=user))
        resource = review.spec.resource_attributes
        allowed = self.allowed and (resource is None or resource.subresource == "proxy")
        return review.with_(status=SubjectAccessReviewStatus(allowed=allowed))


def test_a_certificate_names_its_caller():
    subject = ((("organizationName", "system:masters"),), (("commonName", "admin"),))
    found = caller_of({"subject": subject})
    assert found == Caller("admin", groups=("system:masters", "system:authenticated"))
    assert caller_of({"subject": ()}) is None


@pytest.mark.parametrize(
    ("header", "token"),
    [("Bearer a", "a"), ("bearer  a", ""), (" Bearer a b", "a"), ("Basic a", ""), ("", "")],
)
def test_bearer_token(header, token):
    assert bearer_token(header) == token


async def test_tokens_are_reviewed_once_in_a_while():
    reviewer, clock = Reviewer(), FakeClock()
    delegated = Delegated(reviewer, clock)
    for _ in range(3):
        assert await delegated.caller(None, "good") == ROBOT
        assert await delegated.caller(None, "bad") is None
    assert len(reviewer.asked) == 2
    clock.advance(121)
    await delegated.caller(None, "good")
    assert len(reviewer.asked) == 3
    assert await delegated.caller(None, "") is None
    assert await delegated.caller(None, "x" * (TOKEN_BYTES_MAX + 1)) is None
    assert len(reviewer.asked) == 3


@pytest.mark.parametrize(("allowed", "seconds"), [(True, 300), (False, 30)])
async def test_verdicts_are_kept_for_their_time(allowed, seconds):
    reviewer, clock = Reviewer(allowed=allowed), FakeClock()
    delegated = Delegated(reviewer, clock)
    for _ in range(2):
        assert await delegated.may(ROBOT, METRICS) is allowed
    assert len(reviewer.asked) == 1
    asked = reviewer.asked[0].spec
    assert (asked.user, list(asked.groups)) == ("robot", ["g"])
    attributes = asked.non_resource_attributes
    assert (attributes.path, attributes.verb) == ("/metrics", "get")
    clock.advance(seconds)
    await delegated.may(ROBOT, METRICS)
    assert len(reviewer.asked) == 2


async def test_extra_goes_along():
    reviewer = Reviewer()
    caller = Caller("robot", "u", (), (("scopes", ("a", "b")),))
    await Delegated(reviewer, FakeClock()).may(caller, METRICS)
    assert reviewer.asked[0].spec.extra == {"scopes": ["a", "b"]}


async def test_nobody_gets_in_while_nobody_can_be_asked():
    delegated = Delegated(Reviewer(away=True), FakeClock())
    with pytest.raises(Unreviewed):
        await delegated.caller(None, "good")
    with pytest.raises(Unreviewed):
        await delegated.may(ROBOT, METRICS)


def test_kept_answers_are_bounded():
    kept = Kept(FakeClock())
    for number in range(KEPT_MAX + 1):
        kept.put(number, True, 60)
    assert kept.get(0) is None
    assert kept.get(KEPT_MAX) is True


def guard(**how):
    reviewer = Reviewer(**how)
    delegated = Delegated(reviewer, FakeClock(), Times(10, 10, 10))
    return HealthGuard(delegated, ("/healthz", "/open/*")), reviewer


@pytest.mark.parametrize(
    ("path", "headers", "certificate", "code"),
    [
        ("/healthz", {}, None, None),
        ("/open/more", {}, None, None),
        ("/healthz/x", {}, None, 403),
        ("//metrics", {}, None, 403),
        ("/metrics", {}, None, 403),
        ("/metrics", {"authorization": "Bearer good"}, None, None),
        ("/metrics", {"authorization": "Bearer bad"}, None, 401),
        ("/metrics", {}, {"subject": ((("commonName", "scraper"),),)}, None),
    ],
)
async def test_who_is_admitted_to_a_health_port(path, headers, certificate, code):
    admit, _ = guard()
    refusal = await admit(Asked("GET", path, headers, certificate))
    assert (refusal[0] if refusal else None) == code


async def test_words_of_a_refusal():
    admit, reviewer = guard(allowed=False)
    _, kind, body = await admit(Asked("GET", "/metrics", {}))
    status = json.loads(body)
    assert kind == "application/json"
    assert status["message"] == 'forbidden: User "system:anonymous" cannot get path "/metrics"'
    assert reviewer.asked == []  # nobody in particular is not worth a question
    _, _, body = await admit(Asked("GET", "/metrics", {"authorization": "Bearer good"}))
    assert json.loads(body)["message"] == 'forbidden: User "robot" cannot get path "/metrics"'


async def test_masters_are_not_asked_about():
    admit, reviewer = guard(allowed=False)
    masters = {"subject": ((("organizationName", "system:masters"),), (("commonName", "a"),))}
    assert await admit(Asked("GET", "/metrics", {}, masters)) is None
    assert reviewer.asked == []
