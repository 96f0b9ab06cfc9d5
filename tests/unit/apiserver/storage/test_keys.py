from __future__ import annotations

import pytest

from apiserver.storage.keys import KeyReader, key_of, range_of
from wherry.api.scheme import BY_PLURAL, RESOURCES

READER = KeyReader(RESOURCES)


@pytest.mark.parametrize(
    ("group", "plural", "namespace", "key"),
    [
        ("", "pods", "ns", b"/registry/pods/ns/n"),
        ("", "nodes", "", b"/registry/minions/n"),
        ("", "services", "ns", b"/registry/services/specs/ns/n"),
        ("", "endpoints", "ns", b"/registry/services/endpoints/ns/n"),
        ("coordination.k8s.io", "leases", "ns", b"/registry/leases/ns/n"),
    ],
)
def test_keys_are_upstreams_and_read_back(
    group: str, plural: str, namespace: str, key: bytes
) -> None:
    resource = BY_PLURAL[group, "v1", plural]
    assert key_of(resource, namespace, "n") == key
    assert READER.read(key) == (resource, namespace, "n")
    for start, end in (range_of(resource, ""), range_of(resource, namespace)):
        assert start <= key < end


@pytest.mark.parametrize(
    "key",
    [b"/other", b"/registry/", b"/registry/pods", b"/registry/pods/a", b"/registry/x/y/z",
     b"/registry/pods/a/b/c", b"/registry/services/a/b"],
)  # fmt: skip
def test_foreign_keys(key: bytes) -> None:
    assert READER.read(key) is None


def test_range_goes_on_after_a_path() -> None:
    pods = BY_PLURAL["", "v1", "pods"]
    start, end = range_of(pods, "a", "a/x")
    assert start == b"/registry/pods/a/x\0"
    assert end == b"/registry/pods/a0"
