from __future__ import annotations

from typing import Any

import orjson
import pytest

from apiserver.storage.encoder import (
    UnknownBytes,
    decode_item,
    encode,
    item_of,
    object_frame,
    object_head,
    object_of,
)
from wherry.api.scheme import RESOURCES, Resource

STORED = [resource for resource in RESOURCES if resource.stored]


def tree_of(resource: Resource) -> dict[str, Any]:
    return {
        "spec": {"metadata": {"resourceVersion": "not mine"}},
        "apiVersion": resource.api_version,
        "metadata": {"name": "n", "resourceVersion": "7", "labels": {"a": 'quote " {'}},
        "kind": resource.kind,
    }


@pytest.mark.parametrize("resource", STORED, ids=lambda r: r.plural)
def test_every_kind_is_stored_with_its_head_and_without_resource_version(
    resource: Resource,
) -> None:
    stored = encode(tree_of(resource))
    assert stored.startswith(object_head(resource.gvk) + b'"metadata":{"name":"n"')
    assert b'"resourceVersion":"7"' not in stored
    item = item_of(stored, 42)
    assert item.startswith(b'{"metadata":{"resourceVersion":"42","name":"n"')
    served = orjson.loads(object_of(object_head(resource.gvk), item))
    assert served == {
        **tree_of(resource),
        "metadata": {**tree_of(resource)["metadata"], "resourceVersion": "42"},
    }
    assert decode_item(item, resource.gvk) == served
    line = object_frame("ADDED", object_head(resource.gvk), item)
    assert line.endswith(b"}\n")
    assert orjson.loads(line) == {"type": "ADDED", "object": served}


@pytest.mark.parametrize("value", [b"", b"{}", b"k8s\x00protobuf", b'["kind"]'])
def test_foreign_bytes_are_refused(value: bytes) -> None:
    with pytest.raises(UnknownBytes):
        item_of(value, 1)
