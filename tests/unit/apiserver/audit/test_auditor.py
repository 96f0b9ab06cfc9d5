"""What the auditor makes of a request's headers."""

import orjson
import pytest

from apiserver.audit.auditor import Auditor
from apiserver.audit.events import utc_now
from apiserver.audit.policy import parse_policy
from apiserver.request import RequestInfo, User

POLICY = parse_policy("{apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{level: Metadata}]}")


class Heard:
    """A drain that keeps events."""

    plugin, lost, failing = "log", 0, False

    def __init__(self) -> None:
        self.events: list[dict] = []

    def offer(self, event) -> None:
        self.events.append(orjson.loads(event))


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({}, ["10.0.0.9"]),
        ({b"x-forwarded-for": b"1.2.3.4, 5.6.7.8"}, ["1.2.3.4", "5.6.7.8", "10.0.0.9"]),
        ({b"x-forwarded-for": b"nonsense, \n, 1.2.3.4:80, fe80::1"}, ["fe80::1", "10.0.0.9"]),
        ({b"x-forwarded-for": b"1.2.3.4", b"x-real-ip": b"1.2.3.4"}, ["1.2.3.4", "10.0.0.9"]),
        ({b"x-real-ip": b"<script>"}, ["10.0.0.9"]),
        ({b"x-forwarded-for": b"1.2.3.4, 10.0.0.9"}, ["1.2.3.4", "10.0.0.9"]),
    ],
)
def test_sources_are_addresses_and_nothing_else(headers, told):
    heard = Heard()
    scope = {"query_string": b"", "raw_path": b"/x", "client": ("10.0.0.9", 1)}
    auditor = Auditor(POLICY, [heard])
    auditor.begin(scope, headers, RequestInfo("get", "/x"), User("joe"), utc_now())
    assert heard.events[0]["sourceIPs"] == told
