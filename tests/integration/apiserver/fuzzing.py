"""Random requests for a fuzz: plausible ones made from the API's shapes, then spoiled.

All from one `random.Random`, so a seed is a run. Trees are grown along a kind's `Shape`, so that most
get past the decoder and reach validation; then values, structure or bytes are damaged.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import quote, urlencode

from tests.integration.apiserver.fuzz_words import (
    ACCEPTS,
    APPLY,
    CONTENT_TYPES,
    DEPTH_MAX,
    GOOD_TEXTS,
    JSON,
    KNOWN_MAX,
    NAMES,
    NAMESPACES,
    ODD_JSON,
    ODD_NUMBERS,
    ODD_SHARE,
    ODD_TEXTS,
    PATCHES,
    QUERIES,
    READ_QUERIES,
    WRITE_QUERIES,
)
from wherry.api.meta_v1 import DeleteOptions
from wherry.api.model import GroupVersionKind
from wherry.api.resource import Subresource
from wherry.api.scheme import BY_KIND, RESOURCES, Resource
from wherry.api.shape import FieldShape, Shape, shape_of

# Ways to a kubelet or a pod, not to an object.
STREAMS = frozenset({"log", "exec", "attach", "portforward", "proxy"})


@dataclass(frozen=True)
class Ask:
    """One request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | None

    def __str__(self) -> str:
        return f"{self.method} {self.path} {dict(self.headers)} {(self.body or b'')[:4000]!r}"


class Fuzzer:
    """Makes requests. `resources` are those asked about."""

    def __init__(self, random: Random, resources: Sequence[Resource] = RESOURCES) -> None:
        self._random = random
        self._resources = resources
        self._odd_share = ODD_SHARE
        self._known: dict[str, tuple[Resource, Any]] = {}  # objects that were stored, by path

    def ask(self) -> Ask:
        """The next request."""
        rng = self._random
        self._odd_share = rng.choice((0, 0, ODD_SHARE, 3 * ODD_SHARE))
        way = rng.random()
        if way < 0.08:
            return self._read()
        if self._known and way < 0.36:
            return self._change()
        if self._known and way < 0.48:
            return self._part()
        resource = rng.choice(self._resources)
        method = rng.choices(
            ("POST", "PUT", "PATCH", "GET", "DELETE", "HEAD", "OPTIONS", "TRACE"),
            (40, 18, 20, 12, 7, 1, 1, 1),
        )[0]
        named = rng.random() < (0.05 if method == "POST" else 0.9)
        name = rng.choice(NAMES) if rng.random() < 0.95 else rng.choice(ODD_TEXTS)
        if resource.plural == "namespaces" and method == "DELETE":
            name = "unloved"  # a namespace that goes takes nothing the others need
            named = True
        path = self._path(resource, name if named else "", method)
        headers = {"Content-Type": JSON, "User-Agent": "fuzz/1"}
        body: bytes | None = None
        if method in ("POST", "PUT", "PATCH", "DELETE"):
            body = self._body(resource, name, method, headers)
        if rng.random() < 0.04:
            headers["Content-Type"] = rng.choice(CONTENT_TYPES)
        if rng.random() < 0.1:
            headers["Accept"] = rng.choice(ACCEPTS)
        return Ask(method, path, headers, body)

    def learn(self, ask: Ask, status: int, body: bytes) -> None:
        """Remember an object that was stored: spoiling it gets further than starting anew."""
        if status not in (200, 201) or ask.method not in ("POST", "PUT") or len(body) > 100_000:
            return
        if "Accept" in ask.headers:  # it may be answered in any form
            return
        tree = json.loads(body)
        metadata = tree.get("metadata", {})
        if not metadata.get("name") or "uid" not in metadata or "dryRun" in ask.path:
            return
        path = ask.path.partition("?")[0]
        if ask.method == "POST":
            path = f"{path}/{quote(metadata['name'], safe='')}"
        group, _, version = tree["apiVersion"].rpartition("/")
        gvk = GroupVersionKind(group, version, tree["kind"])
        if gvk not in BY_KIND or path.count("/") > 7:  # a Table, or the answer of a subresource
            return
        self._known[path] = BY_KIND[gvk], tree
        if len(self._known) > KNOWN_MAX:
            del self._known[self._random.choice(list(self._known))]

    def _change(self) -> Ask:
        """A stored object put or patched with some of it spoiled."""
        rng = self._random
        path = rng.choice(list(self._known))
        resource, tree = self._known[path]
        tree = copy.deepcopy(tree)
        headers = {"Content-Type": JSON, "User-Agent": f"fuzz{rng.randrange(3)}/1"}
        if rng.random() < 0.9:
            tree["metadata"].pop("resourceVersion", None)
        method = rng.choice(("PUT", "PATCH"))
        own = [one.name for one in resource.subresources if one.kind == resource.model.GVK]
        if (own := [name for name in own if name not in STREAMS]) and rng.random() < 0.35:
            path += f"/{rng.choice(own)}"
        query = self._query(WRITE_QUERIES, 0.2)
        if method == "PATCH":
            headers["Content-Type"] = rng.choice(PATCHES)
            tree["metadata"].pop("managedFields", None)
            if headers["Content-Type"] == APPLY:
                query |= rng.choice(
                    ({"fieldManager": "m"}, {"fieldManager": "n", "force": "1"}, {})
                )
        part = tree.get("spec") or tree
        if rng.random() < 0.9:
            self._spoil(rng.choice((tree, part)))
        if headers["Content-Type"] == "application/json-patch+json":
            tree = self._operations(part, ["/spec" if part is not tree else "", *_pointers(tree)])
        elif method == "PATCH" and rng.random() < 0.2:
            self._direct(tree)
        return Ask(method, _with(path, query), headers, json.dumps(tree).encode())

    def _part(self) -> Ask:
        """A subresource with a kind of its own (scale, eviction, token ...), of an object there is."""
        rng = self._random
        path = rng.choice(list(self._known))
        resource, _ = self._known[path]
        parts = [one for one in resource.subresources if one.name not in STREAMS]
        if not parts:
            return self._delete(path)
        part = rng.choice(parts)
        method = rng.choice(("GET", "POST", "PUT", "PATCH"))
        if "create" in part.verbs and rng.random() < 0.8:
            method = "POST"
        headers = {"Content-Type": JSON, "User-Agent": "fuzz/1"}
        tree = self._part_body(part, path.rpartition("/")[2])
        if rng.random() < 3 * self._odd_share:
            tree = self._spoil(tree)
        if method == "PATCH":
            headers["Content-Type"] = rng.choice(PATCHES)
            if headers["Content-Type"] == "application/json-patch+json":
                tree = self._operations(tree, _pointers(tree))
        query = self._query(WRITE_QUERIES, 0.15)
        body = None if method == "GET" else json.dumps(tree).encode()
        return Ask(method, _with(f"{path}/{part.name}", query), headers, body)

    def _part_body(self, part: Subresource, name: str) -> Any:
        resource = BY_KIND.get(part.kind)
        if resource is not None:
            return self._object(resource, name)
        kind = {"kind": part.kind.kind, "apiVersion": part.kind.api_version}
        if part.kind.kind == "Eviction":
            return {**kind, "metadata": {"name": name}, "deleteOptions": self._delete_options()}
        if part.kind.kind == "Scale":
            return {**kind, "metadata": {"name": name}, "spec": {"replicas": self._number()}}
        seconds = self._mostly((600, 3600), ODD_NUMBERS)
        bound = {"kind": _bindable(self._random), "apiVersion": "v1", "name": name}
        spec = {"audiences": [self._text()], "expirationSeconds": seconds, "boundObjectRef": bound}
        return {**kind, "metadata": {}, "spec": spec}

    def _delete(self, path: str) -> Ask:
        """A deletion with options, of an object there is."""
        rng = self._random
        if rng.random() < 0.6:  # else there would be little left to change
            path += "x"
        headers = {"Content-Type": JSON, "User-Agent": "fuzz/1"}
        query = self._query(
            ("gracePeriodSeconds", "propagationPolicy", "orphanDependents", "dryRun")
        )
        body = json.dumps(self._delete_options()).encode() if rng.random() < 0.6 else None
        return Ask("DELETE", _with(path, query), headers, body)

    def _delete_options(self) -> Any:
        tree = self._struct(shape_of(DeleteOptions), 1)
        tree = {key: value for key, value in tree.items() if self._random.random() < 0.4}
        return self._spoil(tree) if self._random.random() < 3 * self._odd_share else tree

    def _read(self) -> Ask:
        """A list or watch with several parameters, in one of the forms of answers."""
        rng = self._random
        resource = rng.choice(self._resources)
        query = self._query(READ_QUERIES, 0.6)
        if query.get("watch"):
            query.setdefault("timeoutSeconds", "1")
        head = f"/apis/{resource.group}" if resource.group else "/api"
        inside = f"/namespaces/{rng.choice(NAMESPACES)}" if resource.namespaced else ""
        path = f"{head}/{resource.version}{inside if rng.random() < 0.7 else ''}/{resource.plural}"
        headers = {"Accept": rng.choice(ACCEPTS)} if rng.random() < 0.4 else {}
        return Ask(rng.choice(("GET",) * 9 + ("HEAD",)), _with(path, query), headers, None)

    def _query(self, names: Sequence[str], share: float = 0.4) -> dict[str, str]:
        """Parameters of these names, each the more likely the larger `share`."""
        rng, query = self._random, {}
        while rng.random() < share:
            name = rng.choice(names)
            query[name] = rng.choice(QUERIES[name])
        return query

    def _direct(self, tree: Any) -> None:
        """Directives of a strategic merge patch, put in somewhere."""
        rng = self._random
        found = _dicts(tree)
        for node in rng.sample(found, min(3, len(found))):
            key = rng.choice(("x", *node))
            made = rng.choice(
                (
                    ("$patch", rng.choice(("delete", "replace", "merge", "x", 1, None))),
                    (
                        f"$setElementOrder/{key}",
                        rng.choice((node.get(key), [self._odd_json()], None)),
                    ),
                    (
                        f"$deleteFromPrimitiveList/{key}",
                        rng.choice((node.get(key), ["a"], "x", [1])),
                    ),
                    ("$retainKeys", rng.choice((list(node), [key], [], None, "x", [1]))),
                )
            )
            node[made[0]] = made[1]

    # --- where ---

    def _path(self, resource: Resource, name: str, method: str) -> str:
        rng = self._random
        namespace = rng.choice(NAMESPACES) if resource.namespaced else ""
        if rng.random() < 0.02:
            namespace = rng.choice(("", "none", "..", "ü"))
        subresource = ""
        if name and resource.subresources and rng.random() < 0.2:
            subresource = rng.choice(resource.subresources).name
        head = f"/apis/{resource.group}" if resource.group else "/api"
        parts = [head, resource.version]
        if namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(resource.plural)
        if name:
            parts.append(quote(name, safe=""))
        if subresource:
            parts.append(subresource)
        if rng.random() < 0.02:
            parts.insert(
                rng.randrange(1, len(parts)), rng.choice(("", "%2f", "%00", "x", "watch", "%ff"))
            )
        path = "/".join(parts)
        query = self._query(list(QUERIES), 0.15)
        if method in ("GET", "HEAD") and query.get("watch"):
            query.setdefault("timeoutSeconds", "1")
        return _with(path, query)

    # --- what ---

    def _body(self, resource: Resource, name: str, method: str, headers: dict[str, str]) -> bytes:
        rng = self._random
        tree = self._object(resource, name)
        if method == "DELETE":
            tree = rng.choice((self._delete_options(), {"gracePeriodSeconds": 0}, tree))
        if rng.random() < 3 * self._odd_share:
            tree = self._spoil(tree)
        if method == "PATCH":
            headers["Content-Type"] = rng.choice(PATCHES)
            if headers["Content-Type"] == "application/json-patch+json":
                tree = self._operations(tree, _pointers(tree))
            elif rng.random() < 0.3:
                self._direct(tree)
        data = json.dumps(tree, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
        return self._damage(data) if rng.random() < 0.12 else data

    def _object(self, resource: Resource, name: str) -> Any:
        tree = self._struct(shape_of(resource.model), 0)
        if self._random.random() < 0.97:
            tree |= {"kind": resource.kind, "apiVersion": resource.api_version}
            metadata = tree.get("metadata")
            tree["metadata"] = metadata = metadata if isinstance(metadata, dict) else {}
            for key in ("namespace", "resourceVersion", "uid", "deletionTimestamp", "finalizers"):
                if self._random.random() < 0.9:
                    metadata.pop(key, None)
            if self._random.random() < 0.9:
                metadata["name"] = name
                for key in ("labels", "annotations", "managedFields", "ownerReferences"):
                    if self._random.random() < 0.7:
                        metadata.pop(key, None)
        return tree

    def _struct(self, shape: Shape, depth: int) -> dict[str, Any]:
        rng, tree = self._random, {}
        share = 0.8 if depth < 2 else 2.0 / (3 + len(shape.fields))
        for wire, field in shape.fields.items():
            if field.traits.required or rng.random() < share:
                if depth >= DEPTH_MAX and not field.traits.required:
                    continue
                tree[wire] = self._value(field, depth + 1)
        return tree

    def _value(self, field: FieldShape, depth: int) -> Any:
        rng = self._random
        if depth > DEPTH_MAX + 3 or rng.random() < self._odd_share / 3:
            return None
        if field.kind == "struct":
            assert field.child is not None
            return self._struct(field.child, depth)
        if field.element is not None:
            count = rng.choices((0, 1, 2, 3), (1, 6, 2, 1))[0]
            values = [self._value(field.element, depth + 1) for _ in range(count)]
            if field.kind == "list":
                return values
            return {self._text(): value for value in values}
        return self._scalar(field)

    def _scalar(self, field: FieldShape) -> Any:
        rng = self._random
        if field.traits.enum and rng.random() < 0.9:
            return rng.choice(field.traits.enum)
        makers: dict[str, Callable[[], Any]] = {
            "boolean": lambda: rng.random() < 0.5,
            "int32": self._number,
            "int64": self._number,
            "number": lambda: self._mostly((0.5, 1.0), (-1.0, 1e30)),
            "quantity": lambda: self._mostly(
                ("1", "100m", "64Mi", "1e3", 2), ("0", "-1", "x", "1.5Gi")
            ),
            "int-or-string": lambda: self._mostly((80, "http", "25%"), (0, -1, "")),
            "time": lambda: self._mostly(("2026-11-21T17:00:00Z", None), ("x",)),
            "micro-time": lambda: self._mostly(("2026-11-21T17:00:00.000001Z", None), ("x",)),
            "byte": lambda: self._mostly(("YQ==", ""), ("=", "ü")),
            "object": self._odd_json,
        }
        return makers.get(field.scalar, self._text)()

    def _number(self) -> int:
        return self._mostly((0, 1, 2, 5, 80, 8080), ODD_NUMBERS)

    def _text(self) -> str:
        return self._mostly(GOOD_TEXTS, ODD_TEXTS)

    def _mostly(self, good: Sequence[Any], odd: Sequence[Any]) -> Any:
        rng = self._random
        return rng.choice(odd if rng.random() < self._odd_share else good)

    # --- spoiling ---

    def _spoil(self, tree: Any) -> Any:
        """Some node replaced, removed or repeated."""
        rng = self._random
        here, nodes = [tree] if isinstance(tree, dict | list) else [], []
        while here:
            node = here.pop()
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            for key in keys:
                nodes.append((node, key))
                if isinstance(node[key], dict | list):
                    here.append(node[key])
        if not nodes:
            return self._odd_json()
        for _ in range(rng.choice((1, 1, 2, 4))):
            node, key = rng.choice(nodes)
            if isinstance(node, dict) and rng.random() < 0.2:
                node.pop(key, None)
            elif isinstance(node, list) and rng.random() < 0.3:
                node.extend(node[:3])
            elif (isinstance(node, dict) and key in node) or (
                isinstance(node, list) and key < len(node)
            ):
                node[key] = self._odd_json()
        return tree

    def _odd_json(self) -> Any:
        return copy.deepcopy(self._random.choice(ODD_JSON))

    def _operations(self, tree: Any, own: Sequence[str]) -> Any:
        rng = self._random
        paths = (
            *(rng.choice(own) for _ in range(12 if own else 0)),
            "", "/", "/metadata", "/metadata/labels", "/metadata/labels/a", "/spec", "/spec/replicas",
            "/spec/containers/0", "/spec/containers/-", "/data/x", "/status", "/~2", "x", "/metadata/name",
            f"/spec/containers/{'9' * 5000}", "/spec/containers/--1", "/spec/containers/-1", "/kind", "/metadata/finalizers/-",
        )  # fmt: skip
        operations: list[Any] = []
        for _ in range(rng.choice((0, 1, 1, 2, 5))):
            verb = rng.choice(("add", "remove", "replace", "move", "copy", "test", "x", None))
            value = rng.choice((self._odd_json(), tree))
            one = {"op": verb, "path": rng.choice(paths), "value": value, "from": rng.choice(paths)}
            if rng.random() < 0.2:
                one.pop(rng.choice(list(one)))
            operations.append(one if rng.random() < 0.95 else self._odd_json())
        return operations if rng.random() < 0.95 else tree

    def _damage(self, data: bytes) -> bytes:
        """Bytes that are no longer what they were."""
        rng = self._random
        at = rng.randrange(len(data) + 1)
        deep = rng.choice((300, 5_000, 100_000))
        return rng.choice(
            (
                lambda: data[:at],
                lambda: data[:at] + rng.randbytes(rng.randrange(1, 20)) + data[at:],
                lambda: rng.randbytes(rng.randrange(200)),
                lambda: data.replace(b"1", b"1" * 400, 1),
                lambda: data.replace(b"0", b"1e999999", 1),
                lambda: data.replace(b"1", b"NaN", 1),
                lambda: b'{"a":' * deep + b"1" + b"}" * deep,
                lambda: b"[" * deep,
                lambda: b"k8s\x00" + rng.randbytes(rng.randrange(100)),
                lambda: data + data,
                lambda: b"\xef\xbb\xbf" + data,
                lambda: data.replace(b'"name"', b'"name":"twice","name"', 1),
                lambda: data.replace(b"a", b"\xc3\x28", 1),
                lambda: data.replace(b"a", b"\\ud800", 1),
            )
        )()


def _with(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def _dicts(tree: Any) -> list[dict[str, Any]]:
    """All objects in a tree."""
    inner = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    found = [tree] if isinstance(tree, dict) else []
    return found + [one for value in inner for one in _dicts(value)]


def _pointers(tree: Any, at: str = "") -> list[str]:
    """The JSON pointers of all that is in a tree."""
    found = [at]
    if isinstance(tree, dict | list):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            found += _pointers(value, f"{at}/{key}".replace("~", "~0"))
    return found


def _bindable(rng: Random) -> Any:
    """A kind a token may be bound to, or one it may not."""
    return rng.choice(("Pod", "Secret", "Node", "ConfigMap", "", None, 1))
