from __future__ import annotations

import orjson
import pytest

from apiserver.registry.deletion import DeleteOptions
from apiserver.registry.options import check_write, delete_options, list_options
from wherry.api.errors import ApiError
from wherry.api.scheme import BY_PLURAL

PODS = BY_PLURAL["", "v1", "pods"]
CONFIGMAPS = BY_PLURAL["", "v1", "configmaps"]


@pytest.mark.parametrize(
    ("query", "body", "expected"),
    [
        pytest.param({}, None, DeleteOptions(), id="nothing"),
        pytest.param({"gracePeriodSeconds": "0", "dryRun": "All"}, None,
                     DeleteOptions(grace_period_seconds=0, dry_run=True), id="query"),
        pytest.param({"orphanDependents": "true"}, None, DeleteOptions(orphan=True), id="orphan"),
        pytest.param({}, {"kind": "DeleteOptions", "apiVersion": "apps/v1",
                          "gracePeriodSeconds": 3, "propagationPolicy": "Orphan",
                          "preconditions": {"uid": "u", "resourceVersion": "7"},
                          "dryRun": ["All"]},
                     DeleteOptions(3, "Orphan", None, "u", "7", True), id="body"),
        pytest.param({"gracePeriodSeconds": "9"}, {"propagationPolicy": "Foreground"},
                     DeleteOptions(propagation="Foreground"), id="the body wins"),
    ],
)  # fmt: skip
def test_delete_options(query: dict[str, str], body: object, expected: DeleteOptions) -> None:
    data = orjson.dumps(body) if body is not None else b""
    assert delete_options(query, data, "application/json") == expected


PROTOBUF = "application/vnd.kubernetes.protobuf"
# What client-go sends: the group-version is that of the object's kind.
IN_PROTOBUF = (
    b"k8s\0\n\x18\n\x07apps/v1\x12\rDeleteOptions"
    b"\x12\x17\x08\x03\x12\x06\n\x01u\x12\x017\x22\x06Orphan*\x03All"
)


def test_delete_options_in_protobuf() -> None:
    expected = DeleteOptions(3, "Orphan", None, "u", "7", True)
    assert delete_options({}, IN_PROTOBUF, PROTOBUF) == expected


def test_delete_options_in_broken_protobuf() -> None:
    with pytest.raises(ApiError) as refusal:
        delete_options({}, b"{}", PROTOBUF)
    assert refusal.value.code == 400


@pytest.mark.parametrize(
    ("query", "code", "words"),
    [
        ({"gracePeriodSeconds": "x"}, 400, 'parsing "x": invalid syntax'),
        ({"propagationPolicy": "Sideways"}, 422, 'Unsupported value: "Sideways"'),
        ({"propagationPolicy": "Orphan", "orphanDependents": "true"}, 422, "cannot be both set"),
        ({"dryRun": "Some"}, 422, 'dryRun: Unsupported value: "Some": supported values: "All"'),
    ],
)
def test_bad_delete_options(query: dict[str, str], code: int, words: str) -> None:
    with pytest.raises(ApiError) as refusal:
        delete_options(query, b"", "")
    assert refusal.value.code == code
    assert words in refusal.value.message


@pytest.mark.parametrize(
    "query",
    [{"dryRun": "x"}, {"fieldManager": "m" * 129}, {"fieldManager": "a\nb"},
     {"fieldValidation": "Maybe"}],
    ids=str,
)  # fmt: skip
def test_bad_write_options(query: dict[str, str]) -> None:
    with pytest.raises(ApiError) as refusal:
        check_write(query, "CreateOptions")
    assert refusal.value.code == 422
    assert refusal.value.message.startswith('CreateOptions.meta.k8s.io "" is invalid: ')


def test_list_options() -> None:
    query = {
        "labelSelector": "a=b", "fieldSelector": "spec.nodeName=n", "resourceVersion": "5",
        "resourceVersionMatch": "Exact", "limit": "7", "allowWatchBookmarks": "1",
    }  # fmt: skip
    options = list_options(query, PODS, "ns", watching=False)
    assert (options.revision, options.match, options.limit) == (5, "Exact", 7)
    assert (options.interest.namespace, options.interest.node) == ("ns", "n")
    assert options.interest.selective
    assert options.bookmarks
    assert not list_options({"labelSelector": ""}, PODS, "", watching=False).interest.selective
    assert list_options({"limit": "-1"}, PODS, "", watching=False).limit == 0


@pytest.mark.parametrize(
    ("query", "watching", "code", "words"),
    [
        ({"limit": "x"}, False, 400, 'strconv.ParseInt: parsing "x": invalid syntax'),
        ({"limit": "1_0"}, False, 400, 'strconv.ParseInt: parsing "1_0": invalid syntax'),
        ({"limit": "9" * 5000}, False, 400, "value out of range"),
        ({"resourceVersion": "x"}, False, 400, 'ParseUint: parsing "x": invalid syntax'),
        ({"resourceVersion": "9" * 5000}, False, 400, "value out of range"),
        ({"labelSelector": "a in"}, False, 400, "unable to parse requirement"),
        ({"fieldSelector": "spec.nope=1"}, False, 400, "field label not supported: spec.nope"),
        ({"resourceVersionMatch": "Exact", "resourceVersion": "0"}, False, 422,
         'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'),
        ({"resourceVersionMatch": "Exact"}, False, 422, "unless resourceVersion is provided"),
        ({"resourceVersionMatch": "Newest", "resourceVersion": "1"}, False, 422, "Unsupported"),
        ({"sendInitialEvents": "true"}, True, 422, "NotOlderThan"),
        ({"sendInitialEvents": "true"}, False, 422, "forbidden for list"),
        ({"resourceVersionMatch": "NotOlderThan", "resourceVersion": "1"}, True, 422,
         "forbidden for watch"),
    ],
)  # fmt: skip
def test_bad_list_options(query: dict[str, str], watching: bool, code: int, words: str) -> None:
    with pytest.raises(ApiError) as refusal:
        list_options(query, PODS, "", watching=watching)
    assert refusal.value.code == code
    assert words in refusal.value.message


def test_a_kind_without_fields_of_its_own_says_which_it_has() -> None:
    with pytest.raises(ApiError, match="is not a known field selector"):
        list_options({"fieldSelector": "data.a=1"}, CONFIGMAPS, "", watching=False)
