"""Every model against the recorded facts of upstream's types: names, types and how they are written.

The facts stand beside the project (`../shared/upstream`) and are not part of it; without them the
tests are skipped.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.recorded import RECORDED
from wherry.api.model import NO_TRAITS, Model, TypedModel
from wherry.api.shape import FieldShape, Shape, shape_of

FACTS = Path(__file__).parents[4].parent / "shared" / "upstream" / "fields.json"
pytestmark = pytest.mark.skipif(not FACTS.exists(), reason="no recorded facts beside the project")

PACKAGES = {
    **{
        f"{group}_{version}": f"io.k8s.api.{group}.{version}"
        for group, version in (
            ("admissionregistration", "v1"), ("apps", "v1"), ("authentication", "v1"),
            ("authorization", "v1"), ("autoscaling", "v1"), ("autoscaling", "v2"), ("batch", "v1"),
            ("certificates", "v1"), ("coordination", "v1"), ("core", "v1"), ("discovery", "v1"),
            ("events", "v1"), ("flowcontrol", "v1"), ("networking", "v1"), ("node", "v1"),
            ("policy", "v1"), ("rbac", "v1"), ("resource", "v1"), ("scheduling", "v1"),
            ("storage", "v1"),
        )
    },
    "meta_v1": "io.k8s.apimachinery.pkg.apis.meta.v1",
}  # fmt: skip
SPECIAL = {
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "time",
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "micro-time",
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "int-or-string",
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": "object",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "object",
    "integer:int32": "int32",
    "integer:int64": "int64",
    "number:double": "number",
    "string:byte": "byte",
}
# Structs whose zero value Go's encoder writes in its own way; a model's pointer stands for absence.
WRITTEN_AS_NULL = ("time", "micro-time", "object")


def models() -> list[type[Model]]:
    """Every model that a served kind is made of."""
    found: dict[type[Model], None] = {}

    def walk(shape: Shape) -> None:
        if shape.model in found:
            return
        found[shape.model] = None
        for field in shape.fields.values():
            if field.child is not None:
                walk(field.child)

    for resource in RECORDED:
        walk(shape_of(resource.model))
        for sub in resource.subresources:
            module = importlib.import_module(f"wherry.api.{_package(sub.kind)}")
            if not sub.kind.kind.endswith("Options"):  # options come in the query
                walk(shape_of(getattr(module, sub.kind.kind)))
    return sorted(found, key=lambda model: f"{model.__module__}.{model.__name__}")


def _package(kind: Any) -> str:
    group = kind.group.partition(".")[0] or "core"
    return f"{group}_{kind.version}"


def type_text(field: FieldShape) -> str:
    """A field's type as the facts spell it, with short names of structs."""
    if field.kind == "scalar":
        return field.scalar
    if field.kind == "struct":
        assert field.child is not None
        return field.child.name
    assert field.element is not None
    inner = type_text(field.element)
    return f"[{inner}]" if field.kind == "list" else f"{{{inner}}}"


def wanted_type(text: str) -> str:
    if text[0] in "[{":
        return text[0] + wanted_type(text[1:-1]) + text[-1]
    return SPECIAL.get(text, text.rpartition(".")[2])


def is_bytes(go: str) -> bool:
    return go.endswith("[]byte")


MODELS = models()


@pytest.fixture(scope="module")
def facts() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FACTS.read_text())
    return found


def fields(
    model: type[Model], facts: dict[str, Any]
) -> Iterator[tuple[FieldShape, dict[str, Any]]]:
    package = model.__module__.split(".")[2]
    known = facts[f"{PACKAGES[package]}.{model.__name__}"]["fields"]
    for name, field in shape_of(model).fields.items():
        if not (issubclass(model, TypedModel) and name in ("kind", "apiVersion")):
            yield field, known[name]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
class TestModel:
    def test_has_the_fields_of_upstream(self, model: type[Model], facts: dict[str, Any]) -> None:
        package = model.__module__.split(".")[2]
        known = set(facts[f"{PACKAGES[package]}.{model.__name__}"]["fields"])
        if issubclass(model, TypedModel):
            known |= {"kind", "apiVersion"}
        assert set(shape_of(model).fields) == known

    def test_types_its_fields_as_upstream(self, model: type[Model], facts: dict[str, Any]) -> None:
        wrong = {}
        for field, known in fields(model, facts):
            got, want = type_text(field), wanted_type(known["type"])
            if is_bytes(known.get("go", "")):
                want = want.replace("string", "byte")
            if got != want:
                wrong[field.wire] = got, want
        assert not wrong

    def test_writes_empty_fields_as_go_does(
        self, model: type[Model], facts: dict[str, Any]
    ) -> None:
        wrong = {}
        for field, known in fields(model, facts):
            pointer, zero = bool(known.get("pointer")), known.get("zero", "")
            is_struct = known["type"].startswith("io.") and not pointer
            if is_struct and field.scalar in WRITTEN_AS_NULL:
                pointer, zero = True, zero or "kept"
            elif is_struct and field.kind == "scalar":
                zero = "kept"
            elif is_struct and zero == "kept":
                zero = field.traits.zero  # a struct is always written
            if "go" not in known and field.kind == "struct" and field.pointer:
                pointer = True  # a member of an inlined struct
            got = field.pointer, field.traits.zero
            if got != (pointer, zero) and "go" in known:
                wrong[field.wire] = got, (pointer, zero)
        assert not wrong

    def test_merges_its_lists_as_upstream(self, model: type[Model], facts: dict[str, Any]) -> None:
        wrong = {}
        for field, known in fields(model, facts):
            traits = field.traits
            strategy = known.get("patch-strategy", "")
            merge_key = known.get("patch-merge-key", "") if "merge" in strategy else None
            got = (
                traits.list_type, list(traits.keys), traits.merge_key, traits.map_type,
                traits.retain_keys,
            )  # fmt: skip
            want = (
                known.get("list-type", ""), known.get("list-map-keys", []), merge_key,
                known.get("map-type", ""), "retainKeys" in strategy,
            )  # fmt: skip
            if got != want:
                wrong[field.wire] = got, want
        assert not wrong

    def test_requires_and_enumerates_as_upstream(
        self, model: type[Model], facts: dict[str, Any]
    ) -> None:
        wrong = {}
        for field, known in fields(model, facts):
            traits = field.traits or NO_TRAITS
            got = traits.required, sorted(traits.enum)
            want = bool(known.get("required")), sorted(known.get("enum", []))
            if got != want:
                wrong[field.wire] = got, want
        assert not wrong


def test_inner_types_are_made_once_and_shared() -> None:
    class Leaf(Model):
        word: str = ""

    class Branch(Model):
        leaves: list[Leaf] = []
        by_name: dict[str, Leaf] = {}

    class Tree(Model):
        branch: Branch | None = None
        above: Tree | None = None

    assert not Leaf.__pydantic_complete__
    tree = Tree.from_wire({"branch": {"leaves": [{"word": "a"}]}, "above": {"branch": {}}})
    assert Leaf.__pydantic_complete__
    assert Branch.__pydantic_complete__
    assert tree.branch is not None
    assert tree.branch.leaves == [Leaf(word="a")]
    assert tree.above is not None
    assert tree.to_wire() == {
        "branch": {"leaves": [{"word": "a"}]},
        "above": {"branch": {}},
    }
