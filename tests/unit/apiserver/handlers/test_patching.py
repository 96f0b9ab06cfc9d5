"""Patches that would make what cannot be stored."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apiserver.codec.decode import WARN, decode_patched
from apiserver.handlers.patching import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, parse_patch
from wherry.api.apps_v1 import ControllerRevision
from wherry.api.core_v1 import ConfigMap, Secret
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
    apply = parse_patch(json.dumps(steps).encode(), JSON_PATCH, ControllerRevision).apply
    tree: dict = {}
    inner = tree
    for _ in range(199):
        inner["data"] = inner = {}
    with pytest.raises(ApiError) as refused:
        apply(tree)
    assert refused.value.code == 422


def test_a_json_patch_that_does_not_fit_says_no_more_than_upstream() -> None:
    patch = parse_patch(b'[{"op":"test","path":"/data","value":1}]', JSON_PATCH, ConfigMap)
    with pytest.raises(ApiError) as refused:
        patch.apply({"data": {"a": "b"}})
    assert refused.value.status["details"] == {}
    assert refused.value.message == (
        "the server rejected our request due to an error in our request"
    )


@pytest.mark.parametrize(
    ("directive", "code"),
    [
        ({"$setElementOrder/finalizers": "a"}, 400),
        ({"$retainKeys": 1}, 400),
        ({"$deleteFromPrimitiveList/finalizers": {}}, 400),
        ({"$patch": "nonsense"}, 422),
    ],
    ids=str,
)
def test_directives_of_a_wrong_form_are_refused(directive: Any, code: int) -> None:
    body = json.dumps({"metadata": directive}).encode()
    patch = parse_patch(body, STRATEGIC_PATCH, ConfigMap)
    with pytest.raises(ApiError) as refused:
        patch.apply({"metadata": {"finalizers": ["a"]}})
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("content_type", "quoted", "words"),
    [
        (
            MERGE_PATCH,
            '"{\\"data\\":{\\"a\\":[1,null],\\"b\\":\\"c\\"}}"',
            "json: cannot unmarshal array into Go struct field ConfigMap.data of type string",
        ),
        (STRATEGIC_PATCH, '"map[data:map[a:[1 <nil>]]]"', "unrecognized type: string"),
    ],
)
def test_a_patch_may_not_make_what_is_no_object_of_its_kind(
    content_type: str, quoted: str, words: str
) -> None:
    patch = parse_patch(b'{"data":{"a":[1,null]}}', content_type, ConfigMap)
    tree = patch.apply({"data": {"b": "c"}})
    with pytest.raises(ApiError) as refused:
        decode_patched(
            ConfigMap,
            json.loads(json.dumps(tree, sort_keys=True)),
            WARN,
            lambda: patch.shown({"data": dict(sorted(tree["data"].items()))}),
            converted=patch.converted,
        )
    assert refused.value.code == 422
    assert refused.value.message == f' "" is invalid: patch: Invalid value: {quoted}: {words}'


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        ({"metadata": {"labels": "invalid"}}, "cannot restore map from string"),
        ({"metadata": "invalid"}, "cannot restore struct from: string"),
        ({"metadata": {"finalizers": {"a": "b"}}}, "cannot restore slice from map"),
        ({"metadata": {"labels": {"a": 1}}}, "cannot convert int64 to string"),
        ({"metadata": {"labels": {"a": True}}}, "unrecognized type: string"),
        ({"immutable": 1.5}, "unrecognized type: bool"),
    ],
)
def test_a_strategic_patchs_result_is_refused_in_the_words_of_the_converter(
    patch: dict[str, object], words: str
) -> None:
    with pytest.raises(ApiError) as refused:
        decode_patched(ConfigMap, dict(patch), WARN, lambda: "", converted=True)
    assert refused.value.message.endswith(f": {words}")


@pytest.mark.parametrize("content_type", [MERGE_PATCH, STRATEGIC_PATCH])
def test_nothing_of_a_secret_is_quoted(content_type: str) -> None:
    patch = parse_patch(b'{"stringData":{"a":["hidden"]}}', content_type, Secret)
    assert patch.shown(patch.apply({"data": {"b": "aGlkZGVu"}})) == "REDACTED"
