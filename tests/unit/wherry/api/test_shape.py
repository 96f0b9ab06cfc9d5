"""Shapes say what fields.json says; here only the forms a field can take."""

from __future__ import annotations

import pytest

from wherry.api.core_v1 import ConfigMap, Pod, Secret
from wherry.api.scheme import RESOURCES
from wherry.api.shape import FieldShape, Shape, shape_of


def field(path: str) -> FieldShape:
    shape: Shape | None = shape_of(Pod)
    found = None
    for name in path.split("."):
        assert shape is not None
        found = shape.fields[name]
        shape = found.child
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("path", "kind", "scalar", "pointer"),
    [
        ("kind", "scalar", "string", False),
        ("metadata", "struct", "", False),
        ("metadata.creationTimestamp", "scalar", "time", True),
        ("metadata.labels", "map", "", False),
        ("metadata.managedFields.fieldsV1", "scalar", "object", True),
        ("spec.containers", "list", "", False),
        ("spec.terminationGracePeriodSeconds", "scalar", "int64", True),
        ("spec.hostNetwork", "scalar", "boolean", False),
        ("spec.containers.ports.containerPort", "scalar", "int32", False),
        ("spec.containers.livenessProbe.httpGet.port", "scalar", "int-or-string", False),
        ("spec.securityContext", "struct", "", True),
    ],
)
def test_a_field_is_what_its_annotation_says(
    path: str, kind: str, scalar: str, pointer: bool
) -> None:
    found = field(path)
    assert (found.kind, found.scalar, found.pointer) == (kind, scalar, pointer)
    assert found.wire == path.rpartition(".")[2]


def test_elements_know_their_scalar() -> None:
    limits = field("spec.containers.resources.limits").element
    assert limits is not None
    assert limits.scalar == "quantity"
    data = shape_of(Secret).fields["data"].element
    assert data is not None
    assert data.scalar == "byte"
    text = shape_of(ConfigMap).fields["data"].element
    assert text is not None
    assert text.scalar == "string"


def test_traits_travel() -> None:
    ports = field("spec.containers.ports")
    assert ports.traits.keys == ("containerPort", "protocol")
    assert ports.traits.merge_key == "containerPort"
    assert ports.python == "ports"
    assert field("spec.nodeName").python == "node_name"


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda r: r.plural)
def test_every_kind_has_a_shape(resource) -> None:
    seen: set[Shape] = set()

    def walk(shape: Shape) -> None:
        if shape not in seen:
            seen.add(shape)
            for one in shape.fields.values():
                if one.child is not None:
                    walk(one.child)

    walk(shape_of(resource.model))
    assert list(shape_of(resource.model).fields)[:2] == ["kind", "apiVersion"]


def test_it_is_derived_once() -> None:
    assert shape_of(Pod) is shape_of(Pod)
