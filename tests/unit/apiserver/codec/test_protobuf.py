"""Protobuf bodies, built here by a small encoder of the wire format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.codec.body import PROTOBUF
from apiserver.codec.decode import decode
from apiserver.codec.protobuf import MAGIC, Malformed, read_body
from tests.unit.recorded import RECORDED
from wherry.api.apps_v1 import Deployment
from wherry.api.authentication_v1 import TokenReview
from wherry.api.core_v1 import ConfigMap, Pod, Secret, Service
from wherry.api.errors import ApiError
from wherry.api.model import Model, TypedModel, wire_name

PROTO_FIELDS = Path(__file__).parents[4] / "../shared/upstream/proto-fields.json"


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def message(*fields: tuple[int, Any]) -> bytes:
    """Encode (number, int | bytes | str) pairs."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            data = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(data)) + data
    return out


def envelope(api_version: str, kind: str, raw: bytes) -> bytes:
    head = message((1, api_version), (2, kind))
    return MAGIC + message((1, head), (2, raw), (3, ""), (4, ""))


META = message((1, "a"), (3, "ns"), (11, message((1, "k"), (2, "v"))))
METADATA = {"name": "a", "namespace": "ns", "labels": {"k": "v"}}


@pytest.mark.parametrize(
    ("model", "raw", "expected"),
    [
        pytest.param(
            ConfigMap,
            message((1, META), (2, message((1, "x"), (2, "y"))), (3, message((1, "b"), (2, b"\0")))),
            {"metadata": METADATA, "data": {"x": "y"}, "binaryData": {"b": "AA=="}},
            id="maps",
        ),
        pytest.param(
            Secret,
            message((1, META), (2, message((1, "p"), (2, "pw"))), (5, 1)),
            {"metadata": METADATA, "data": {"p": "cHc="}, "immutable": True},
            id="bytes and bool",
        ),
        pytest.param(
            Service,
            message((1, META), (2, message((1, message((3, 80), (4, message((1, 1), (3, "web"))))),
                                         (14, message((1, message((1, -1)))))))),
            None,
            id="int-or-string",
        ),
        pytest.param(
            Pod,
            message((1, message((1, "a"), (8, message((1, 1700000000), (2, 5))))),
                    (2, message((1, message((1, "v"), (2, message((2, message((1, "Memory")))))))))),
            {
                "metadata": {"name": "a", "creationTimestamp": "2023-11-14T22:13:20Z"},
                "spec": {"volumes": [{"name": "v", "emptyDir": {"medium": "Memory"}}]},
            },
            id="times and inlined structs",
        ),
        pytest.param(
            TokenReview,
            message((3, message((2, message((1, "me"), (4, message((1, "k"), (2, message((1, "v"), (1, "w"))))))))),),
            {"status": {"user": {"username": "me", "extra": {"k": ["v", "w"]}}}},
            id="a map of lists",
        ),
    ],
)  # fmt: skip
def test_messages_become_trees(
    model: type[TypedModel], raw: bytes, expected: dict[str, Any] | None
) -> None:
    tree = read_body(model, envelope(model.GVK.api_version, model.GVK.kind, raw))
    assert tree.pop("kind") == model.GVK.kind
    assert tree.pop("apiVersion") == model.GVK.api_version
    if expected is not None:
        assert tree == expected
    else:
        assert tree["spec"]["ports"] == [{"port": 80, "targetPort": "web"}]


def test_decode_reads_protobuf_and_checks_its_kind() -> None:
    body = envelope("v1", "ConfigMap", message((1, META)))
    assert decode(ConfigMap, body, PROTOBUF).tree["metadata"]["name"] == "a"
    with pytest.raises(ApiError) as refused:
        decode(Secret, body, PROTOBUF)
    assert refused.value.code == 400


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"{}", id="no envelope"),
        pytest.param(MAGIC + b"\x0a\xff", id="cut off"),
        pytest.param(MAGIC + b"\x0b", id="a wire type nobody uses"),
        pytest.param(envelope("v1", "ConfigMap", message((1, 5))), id="a number for a message"),
        pytest.param(envelope("v1", "ConfigMap", message((1, message((1, b"\xff"))))), id="no UTF-8"),
    ],
)  # fmt: skip
def test_what_is_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        read_body(ConfigMap, body)
    with pytest.raises(ApiError) as refused:
        decode(ConfigMap, body, PROTOBUF)
    assert refused.value.code == 400


@given(st.binary(max_size=200))
def test_random_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        read_body(Deployment, MAGIC + message((1, message((2, "Deployment"))), (2, data)))
    except Malformed:
        return


def _models(model: type[Model], seen: dict[type[Model], None]) -> None:
    from wherry.api.shape import shape_of

    if model in seen:
        return
    seen[model] = None
    for field in shape_of(model).fields.values():
        if field.child is not None:
            _models(field.child.model, seen)


@pytest.mark.skipif(not PROTO_FIELDS.exists(), reason="upstream's facts are not here")
def test_every_field_has_upstreams_number() -> None:
    upstream = json.loads(PROTO_FIELDS.read_text())
    seen: dict[type[Model], None] = {}
    for resource in RECORDED:
        _models(resource.model, seen)
    for model in seen:
        package = model.__module__.split(".")[2]
        group, version = package.rsplit("_", 1)
        prefix = (
            "k8s.io.apimachinery.pkg.apis.meta.v1"
            if group == "meta"
            else f"k8s.io.api.{group}.{version}"
        )
        fields = upstream[f"{prefix}.{model.__name__}"]
        last = 0
        for name, info in model.model_fields.items():
            extra = info.json_schema_extra
            said = extra["traits"].number if isinstance(extra, dict) else ""
            number = said or str(last + 1)
            wire = info.alias or wire_name(name)
            if "." in number:
                *outer, inner = number.split(".")
                found = fields
                for one in outer:
                    place = next(t for n, t in found.values() if n == int(one)).lstrip(".")
                    found = upstream.get(place) or upstream[f"{prefix}.{place}"]
                assert found[wire][0] == int(inner), (model, name)
            else:
                known = {key.lower(): value for key, value in fields.items()}
                assert known[wire.lower()][0] == int(number), (model, name)
            last = int(number.split(".")[-1])
