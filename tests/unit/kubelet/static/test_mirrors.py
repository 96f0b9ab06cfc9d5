"""Mirrors of static pods: made, replaced, taken away."""

from datetime import UTC, datetime

import pytest

from kubelet.static.mirrors import MIRROR, is_mirror, mirror_of, plan
from kubelet.static.source import HASH, SOURCE
from wherry.api.core_v1 import Node, Pod
from wherry.api.meta_v1 import ObjectMeta

NODE = Node(metadata=ObjectMeta(name="n1", uid="node-uid"))


def static(name="a", digest="x"):
    annotations = {HASH: digest, SOURCE: "file"}
    return Pod(metadata=ObjectMeta(name=name, namespace="d", uid=digest, annotations=annotations))


def mirror(name="a", digest="x", *, ending=False):
    made = mirror_of(static(name, digest), NODE)
    at = datetime(2026, 1, 1, tzinfo=UTC) if ending else None
    return made.with_(metadata=made.metadata.with_(uid="api", deletion_timestamp=at))


def test_a_mirror():
    made = mirror_of(static(), NODE)
    assert made.metadata.uid == ""
    assert made.metadata.annotations[MIRROR] == "x"
    [owner] = made.metadata.owner_references
    assert (owner.kind, owner.name, owner.uid, owner.controller) == ("Node", "n1", "node-uid", True)
    assert is_mirror(made)
    assert not is_mirror(static())


@pytest.mark.parametrize(
    ("pods", "mirrors", "created", "deleted"),
    [
        ([static()], [], ["a"], []),
        ([static()], [mirror()], [], []),
        ([static()], [mirror(digest="old")], [], ["a"]),
        ([static()], [mirror(ending=True)], [], ["a"]),
        ([], [mirror()], [], ["a"]),
        ([static(), static("b")], [mirror("b"), mirror("c")], ["a"], ["c"]),
    ],
    ids=["none", "same", "of-another-content", "being-deleted", "of-nothing", "several"],
)
def test_plan(pods, mirrors, created, deleted):
    found = plan(pods, mirrors)
    assert [pod.metadata.name for pod in found.create] == created
    assert [pod.metadata.name for pod in found.delete] == deleted
