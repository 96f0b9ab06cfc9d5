"""Bodies: what is parsed, what is refused and where the refusal points."""

from __future__ import annotations

import orjson
import pytest

from apiserver.codec.body import NotedDict, Unparsable, parse_body, summarize
from wherry.api.errors import ApiError


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("", b'{"a": {"b": [1, "x", true, null]}}'),
        ("application/json", b'{"a": {"b": [1, "x", true, null]}}'),
        ("application/json; charset=utf-8", b'{"a": {"b": [1, "x", true, null]}}'),
        ("application/yaml", b"a:\n  b: [1, x, true, null]\n"),
        ("application/yaml", b"a: {b: [1, x, yes, ~]}"),
    ],
)
def test_reads_json_and_yaml(content_type: str, body: bytes) -> None:
    assert parse_body(body, content_type).tree == {"a": {"b": [1, "x", True, None]}}


@pytest.mark.parametrize(
    ("content_type", "body", "words"),
    [
        ("application/json", b"", "unexpected end of JSON input"),
        ("application/json", b'{\n "a": 1,\n "b" 2}', "line 3, column 6"),
        ("application/json", b'{"a": "\xff"}', "line 1, column 8: invalid UTF-8"),
        ("application/json", b"[1]", "cannot unmarshal array"),
        ("application/json", b'{"a":' + b"[" * 300 + b"]" * 300 + b"}", "nested deeper"),
        ("application/json", b'{"a":' + b"[" * 5000, "line 1"),
        ("application/yaml", b"a: 1\nb: [1\nc: 2", "line 3, column 2"),
        ("application/yaml", b"a: 1\n\tb: 2", "line 2, column 1"),
        ("application/yaml", b"- 1", "cannot unmarshal array"),
        ("application/yaml", b"a: 1\n---\nb: 2", "expected a single document"),
        ("application/yaml", b"a: !!python/object:x {}", "could not determine a constructor"),
        ("application/yaml", b"a: &a [*a]", "nested deeper"),
    ],
    ids=str,
)
def test_refuses_with_a_place(content_type: str, body: bytes, words: str) -> None:
    with pytest.raises(Unparsable, match=words.replace("[", r"\[")):
        parse_body(body, content_type)


def test_bounds_what_aliases_can_grow_to() -> None:
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    for level in range(1, 9):
        inner = ",".join([f"*a{level - 1}"] * 10)
        lines.append(f"a{level}: &a{level} [{inner}]")
    with pytest.raises(Unparsable, match="excessive aliasing"):
        parse_body("\n".join(lines).encode(), "application/yaml")


def test_refuses_other_content_types() -> None:
    with pytest.raises(ApiError) as refused:
        parse_body(b"{}", "text/plain")
    assert refused.value.code == 415
    assert refused.value.reason == "UnsupportedMediaType"


def test_yaml_reads_as_json_would() -> None:
    text = b"on: 2020-01-02\n3: yes\nx: &x {k: v}\ny: *x\nz: {<<: *x, l: m}\n"
    tree = parse_body(text, "application/yaml").tree
    assert tree == {
        "true": "2020-01-02",
        "3": True,
        "x": {"k": "v"},
        "y": {"k": "v"},
        "z": {"k": "v", "l": "m"},
    }


def test_notices_keys_written_twice_in_json() -> None:
    parsed = parse_body(b'{"a": 1, "b": {"c": 1, "c": 2}, "a": 3}', "")
    assert parsed.repeated
    assert isinstance(parsed.tree, NotedDict)
    assert parsed.tree.repeated == {"a"}
    assert parsed.tree["b"].repeated == {"c"}


@pytest.mark.parametrize(
    "body",
    [b'{"a": "x\\":"}', b'{"a" : 1, "b":2}', b'{"a": "\\u0022:"}', b'{"a": "\\":", "b": "\\":"}'],
)
def test_what_looks_like_a_key_twice_is_none(body: bytes) -> None:
    assert not parse_body(body, "").repeated


def test_notices_keys_written_twice_in_yaml() -> None:
    assert parse_body(b"a: 1\nb: 2\na: 3\n", "application/yaml").notes == (
        'line 3: key "a" already set in map',
    )


def test_quotes_the_start_of_a_body() -> None:
    assert summarize(b"") == "<empty>"
    assert summarize(b'{"a": 1}') == '{"a": 1}'
    assert summarize(b"ab") == "6162"
    assert summarize(b"{" + b"x" * 50) == "{" + "x" * 29 + " ..."


@pytest.mark.parametrize("opening", [b"[", b"{a: ", b"- "], ids=["flow list", "flow map", "block"])
def test_deep_yaml_is_refused_before_it_is_composed(opening: bytes) -> None:
    with pytest.raises(Unparsable, match="nested deeper"):
        parse_body(opening * 100_000, "application/yaml")


def test_yaml_of_too_many_values_is_refused_early() -> None:
    with pytest.raises(Unparsable, match="more than 100000 values"):
        parse_body(b"- 1\n" * 500_000, "application/yaml")


def test_a_document_of_too_many_parts_is_too_large() -> None:
    with pytest.raises(ApiError) as refused:
        parse_body(b'{"a":[' + b"{}," * 200_000 + b"{}]}", "application/json")
    assert refused.value.code == 413
    text = b'{"a":"' + b"{[" * 100_000 + b'"}'  # these are only characters
    assert parse_body(text, "application/json").tree


def test_many_repeated_keys_are_found_in_time() -> None:
    keys = b",".join(b'"k%d":1' % (number % 100_000) for number in range(200_000))
    parsed = parse_body(b'{"a":{' + keys + b"}}", "application/json")
    assert len(parsed.tree["a"].repeated) == 100_000


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        pytest.param("application/json", b'{"a": 1180591620717411303424}', id="JSON"),
        pytest.param("application/json", b'{"a": 1, "a": 1180591620717411303424}', id="twice"),
        pytest.param("application/yaml", b"a: 1180591620717411303424", id="YAML"),
    ],
)
def test_numbers_beyond_64_bits_can_be_written_again(content_type: str, body: bytes) -> None:
    tree = parse_body(body, content_type).tree
    assert orjson.loads(orjson.dumps(tree)) == {"a": float(2**70)}
