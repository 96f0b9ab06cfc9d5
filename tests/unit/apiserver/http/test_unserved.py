"""What paths ask for that nothing serves."""

from __future__ import annotations

import pytest

from apiserver.authz.authorizer import Attributes
from apiserver.http.unserved import asked_in_vain
from apiserver.request import User

JANE = User("jane")


@pytest.mark.parametrize(
    ("method", "path", "query", "want"),
    [
        ("GET", "api/v1/foos", {}, ("list", "", "", "v1", "foos")),
        ("GET", "api/v1/foos", {"watch": "true"}, ("watch", "", "", "v1", "foos")),
        ("GET", "api/v1/foos", {"watch": "0"}, ("list", "", "", "v1", "foos")),
        ("DELETE", "apis/x.io/v2/foos", {}, ("deletecollection", "", "x.io", "v2", "foos")),
        ("GET", "apis/x.io/v2/foos/f", {}, ("get", "", "x.io", "v2", "foos", "", "f")),
        (
            "PATCH",
            "apis/x.io/v2/namespaces/ns/foos/f/status",
            {},
            ("patch", "ns", "x.io", "v2", "foos", "status", "f"),
        ),
        ("PUT", "api/v1/namespaces/ns", {}, ("update", "ns", "", "v1", "namespaces", "", "ns")),
        (
            "GET",
            "api/v1/namespaces/ns/status",
            {},
            ("get", "ns", "", "v1", "namespaces", "status", "ns"),
        ),
        ("GET", "api/v1/watch/foos/f", {}, ("watch", "", "", "v1", "foos", "", "f")),
        ("BREW", "api/v1/pots", {}, ("", "", "", "v1", "pots")),
    ],
)
def test_paths(method: str, path: str, query: dict[str, str], want: tuple[str, ...]) -> None:
    assert asked_in_vain(method, path.split("/"), query, JANE) == Attributes(JANE, *want)
