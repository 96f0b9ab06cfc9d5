"""Callers: who they are, what they need, how long answers are kept."""

import pytest

from kubelet.server.auth import (
    ALLOWED_SECONDS,
    CACHE_ENTRIES_MAX,
    DENIED_SECONDS,
    Caller,
    Gate,
    Kept,
    caller_of,
    permissions,
)
from wherry.api.authentication_v1 import TokenReview, TokenReviewStatus, UserInfo
from wherry.api.authorization_v1 import SubjectAccessReviewStatus
from wherry.daemon.clock import FakeClock

ROBOT = Caller("robot", groups=("g",))


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/pods", ("get", ("pods", "proxy"))),
        ("GET", "/metrics", ("get", ("metrics",))),
        ("GET", "/containerLogs/ns/p/c", ("get", ("proxy",))),
        ("POST", "/exec/ns/p/c", ("create", ("proxy",))),
        ("GET", "/healthz", ("get", ("healthz", "proxy"))),
    ],
)
def test_permissions(method, path, expected):
    assert permissions(method, path) == expected


def test_a_certificate_names_its_caller():
    subject = ((("organizationName", "system:masters"),), (("commonName", "admin"),))
    found = caller_of({"subject": subject})
    assert found == Caller("admin", groups=("system:masters", "system:authenticated"))
    assert caller_of({"subject": ()}) is None


class Reviewer:
    """Answers reviews; counts."""

    def __init__(self, *, allowed=True):
        self.allowed, self.asked = allowed, []

    async def create(self, review):
        self.asked.append(review)
        if isinstance(review, TokenReview):
            good = review.spec.token == "good"
            user = UserInfo(username="robot", groups=["g"])
            return review.with_(status=TokenReviewStatus(authenticated=good, user=user))
        spec = review.spec.resource_attributes
        allowed = self.allowed and spec.subresource == "proxy"
        return review.with_(status=SubjectAccessReviewStatus(allowed=allowed))


async def test_tokens_are_reviewed_once_in_a_while():
    reviewer, clock = Reviewer(), FakeClock()
    gate = Gate(reviewer, "n1", clock)
    assert await gate.caller(None, "good") == ROBOT
    assert await gate.caller(None, "good") == ROBOT
    assert len(reviewer.asked) == 1
    clock.advance(121)
    await gate.caller(None, "good")
    assert len(reviewer.asked) == 2
    assert await gate.caller(None, "bad") is None
    assert await gate.caller(None, "") is None


@pytest.mark.parametrize(("allowed", "seconds"), [(True, ALLOWED_SECONDS), (False, DENIED_SECONDS)])
async def test_verdicts_are_kept_for_their_time(allowed, seconds):
    reviewer, clock = Reviewer(allowed=allowed), FakeClock()
    gate = Gate(reviewer, "n1", clock)
    for _ in range(2):
        assert await gate.may(ROBOT, "get", ("proxy",)) is allowed
    assert len(reviewer.asked) == 1
    attributes = reviewer.asked[0].spec.resource_attributes
    assert (attributes.resource, attributes.name, attributes.verb) == ("nodes", "n1", "get")
    clock.advance(seconds)
    await gate.may(ROBOT, "get", ("proxy",))
    assert len(reviewer.asked) == 2


async def test_any_one_permission_is_enough():
    assert await Gate(Reviewer(), "n1", FakeClock()).may(ROBOT, "get", ("pods", "proxy"))


def test_kept_answers_are_bounded():
    kept = Kept(FakeClock())
    for number in range(CACHE_ENTRIES_MAX + 1):
        kept.put(number, True, 60)
    assert kept.get(0) is None
    assert kept.get(CACHE_ENTRIES_MAX) is True
