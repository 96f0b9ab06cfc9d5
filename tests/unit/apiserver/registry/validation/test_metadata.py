"""Metadata of every kind."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.registry.validation.metadata import (
    ANNOTATIONS_SIZE_MAX,
    segment_name,
    subdomain_name,
    validate_metadata,
    validate_metadata_update,
)
from wherry.api.core_v1 import ConfigMap, Event, Node
from wherry.api.scheme import resource_of

CONFIG_MAP, NODE, EVENT = resource_of(ConfigMap), resource_of(Node), resource_of(Event)
GOOD = {"name": "a", "namespace": "default"}


def said(**metadata: Any) -> list[str]:
    tree = {"metadata": {**GOOD, **metadata}}
    return [str(one) for one in validate_metadata(tree, CONFIG_MAP, subdomain_name)]


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"name": ""}, "metadata.name: Required value: name or generateName is required"),
        ({"name": "A"}, 'metadata.name: Invalid value: "A": a lowercase RFC 1123 subdomain'),
        ({"generateName": "_"}, 'metadata.generateName: Invalid value: "_": a lowercase'),
        ({"namespace": ""}, "metadata.namespace: Required value"),
        ({"namespace": "a.b"}, 'metadata.namespace: Invalid value: "a.b": must not contain dots'),
        ({"labels": {"a": "b c"}}, 'metadata.labels: Invalid value: "b c": a valid label'),
        ({"labels": {"/": "b"}}, 'metadata.labels: Invalid value: "/": prefix part must be non-empty'),
        ({"annotations": {"a b": ""}}, 'metadata.annotations: Invalid value: "a b": name part'),
        (
            {"annotations": {"a": "x" * ANNOTATIONS_SIZE_MAX}},
            "metadata.annotations: Too long: may not be more than 262144 bytes",
        ),
        (
            {"finalizers": ["mine"]},
            'metadata.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer name',
        ),
        (
            {"finalizers": ["orphan", "foregroundDeletion"]},
            'metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: finalizer orphan and',
        ),
        (
            {"ownerReferences": [{"apiVersion": "v1", "kind": "", "name": "a", "uid": "b"}]},
            'metadata.ownerReferences.kind: Invalid value: "": must not be empty',
        ),
        (
            {"ownerReferences": [{"apiVersion": "", "kind": "K", "name": "a", "uid": "b"}]},
            'metadata.ownerReferences.apiVersion: Invalid value: "": version must not be empty',
        ),
    ],
    ids=str,
)  # fmt: skip
def test_a_new_object(metadata: dict[str, Any], words: str) -> None:
    errors = said(**metadata)
    assert errors
    assert errors[0].startswith(words)


def test_a_sound_one() -> None:
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u", "controller": True}
    assert not said(
        labels={"a.b/c": "d", "e": ""},
        annotations={"A.B/c": "anything at all"},
        finalizers=["kubernetes", "example.com/x"],
        ownerReferences=[owner],
    )


def test_two_controllers() -> None:
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u", "controller": True}
    errors = said(ownerReferences=[owner, {**owner, "name": "q"}])
    assert "Only one reference can have Controller set to true" in errors[0]
    assert "Pod/p and Pod/q" in errors[0]


def test_cluster_scoped_kinds_have_no_namespace() -> None:
    errors = validate_metadata({"metadata": GOOD}, NODE, subdomain_name)
    assert [str(one) for one in errors] == [
        "metadata.namespace: Forbidden: not allowed on this type"
    ]


def test_events_follow_the_generic_rules() -> None:
    tree = {"metadata": {**GOOD, "name": "Any.Name", "finalizers": ["mine"]}}
    assert not validate_metadata(tree, EVENT, segment_name)


@pytest.mark.parametrize(
    ("new", "old", "words"),
    [
        ({"name": "b"}, {"name": "a"}, 'metadata.name: Invalid value: "b": field is immutable'),
        ({"uid": "b"}, {"uid": "a"}, 'metadata.uid: Invalid value: "b": field is immutable'),
        ({"generation": 1}, {"generation": 2}, "metadata.generation: Invalid value: 1: must not be"),
        (
            {"deletionTimestamp": "t", "finalizers": ["a/b", "c/d"]},
            {"deletionTimestamp": "t", "finalizers": ["a/b"]},
            "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being"
            ' deleted, found new finalizers []string{"c/d"}',
        ),
        ({"labels": {"a": "b c"}}, {}, "metadata.labels: Invalid value"),
    ],
    ids=str,
)  # fmt: skip
def test_an_update(new: dict[str, Any], old: dict[str, Any], words: str) -> None:
    errors = validate_metadata_update({"metadata": new}, {"metadata": old}, CONFIG_MAP)
    assert str(errors[0]).startswith(words)
