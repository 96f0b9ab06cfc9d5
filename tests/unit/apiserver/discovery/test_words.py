"""Descriptions: every line is about something, every kind has one, and they reach the document."""

from __future__ import annotations

from fnmatch import fnmatchcase
from importlib.resources import files

import pytest

from apiserver.discovery.openapi import document
from apiserver.discovery.words import Words, parse
from wherry.api.model import Model
from wherry.api.scheme import RESOURCES
from wherry.api.shape import Shape, shape_of

WORDS_MAX = 12
PACKAGES = sorted({one.model.__module__.split(".")[2] for one in RESOURCES} | {"meta_v1"})


def shapes() -> dict[type[Model], Shape]:
    """Every type that some document shows."""
    from apiserver.discovery.openapi import _SUBRESOURCE_MODELS, DeleteOptions

    found: dict[type[Model], Shape] = {}
    models = [one.model for one in RESOURCES]
    waiting = [shape_of(model) for model in (*models, *_SUBRESOURCE_MODELS, DeleteOptions)]
    while waiting:
        shape = waiting.pop()
        if shape.model in found:
            continue
        found[shape.model] = shape
        for field in shape.fields.values():
            children = (field.child, field.element.child if field.element else None)
            waiting += [child for child in children if child is not None]
    return found


SHAPES = shapes()


@pytest.mark.parametrize("package", PACKAGES)
def test_every_line_is_about_something(package: str) -> None:
    known = {
        model.__name__: shape
        for model, shape in SHAPES.items()
        if package in ("meta_v1", model.__module__.split(".")[2])
    }
    for name, words in parse((files(f"wherry.api.{package}") / "words.txt").read_text()).items():
        about = [shape for other, shape in known.items() if fnmatchcase(other, name)]
        assert about, name
        assert not words.base or words.base in known, name
        assert len(words.words.split()) <= WORDS_MAX, name
        for field, line in words.fields.items():
            assert any(field in shape.fields for shape in about), (name, field)
            assert 0 < len(line.split()) <= WORDS_MAX, (name, field)
            assert line.endswith("."), (name, field)


def test_most_fields_have_words() -> None:
    words = Words()
    assert not [one.kind for one in RESOURCES if not words.of(one.model)]
    said = [
        bool(words.of_field(model, wire))
        for model, shape in SHAPES.items()
        for wire in shape.fields
    ]
    assert sum(said) / len(said) > 0.85


def test_words_reach_the_document() -> None:
    pods = [one for one in RESOURCES if one.plural == "pods" and not one.group]
    schemas = document(pods, RESOURCES, "v1")["components"]["schemas"]
    assert schemas["io.k8s.api.core.v1.Pod"]["description"].startswith("Containers that run")
    copied = schemas["io.k8s.api.core.v1.EphemeralContainer"]["properties"]["image"]
    assert copied["description"] == "Image it is made from."
    common = schemas["io.k8s.api.core.v1.PodCondition"]["properties"]["reason"]
    assert common["description"] == "Why, as one word for programs."


def test_a_line_without_a_colon() -> None:
    with pytest.raises(ValueError, match="line 2"):
        parse("Widget: A thing.\n  size\n")
