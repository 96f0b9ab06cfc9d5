"""Request bodies: from bytes and a Content-Type to a decoded-JSON tree.

JSON by orjson; YAML by libyaml, read as Go's sigs.k8s.io/yaml does (timestamps stay text, keys become
text). What cannot be parsed is refused with line and column. Keys written twice are found by a cheap
test first: a tree that lost a key writes fewer `":` than the body has.

Not here: what the fields mean (`decode.py`). Protobuf bodies are not accepted.
Upstream: k8s.io/apimachinery/pkg/runtime/serializer/json.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Hashable
from typing import Any, Final, NamedTuple

import orjson
import yaml

from wherry.api.errors import ApiError, status_error

JSON: Final = "application/json"
YAML: Final = "application/yaml"
PROTOBUF: Final = "application/vnd.kubernetes.protobuf"  # read by `protobuf.py`
_YAML_TYPES: Final = frozenset({YAML, "application/x-yaml", "text/yaml"})

# A document nested deeper than this is refused; orjson itself writes no deeper.
DEPTH_MAX: Final = 250
# A YAML document may grow by its aliases to this many values.
YAML_NODES_MAX: Final = 100_000
# A JSON document may hold this many objects and lists; an Endpoints of etcd's size has 20,000.
CONTAINERS_MAX: Final = 100_000
# How much of a body that is no object is quoted back.
_QUOTED_MAX: Final = 30

Tree = dict[str, Any]


class NotedDict(dict[str, Any]):
    """A JSON object that remembers which of its keys were written more than once."""

    repeated: frozenset[str] = frozenset()


class Body(NamedTuple):
    """A parsed body. Only when keys were repeated, objects inside are `NotedDict`s.

    repeated: whether some JSON object has a key twice
    notes:    what the YAML reader itself has to say about repeated keys
    """

    tree: Tree
    repeated: bool = False
    notes: tuple[str, ...] = ()


class Unparsable(ValueError):
    """The body is no document of its content type; the text says where and why."""


def media_type(content_type: str) -> str:
    """The bare media type a Content-Type header names; JSON when there is none."""
    return content_type.partition(";")[0].strip().lower() or JSON


def unsupported_media_type(*accepted: str) -> ApiError:
    """415 as upstream words it."""
    return status_error(
        "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: "
        + ", ".join(accepted),
    )


def parse_body(body: bytes, content_type: str) -> Body:
    """The tree in a body. Raises Unparsable, or ApiError 415 for a content type we don't read."""
    kind = media_type(content_type)
    if kind == JSON:
        return parse_json(body)
    if kind in _YAML_TYPES:
        return parse_yaml(body)
    raise unsupported_media_type(JSON, YAML, PROTOBUF)


def parse_json(body: bytes) -> Body:
    """Parse JSON; Unparsable names line and column."""
    if not body.strip():
        raise Unparsable("unexpected end of JSON input")
    try:
        tree = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Unparsable(_json_complaint(body, error)) from error
    _require_object(tree)
    if body.count(b"{") + body.count(b"[") > CONTAINERS_MAX and _containers(tree) > CONTAINERS_MAX:
        message = f"Request entity too large: more than {CONTAINERS_MAX} objects and lists"
        raise status_error("RequestEntityTooLarge", message)
    try:
        written = orjson.dumps(tree)
    except (TypeError, ValueError) as error:
        raise Unparsable(f"the document is nested deeper than {DEPTH_MAX} levels") from error
    if written.count(b'":') == body.count(b'":'):
        return Body(tree)
    return _parse_noting(body, tree)


def _containers(tree: Any) -> int:
    """How many objects and lists a tree is made of."""
    count, waiting = 0, [tree]
    while waiting:
        one = waiting.pop()
        count += 1
        items = one.values() if isinstance(one, dict) else one
        waiting += [item for item in items if isinstance(item, dict | list)]
    return count


def _parse_noting(body: bytes, tree: Tree) -> Body:
    """The slow pass: parse again and note repeated keys, if there really are any."""
    found = False

    def note(pairs: list[tuple[str, Any]]) -> NotedDict:
        nonlocal found
        noted = NotedDict(pairs)
        if len(noted) != len(pairs):
            found = True
            counts = Counter(key for key, _ in pairs)
            noted.repeated = frozenset(key for key in noted if counts[key] > 1)
        return noted

    again = json.loads(body, object_pairs_hook=note, parse_int=lambda text: _whole(int(text)))
    return Body(again, repeated=True) if found else Body(tree)


def _whole(number: int) -> int | float:
    """A number that can be written again: beyond 64 bits it is a float, as in Go. Unparsable."""
    if -(2**63) <= number < 2**64:
        return number
    try:
        return float(number)
    except OverflowError as error:
        raise Unparsable("number out of range") from error


def _json_complaint(body: bytes, error: orjson.JSONDecodeError) -> str:
    try:
        body.decode()
    except UnicodeDecodeError as bad:
        line, column = _place(body, bad.start)
        return f"line {line}, column {column}: invalid UTF-8"
    return f"line {error.lineno}, column {error.colno}: {error.msg}"


def _place(body: bytes, offset: int) -> tuple[int, int]:
    before = body[:offset]
    return before.count(b"\n") + 1, offset - (before.rfind(b"\n") + 1) + 1


def _require_object(tree: Any) -> None:
    if not isinstance(tree, dict):
        raise Unparsable(f"json: cannot unmarshal {go_kind(tree)} into Go value of type object")


def go_kind(value: Any) -> str:
    """What Go's decoder calls a JSON value."""
    if isinstance(value, dict):
        return "object"
    if isinstance(value, list):
        return "array"
    if isinstance(value, str):
        return "string"
    if isinstance(value, bool):
        return "bool"
    return "null" if value is None else "number"


def summarize(body: bytes) -> str:
    """The start of a body for an error text: readable when it is an object, else in hexadecimal."""
    if not body:
        return "<empty>"
    head = body[:_QUOTED_MAX]
    text = head.decode(errors="replace") if body[:1] == b"{" else head.hex()
    return f"{text} ..." if len(body) > _QUOTED_MAX else text


class _Loader(yaml.CSafeLoader):
    """SafeLoader that leaves dates as text and notes repeated keys in `repeated`."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, stream: bytes) -> None:
        super().__init__(stream)
        self.repeated: list[str] = []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value == "<<":
                continue
            if key.value in seen:
                line = key.start_mark.line + 1
                self.repeated.append(f'line {line}: key "{key.value}" already set in map')
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def parse_yaml(body: bytes) -> Body:
    """Parse one YAML document; Unparsable names line and column."""
    loader = None
    try:
        _check_events(body)
        loader = _Loader(body)
        loaded = loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        raise Unparsable(_yaml_complaint(error)) from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise Unparsable(f"yaml: {error}") from error
    except RecursionError as error:
        raise Unparsable(f"the document is nested deeper than {DEPTH_MAX} levels") from error
    finally:
        if loader is not None:
            loader.dispose()
    tree = _Expander().expand(loaded, 0)
    _require_object(tree)
    return Body(tree, notes=tuple(loader.repeated))


def _check_events(body: bytes) -> None:
    """Refuse deep nesting and too much of everything while it is still a flat row of events.

    libyaml's composer calls itself for each level, in C: some 10,000 levels end the whole process.
    """
    depth = 0
    for count, event in enumerate(yaml.parse(body, Loader=yaml.CSafeLoader)):
        if count > YAML_NODES_MAX:
            raise Unparsable(f"yaml: the document has more than {YAML_NODES_MAX} values")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEPTH_MAX:
                raise Unparsable(f"the document is nested deeper than {DEPTH_MAX} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _yaml_complaint(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    said = ", ".join(part for part in (error.context, error.problem) if part)
    return f"yaml: {where}{said}"


class _Expander:
    """Turns loaded YAML into a JSON tree: text keys, no shared parts, bounded in size and depth."""

    def __init__(self) -> None:
        self.left = YAML_NODES_MAX

    def expand(self, value: Any, depth: int) -> Any:
        self.left -= 1
        if self.left < 0:
            raise Unparsable("yaml: document contains excessive aliasing")
        if depth > DEPTH_MAX:
            raise Unparsable(f"the document is nested deeper than {DEPTH_MAX} levels")
        if isinstance(value, dict):
            return {_key(key): self.expand(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | set | tuple):
            return [self.expand(item, depth + 1) for item in value]
        if isinstance(value, bytes):
            return value.decode(errors="replace")
        return _whole(value) if isinstance(value, int) else value


def _key(key: Any) -> str:
    """A mapping key as sigs.k8s.io/yaml writes it in JSON."""
    if isinstance(key, str):
        return key
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, int | float):
        return str(key)
    raise Unparsable(f"yaml: unsupported map key of type {type(key).__name__}")
