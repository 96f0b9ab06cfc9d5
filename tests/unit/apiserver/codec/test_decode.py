"""Decoding: canonical trees, warnings, and refusals in the words of Go's decoder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from apiserver.codec.decode import IGNORE, STRICT, WARN, decode, decode_tree
from apiserver.codec.explain import bad_time, illegal_base64_at
from apiserver.codec.go_names import element_type, field_type, path_element
from tests.unit.recorded import RECORDED
from wherry.api.apps_v1 import ControllerRevision, Deployment
from wherry.api.core_v1 import ConfigMap, Event, Pod, Secret, Service
from wherry.api.discovery_v1 import EndpointSlice
from wherry.api.errors import ApiError
from wherry.api.model import TypedModel
from wherry.api.shape import Shape, shape_of

FACTS = Path(__file__).parents[4].parent / "shared" / "upstream" / "fields.json"


# Types with a JSON form of their own: their texts are checked, not their Go names.
WRITTEN_BY_THEMSELVES = {
    "Time", "MicroTime", "Quantity", "IntOrString", "RawExtension", "FieldsV1",
}  # fmt: skip


def tree_of(model: type[TypedModel], tree: dict[str, Any]) -> dict[str, Any]:
    return decode(model, json.dumps(tree).encode()).tree


def refusal(model: type[TypedModel], tree: Any, validation: str = WARN) -> str:
    with pytest.raises(ApiError) as refused:
        decode(model, json.dumps(tree).encode(), field_validation=validation)
    assert refused.value.code == 400
    return refused.value.message


CONTAINER = {"name": "c", "image": "b"}


class TestCanonicalTree:
    def test_says_what_it_is_first(self) -> None:
        tree = tree_of(ConfigMap, {"data": {"a": "b"}, "metadata": {"name": "x"}})
        assert list(tree) == ["kind", "apiVersion", "metadata", "data"]
        assert tree["kind"] == "ConfigMap"

    @pytest.mark.parametrize(
        ("given", "spec"),
        [
            ({}, {"containers": None}),
            ({"containers": []}, {"containers": None}),
            ({"containers": [CONTAINER]}, {"containers": [{**CONTAINER, "resources": {}}]}),
            ({"hostNetwork": False, "nodeName": "", "tolerations": []}, {"containers": None}),
            ({"nodeSelector": {}, "volumes": None}, {"containers": None}),
            (
                {"automountServiceAccountToken": False, "terminationGracePeriodSeconds": 0},
                {
                    "containers": None,
                    "terminationGracePeriodSeconds": 0,
                    "automountServiceAccountToken": False,
                },
            ),
            ({"securityContext": {}}, {"containers": None, "securityContext": {}}),
            (
                {"volumes": [{"emptyDir": {}, "name": "v"}]},
                {"volumes": [{"name": "v", "emptyDir": {}}], "containers": None},
            ),
        ],
        ids=str,
    )
    def test_writes_zero_as_go_does(self, given: dict[str, Any], spec: dict[str, Any]) -> None:
        found = tree_of(Pod, {"spec": given})["spec"]
        assert found == spec
        assert list(found) == list(spec)

    def test_always_present_structs(self) -> None:
        assert tree_of(Pod, {}) == {
            "kind": "Pod",
            "apiVersion": "v1",
            "metadata": {},
            "spec": {"containers": None},
            "status": {},
        }
        assert tree_of(Deployment, {})["spec"]["strategy"] == {}

    def test_null_is_zero(self) -> None:
        tree = tree_of(Pod, {"metadata": None, "spec": {"containers": [None]}})
        assert tree["metadata"] == {}
        assert tree["spec"]["containers"] == [{"name": "", "resources": {}}]
        assert tree_of(ConfigMap, {"data": {"a": None}})["data"] == {"a": ""}

    def test_quantities_times_and_bytes(self) -> None:
        limits = {"cpu": 0.5, "memory": "1024Ki", "x/y": 3, "ephemeral-storage": None}
        container = {**CONTAINER, "resources": {"limits": limits}}
        tree = tree_of(Pod, {"spec": {"containers": [container]}})
        assert tree["spec"]["containers"][0]["resources"]["limits"] == {
            "cpu": "500m", "memory": "1Mi", "x/y": "3", "ephemeral-storage": "0",
        }  # fmt: skip
        event = tree_of(Event, {"eventTime": "2026-01-02T03:04:05+01:00", "involvedObject": {}})
        assert event["eventTime"] == "2026-01-02T02:04:05.000000Z"
        assert event["firstTimestamp"] is None
        assert tree_of(Secret, {"data": {"a": "aG\nk="}})["data"] == {"a": "aGk="}

    def test_maps_are_sorted_and_equal_texts_stay_equal(self) -> None:
        labels = {"b": "2", "a": "1"}
        found = tree_of(Pod, {"metadata": {"labels": labels}})["metadata"]["labels"]
        assert list(found) == ["a", "b"]

    def test_raw_objects_are_left_alone(self) -> None:
        data = {"z": [1, {"y": None}], "a": 1.5}
        assert tree_of(ControllerRevision, {"data": data})["data"] == data

    def test_decoding_again_changes_nothing(self) -> None:
        given = {"spec": {"containers": [{**CONTAINER, "ports": [{"containerPort": 80}]}]}}
        once = decode(Pod, json.dumps(given).encode()).tree
        assert decode_tree(Pod, once).tree == once


class TestTypes:
    @pytest.mark.parametrize(
        ("model", "tree", "words"),
        [
            (Pod, {"spec": "x"}, "string into Go struct field Pod.spec of type v1.PodSpec"),
            (Pod, {"metadata": {"labels": "x"}}, "string into Go struct field ObjectMeta.metadata.labels of type map[string]string"),
            (Pod, {"metadata": {"labels": {"a": 1}}}, "number into Go struct field ObjectMeta.metadata.labels of type string"),
            (Pod, {"spec": {"containers": {}}}, "object into Go struct field PodSpec.spec.containers of type []v1.Container"),
            (Pod, {"spec": {"containers": ["x"]}}, "string into Go struct field PodSpec.spec.containers of type v1.Container"),
            (Pod, {"spec": {"dnsPolicy": 1}}, "number into Go struct field PodSpec.spec.dnsPolicy of type v1.DNSPolicy"),
            (Pod, {"spec": {"hostNetwork": "no"}}, "string into Go struct field PodSpec.spec.hostNetwork of type bool"),
            (Pod, {"spec": {"priority": 2**31}}, "number 2147483648 into Go struct field PodSpec.spec.priority of type int32"),
            (Pod, {"spec": {"priority": 1.5}}, "number 1.5 into Go struct field PodSpec.spec.priority of type int32"),
            (Pod, {"spec": {"priority": True}}, "bool into Go struct field PodSpec.spec.priority of type int32"),
            (Pod, {"spec": {"volumes": [{"name": "v", "emptyDir": "x"}]}}, "string into Go struct field Volume.spec.volumes.VolumeSource.emptyDir of type v1.EmptyDirVolumeSource"),
            (Pod, {"spec": {"containers": [{"command": "x"}]}}, "string into Go struct field Container.spec.containers.command of type []string"),
            (Service, {"spec": {"ports": [{"targetPort": {}}]}}, "object into Go struct field ServicePort.spec.ports.targetPort of type int32"),
            (EndpointSlice, {"addressType": []}, "array into Go struct field EndpointSlice.addressType of type v1.AddressType"),
            (ConfigMap, {"binaryData": {"a": {}}}, "object into Go struct field ConfigMap.binaryData of type []uint8"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )  # fmt: skip
    def test_are_checked(self, model: type[TypedModel], tree: dict[str, Any], words: str) -> None:
        kind = model.GVK.kind
        head = f'{kind} in version "v1" cannot be handled as a {kind}: json: cannot unmarshal '
        assert refusal(model, tree) == head + words

    @pytest.mark.parametrize(
        ("model", "tree", "words"),
        [
            (Pod, {"spec": {"overhead": {"cpu": "x"}}}, "quantities must match the regular expression"),
            (Pod, {"spec": {"overhead": {"cpu": {}}}}, "quantities must match the regular expression"),
            (Secret, {"data": {"a": "%%%"}}, "illegal base64 data at input byte 0"),
            (Event, {"eventTime": "x"}, 'parsing time "x" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "x" as "2006"'),
        ],
        ids=["quantity", "no quantity", "base64", "time"],
    )  # fmt: skip
    def test_so_are_texts_with_a_form(
        self, model: type[TypedModel], tree: dict[str, Any], words: str
    ) -> None:
        assert words in refusal(model, tree)

    def test_the_first_wrong_value_in_the_body_is_named(self) -> None:
        assert "spec.nodeName" in refusal(Pod, {"spec": {"nodeName": 1, "hostname": 2}})
        assert "spec.hostname" in refusal(Pod, {"spec": {"hostname": 2, "nodeName": 1}})


class TestStrictness:
    TREE = {"metadata": {"nope2": 2}, "spec": {"containers": [{"name": "c", "imge": 1}]}, "nope": 1}
    WORDS = [
        'unknown field "metadata.nope2"',
        'unknown field "spec.containers[0].imge"',
        'unknown field "nope"',
    ]

    def test_warns(self) -> None:
        decoded = decode(Pod, json.dumps(self.TREE).encode())
        assert decoded.warnings == self.WORDS
        assert "nope" not in decoded.tree

    def test_ignores(self) -> None:
        assert decode(Pod, json.dumps(self.TREE).encode(), field_validation=IGNORE).warnings == []

    def test_refuses(self) -> None:
        words = "strict decoding error: " + ", ".join(self.WORDS)
        assert refusal(Pod, self.TREE, STRICT).endswith(words)

    def test_repeated_fields(self) -> None:
        body = b'{"kind":"Pod","apiVersion":"v1","metadata":{"labels":{"a":"1","a":"2"}},"spec":{"hostname":"a","hostname":"b"}}'
        decoded = decode(Pod, body)
        assert decoded.warnings == [
            'duplicate field "metadata.labels.a"',
            'duplicate field "spec.hostname"',
        ]
        assert decoded.tree["spec"]["hostname"] == "b"


class TestHead:
    @pytest.mark.parametrize(
        ("head", "words"),
        [
            (
                {"kind": "Nope", "apiVersion": "v1"},
                'Nope in version "v1" cannot be handled as a Pod: no kind "Nope" is registered for version "v1" in scheme "pkg/api/legacyscheme/scheme.go:30"',
            ),
            (
                {"apiVersion": "apps/v9"},
                'Pod in version "v9" cannot be handled as a Pod: no kind "Pod" is registered for version "apps/v9" in scheme "pkg/api/legacyscheme/scheme.go:30"',
            ),
            (
                {"kind": "Deployment", "apiVersion": "apps/v1"},
                'Deployment in version "v1" cannot be handled as a Pod: converting (v1.Deployment) to (core.Pod): unknown conversion',
            ),
            (
                {"kind": 1},
                'the object provided is unrecognized (must be of type Pod): couldn\'t get version/kind; json parse error: json: cannot unmarshal number into Go struct field .kind of type string ({"kind": 1})',
            ),
            (
                {"apiVersion": "a/b/c"},
                'the object provided is unrecognized (must be of type Pod): unexpected GroupVersion string: a/b/c ({"apiVersion": "a/b/c"})',
            ),
        ],
        ids=["kind", "version", "other kind", "no text", "no version"],
    )
    def test_must_be_what_the_path_wants(self, head: dict[str, Any], words: str) -> None:
        assert refusal(Pod, head) == words

    @pytest.mark.parametrize("head", [{}, {"kind": "", "apiVersion": ""}, {"kind": "Pod"}])
    def test_silence_is_consent(self, head: dict[str, Any]) -> None:
        assert tree_of(Pod, head)["kind"] == "Pod"

    def test_unparsable(self) -> None:
        with pytest.raises(ApiError) as refused:
            decode(Pod, b"{'a'}")
        assert "must be of type Pod" in refused.value.message
        assert "line 1, column 2" in refused.value.message


@pytest.mark.parametrize(
    ("text", "offset"),
    [("%", 0), ("ab%c", 2), ("abc", 0), ("abcde", 4), ("YQ=a", 3), ("Y===", 1), ("a\n%", 2)],
)
def test_where_base64_goes_wrong(text: str, offset: int) -> None:
    assert illegal_base64_at(text) == offset


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2026", 'cannot parse "" as "-"'),
        ("2026-13-01T00:00:00Z", 'cannot parse "13-01T00:00:00Z" as "01"'),
        ("2026-01-01T00:00:00", 'cannot parse "" as "Z07:00"'),
        ("2026-01-01T00:00:00Zx", 'extra text: "x"'),
        ("2026-02-31T00:00:00Z", "day out of range"),
    ],
)
def test_where_a_time_goes_wrong(text: str, words: str) -> None:
    assert words in bad_time(text, "time")


def _shapes() -> list[Shape]:
    found: dict[Shape, None] = {}

    def walk(shape: Shape) -> None:
        if shape not in found:
            found[shape] = None
            for field in shape.fields.values():
                if field.child is not None:
                    walk(field.child)

    for resource in RECORDED:
        walk(shape_of(resource.model))
    return list(found)


@pytest.mark.skipif(not FACTS.exists(), reason="no recorded facts beside the project")
def test_go_names_are_those_of_upstream() -> None:
    """Every field's Go type, and every embedded struct, as the facts have them."""
    facts = {
        name: one["fields"]
        for name, one in json.loads(FACTS.read_text()).items()
        if name.startswith(("io.k8s.api.", "io.k8s.apimachinery."))
    }
    wrong = []
    for shape in _shapes():
        group, _, version = shape.model.__module__.split(".")[2].rpartition("_")
        known = facts.get(f"io.k8s.api.{group}.{version}.{shape.name}") or facts.get(
            f"io.k8s.apimachinery.pkg.apis.meta.v1.{shape.name}", {}
        )
        for wire, field in shape.fields.items():
            go = known.get(wire, {}).get("go")
            if wire in ("kind", "apiVersion", "metadata"):
                continue
            if (go is None) != ("." in path_element(shape, wire)):
                wrong.append((shape.name, wire, "embedded", go))
            if go is None or field.kind == "struct" or field.child is not None:
                continue
            got = field_type(shape, field)
            if field.element is not None and not got.endswith("ResourceList"):
                got = element_type(shape, field, field.element)
                go = go.removeprefix("[]") if field.kind == "list" else go.partition("]")[2]
            simple = go.rpartition(".")[2]
            if simple[:1].isupper() and simple not in WRITTEN_BY_THEMSELVES:
                if got.rpartition(".")[2] == simple:
                    continue
                wrong.append((shape.name, wire, got, go))
    assert not wrong
