"""JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7386) on decoded JSON trees.

Nothing that goes in is changed, and what comes out shares no container with it: callers go on to
default and prune the result while the original may be everybody's cached object.

JSON Patch is written out here rather than taken from a library because its refusals are part of the
wire, and because upstream's dialect (evanphx/json-patch v4) counts negative indices from the end.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NoReturn

from wherry.api.numerals import whole

Tree = dict[str, Any]

MAX_OPERATIONS: Final = 10_000  # of one JSON Patch; upstream's limit
MAX_COPIED_BYTES: Final = 3 * 1024 * 1024  # by all of its copies, about; copies of copies double


class PatchError(ValueError):
    """The patch is malformed or does not fit the object."""


class MalformedPatch(PatchError):
    """A directive of the patch has not the form that it must have."""


def go_value(value: Any) -> str:
    """A JSON value as Go's fmt prints it with %+v."""
    if isinstance(value, Mapping):
        return "map[" + " ".join(f"{key}:{go_value(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(go_value, value)) + "]"
    if isinstance(value, str):
        return value
    return "<nil>" if value is None else json.dumps(value)


def copy_tree(value: Any) -> Any:
    """A deep copy of JSON; several times faster than `copy.deepcopy`."""
    if isinstance(value, dict):
        return {key: copy_tree(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copy_tree(item) for item in value]
    return value


def merge_patch(tree: Any, patch: Any) -> Any:
    """RFC 7386: objects are merged, null removes, anything else replaces."""
    if not isinstance(patch, Mapping):
        return copy_tree(patch)
    result = copy_tree(tree) if isinstance(tree, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def diff_merge_patch(old: Mapping[str, Any], new: Mapping[str, Any]) -> Tree:
    """The smallest merge patch that makes `new` of `old` (which hold no nulls)."""
    patch: Tree = {key: None for key in old if key not in new}
    for key, value in new.items():
        before = old.get(key)
        if key in old and _same(before, value):
            continue
        if isinstance(before, dict) and isinstance(value, dict):
            inner = diff_merge_patch(before, value)
            if inner:
                patch[key] = inner
        else:
            patch[key] = copy_tree(value)
    return patch


def json_patch(tree: Any, operations: Iterable[Any]) -> Any:
    """The tree after these operations, all or none; PatchError as upstream words it."""
    operations = list(operations)
    if len(operations) > MAX_OPERATIONS:
        raise PatchError(
            f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(operations)}"
        )
    root = [copy_tree(tree)]  # so that the whole document has a container as well
    copied = 0
    for operation in operations:
        if not isinstance(operation, Mapping) or not isinstance(operation.get("path"), str):
            raise PatchError("operation missing path field")
        if operation.get("op") == "copy":
            container, key = _locate(root, _from(operation), "copy")
            copied += _size(container[key])
            if copied > MAX_COPIED_BYTES:
                raise PatchError(
                    f"Unable to complete the copy, the limit of {MAX_COPIED_BYTES} bytes is exceeded"
                )
        _perform(root, operation)
    return root[0]


def _size(value: Any) -> int:
    """About how many bytes a value takes as JSON."""
    size, waiting = 0, [value]
    while waiting:
        one = waiting.pop()
        size += len(one) if isinstance(one, str) else 2
        if isinstance(one, dict):
            waiting += one
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return size


def _perform(root: list[Any], operation: Mapping[str, Any]) -> None:
    path: str = operation["path"]
    match operation.get("op"):
        case "add":
            _add(root, path, _value(operation))
        case "remove":
            _remove(root, path, "remove")
        case "replace":
            container, key = _locate(root, path, "replace")
            container[key] = copy_tree(_value(operation))
        case "move":
            _add(root, path, _remove(root, _from(operation), "move"))
        case "copy":
            container, key = _locate(root, _from(operation), "copy")
            _add(root, path, container[key])
        case "test":
            _test(root, path, _value(operation))
        case other:
            raise PatchError(f"Unexpected kind: {other}")


def _value(operation: Mapping[str, Any]) -> Any:
    """An absent value is null, as upstream reads it."""
    return operation.get("value")


def _from(operation: Mapping[str, Any]) -> str:
    source = operation.get("from")
    if not isinstance(source, str):
        raise PatchError("operation missing from field")
    return source


def _tokens(path: str) -> list[str]:
    if path and not path.startswith("/"):
        _missing("operation", path)
    return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]


def _missing(verb: str, path: str, what: str = "path") -> NoReturn:
    raise PatchError(
        f'{verb} operation does not apply: doc is missing {what}: "{path}": missing value'
    )


def _container(root: list[Any], path: str, verb: str) -> tuple[Any, str]:
    """The list or object that holds the path's last token (which need not exist), and that token."""
    container: Any = root
    tokens = ["0", *_tokens(path)]
    for token in tokens[:-1]:
        try:
            container = container[_index(container, token)]
        except (KeyError, IndexError, TypeError):
            _missing(verb, path)
    if not isinstance(container, (dict, list)):
        _missing(verb, path)
    return container, tokens[-1]


def _index(container: Any, token: str) -> Any:
    """The token as a key of this container; raises when it is none that exists."""
    if isinstance(container, dict):
        return token
    index = whole(token) if isinstance(container, list) else None
    if index is None:
        raise KeyError(token)
    if not -len(container) <= index < len(container):
        raise IndexError(token)
    return index


def _locate(root: list[Any], path: str, verb: str) -> tuple[Any, Any]:
    """The container and key of a value that exists."""
    container, token = _container(root, path, verb)
    try:
        key = _index(container, token)
        container[key]
    except (KeyError, IndexError):
        _missing(verb, path, "key" if verb == "replace" else "path")
    return container, key


def _add(root: list[Any], path: str, value: Any) -> None:
    value = copy_tree(value)
    container, token = _container(root, path, "add")
    if container is root:
        root[0] = value
    elif isinstance(container, dict):
        container[token] = value
    elif token == "-":
        container.append(value)
    else:
        container.insert(_insertion(container, token), value)


def _insertion(container: Sequence[Any], token: str) -> int:
    if (index := whole(token)) is None:
        raise PatchError(
            f'add operation does not apply: value was not a proper array index: "{token}"'
        )
    if index < 0:
        index += len(container) + 1
    if not 0 <= index <= len(container):
        raise PatchError(
            f"add operation does not apply: Unable to access invalid index: {token}: invalid index referenced"
        )
    return index


def _remove(root: list[Any], path: str, verb: str) -> Any:
    container, key = _locate(root, path, verb)
    if container is root:
        raise PatchError(f"{verb} operation does not apply: the whole document cannot be removed")
    return container.pop(key)


def _test(root: list[Any], path: str, expected: Any) -> None:
    try:
        container, key = _locate(root, path, "test")
    except PatchError:
        if expected is None:
            return  # upstream: a missing value equals null
        raise
    if not _same(container[key], expected):
        raise PatchError(f"testing value {path} failed: test failed")


def _same(left: Any, right: Any) -> bool:
    """Equality of JSON: true is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return bool(left == right)
