"""Recall: equal parts are judged once, different ones each, and nobody shares what he may change."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from apiserver.codec import managed_fields
from apiserver.codec.decode import decode
from apiserver.codec.recall import PART_BYTES_MAX, PARTS_MAX, Recall, key_of, passing
from wherry.api.core_v1 import Pod
from wherry.api.shape import shape_of

CONTAINER = {"name": "c", "image": "i"}


def body(name: str, **spec: Any) -> bytes:
    tree = {"metadata": {"name": name}, "spec": {"containers": [CONTAINER], **spec}}
    return json.dumps(tree).encode()


class TestRecall:
    def test_the_oldest_goes_when_there_are_too_many(self) -> None:
        recall: Recall[int] = Recall()
        for number in range(PARTS_MAX + 1):
            recall.put(b"%d" % number, number)
        assert recall.get(b"0") is None
        assert recall.get(b"1") == 1
        assert recall.get(b"%d" % PARTS_MAX) == PARTS_MAX

    def test_what_is_large_is_not_kept(self) -> None:
        recall: Recall[int] = Recall()
        large = b"x" * (PART_BYTES_MAX + 1)
        recall.put(large, 1)
        assert recall.get(large) is None

    def test_what_is_no_json_has_no_key(self) -> None:
        assert key_of({"a": 2**70}) is None
        assert key_of("\ud800") is None

    def test_one_and_true_differ(self) -> None:
        assert len({key_of(1), key_of(1.0), key_of(True)}) == 3


class TestPassing:
    def test_what_passed_is_not_asked_again_what_failed_is(self) -> None:
        asked: list[int] = []

        @passing
        def small(number: int) -> list[str]:
            asked.append(number)
            return ["too large"] if number > 9 else []

        assert [small(1), small(1), small(10), small(10)] == [[], [], ["too large"], ["too large"]]
        assert asked == [1, 10, 10]


class TestSpecsOfOneTemplate:
    def test_each_decoded_tree_is_its_own(self) -> None:
        first = decode(Pod, body("a")).tree
        first["spec"]["containers"][0]["image"] = "changed"
        second = decode(Pod, body("b")).tree
        assert second["metadata"] == {"name": "b"}
        assert second["spec"]["containers"][0]["image"] == "i"

    def test_an_unknown_field_is_warned_of_each_time(self) -> None:
        warnings = [decode(Pod, body("a", colour="red")).warnings for _ in range(2)]
        assert warnings == [['unknown field "spec.colour"']] * 2

    def test_owned_fields_are_those_of_the_spec_at_hand(self) -> None:
        def owned(**spec: Any) -> Any:
            tree = decode(Pod, body("a", **spec)).tree
            managed_fields.track(
                tree, None, shape_of(Pod), manager="m", api_version="v1",
                now=datetime(2026, 1, 1, tzinfo=UTC),
            )  # fmt: skip
            return tree["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]

        assert owned() == owned()
        assert "f:nodeName" not in owned()
        assert "f:nodeName" in owned(nodeName="n")
        assert "f:nodeName" not in owned()
