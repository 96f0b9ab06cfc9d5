"""What callers of the kubelet need."""

import pytest

from kubelet.server.auth import Gate, permissions
from tests.unit.wherry.client.test_delegated import ROBOT, Reviewer
from wherry.daemon.clock import FakeClock


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/pods", ("get", ("pods", "proxy"))),
        ("GET", "/runningpods/", ("get", ("pods", "proxy"))),
        ("GET", "/healthz", ("get", ("healthz", "proxy"))),
        ("GET", "/healthz/syncloop", ("get", ("healthz", "proxy"))),
        ("GET", "/configz", ("get", ("configz", "proxy"))),
        ("GET", "/metrics", ("get", ("metrics",))),
        ("GET", "/metrics/cadvisor", ("get", ("metrics",))),
        ("GET", "/stats/summary", ("get", ("stats",))),
        ("GET", "/logs/x", ("get", ("log",))),
        ("POST", "/checkpoint/ns/p/c", ("create", ("checkpoint",))),
        ("GET", "/containerLogs/ns/p/c", ("get", ("proxy",))),
        ("POST", "/exec/ns/p/c", ("create", ("proxy",))),
        ("GET", "/podsx", ("get", ("proxy",))),
        ("GET", "//metrics", ("get", ("proxy",))),
        ("GET", "/PODS", ("get", ("proxy",))),
        ("TRACE", "/exec/ns/p/c", ("", ("proxy",))),
    ],
)
def test_permissions(method, path, expected):
    assert permissions(method, path) == expected


async def test_any_one_permission_is_enough():
    reviewer = Reviewer()
    gate = Gate(reviewer, "n1", FakeClock())
    assert await gate.may(ROBOT, "get", ("pods", "proxy"))
    assert not await gate.may(ROBOT, "get", ("metrics",))
    attributes = reviewer.asked[0].spec.resource_attributes
    assert (attributes.resource, attributes.name, attributes.verb) == ("nodes", "n1", "get")
