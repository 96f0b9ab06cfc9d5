"""Patches that would make what cannot be stored."""

from __future__ import annotations

import json

import pytest

from apiserver.handlers.patching import JSON_PATCH, MERGE_PATCH, parse_patch
from wherry.api.apps_v1 import ControllerRevision
from wherry.api.errors import ApiError


def test_deep_merge_patches_are_refused() -> None:
    body = b'{"data":' * 400 + b"1" + b"}" * 400
    with pytest.raises(ApiError) as refused:
        parse_patch(body, MERGE_PATCH, ControllerRevision)
    assert refused.value.code == 400


@pytest.mark.parametrize("times", [9, 400], ids=["beyond JSON", "beyond recursion"])
def test_operations_cannot_nest_deeper_than_can_be_written(times: int) -> None:
    deep = {"op": "add", "path": "/data" * 200, "value": {}}
    steps = [deep, *([{"op": "copy", "from": "/data", "path": "/data" * 200}] * times)]
    apply = parse_patch(json.dumps(steps).encode(), JSON_PATCH, ControllerRevision)
    tree: dict = {}
    inner = tree
    for _ in range(199):
        inner["data"] = inner = {}
    with pytest.raises(ApiError) as refused:
        apply(tree)
    assert refused.value.code == 422
