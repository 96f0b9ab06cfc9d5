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

from wherry.api.scheme import RESOURCES, Resource
from wherry.api.shape import FieldShape, Shape, shape_of

NAMESPACES = ("fuzz-0", "fuzz-1")
NAMES = ("a", "b", "c", "d", "e")
DEPTH_MAX = 7
ODD_SHARE = 0.06  # of values
KNOWN_MAX = 200
JSON, YAML = "application/json", "application/yaml"
PATCHES = (
    "application/merge-patch+json", "application/strategic-merge-patch+json",
    "application/json-patch+json", "application/apply-patch+yaml",
)  # fmt: skip
PROTOBUF = "application/vnd.kubernetes.protobuf"
CONTENT_TYPES = (
    *PATCHES, PROTOBUF, YAML, "text/plain", "application/cbor", "", "nonsense", "application/json;;",
)  # fmt: skip
ACCEPTS = (
    "*/*", "application/json;as=Table;v=v1;g=meta.k8s.io", "application/yaml", "text/html", ";", "",
    "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", PROTOBUF,
    "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json",
    "application/json;as=Nonsense;v=v9;g=x",
)  # fmt: skip
ODD_TEXTS = (
    "", " ", "-", "a" * 300, "ü", "𝄞", "\x00", "\n", "a/b", "..", "../..", "%", "0", "null", "{}", "*",
    "10.0.0.1", "::1", "999.1.1.1", "1Gi", "-1", "1e9", "100m", "1n", "9" * 40, "1E-400", "50%", "NaN",
    "2026-11-21T17:00:00Z", "0000-00-00T00:00:00Z", "v1", "fuzz-0", "a=b,c in (d)", "example.com/x",
)  # fmt: skip
GOOD_TEXTS = ("a", "b", "main", "web", "nginx:1", "example.com/name", "10.96.7.7", "TCP", "1", "/x")
ODD_NUMBERS = (0, 1, -1, 80, 65536, 2**31 - 1, 2**31, -(2**31) - 1, 2**63 - 1, 2**63, 2**64, 10**30)
ODD_JSON: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 1e300, "", "x", [], {}, [None], {"": None}, [[[]]], {"a": {"b": []}},
    2**70, [{}], {"name": 1},
)  # fmt: skip
QUERIES: Mapping[str, Sequence[str]] = {
    "limit": ("1", "2", "0", "-1", "x", "9" * 30),
    "continue": ("x", "e30", "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJhXHUwMDAwIn0", "===="),
    "resourceVersion": ("0", "1", "", "x", "-1", "99999999999999", "9" * 30),
    "resourceVersionMatch": ("Exact", "NotOlderThan", "x", ""),
    "labelSelector": ("a=b", "a in (b,c)", "!a", "((", "a==", "x y", ",", "a" * 400, "ü=ü", "a>1"),
    "fieldSelector": ("metadata.name=a", "spec.nodeName=", "x=y", "==", "metadata.name!=a,", "\\"),
    "watch": ("1", "true", "0", "x"),
    "timeoutSeconds": ("1", "0", "-1", "x", "9" * 30),
    "allowWatchBookmarks": ("true", "x"),
    "sendInitialEvents": ("true", "false", "x"),
    "dryRun": ("All", "", "x"),
    "fieldManager": ("m", "", "x" * 200, "\x00", "ü"),
    "fieldValidation": ("Strict", "Warn", "Ignore", "x"),
    "force": ("true", "false", "x"),
    "gracePeriodSeconds": ("0", "1", "-1", "x", "9" * 30),
    "propagationPolicy": ("Orphan", "Background", "Foreground", "x"),
    "orphanDependents": ("true", "x"),
    "includeObject": ("None", "Object", "Metadata", "x"),
    "pretty": ("true", "x"),
    "\x00": ("\x00",), "": ("",), "unknown": ("x",),
}  # fmt: skip


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
        self._known: dict[str, Any] = {}  # objects that were stored, by path

    def ask(self) -> Ask:
        """The next request."""
        rng = self._random
        if self._known and rng.random() < 0.3:
            return self._change()
        self._odd_share = rng.choice((0, 0, ODD_SHARE, 3 * ODD_SHARE))
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
        tree = json.loads(body)
        metadata = tree.get("metadata", {})
        if not metadata.get("name") or "uid" not in metadata or "dryRun" in ask.path:
            return
        path = ask.path.partition("?")[0]
        if ask.method == "POST":
            path = f"{path}/{quote(metadata['name'], safe='')}"
        self._known[path] = tree
        if len(self._known) > KNOWN_MAX:
            del self._known[self._random.choice(list(self._known))]

    def _change(self) -> Ask:
        """A stored object put or patched with some of it spoiled."""
        rng = self._random
        path = rng.choice(list(self._known))
        tree = json.loads(json.dumps(self._known[path]))
        headers = {"Content-Type": JSON, "User-Agent": f"fuzz{rng.randrange(3)}/1"}
        if rng.random() < 0.9:
            tree["metadata"].pop("resourceVersion", None)
        method = rng.choice(("PUT", "PATCH"))
        if rng.random() < 0.2:
            path += "/status"
        if method == "PATCH":
            headers["Content-Type"] = rng.choice(PATCHES)
            tree["metadata"].pop("managedFields", None)
            if headers["Content-Type"] == "application/apply-patch+yaml":
                path += rng.choice(("?fieldManager=m", "?fieldManager=n&force=true", ""))
        part = tree.get("spec") or tree
        self._spoil(rng.choice((tree, part)))
        if headers["Content-Type"] == "application/json-patch+json":
            tree = self._operations(part)
        return Ask(method, path, headers, json.dumps(tree).encode())

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
        query = {}
        while rng.random() < 0.15:
            key = rng.choice(list(QUERIES))
            query[key] = rng.choice(QUERIES[key])
        if method in ("GET", "HEAD") and query.get("watch"):
            query.setdefault("timeoutSeconds", "1")
        return f"{path}?{urlencode(query)}" if query else path

    # --- what ---

    def _body(self, resource: Resource, name: str, method: str, headers: dict[str, str]) -> bytes:
        rng = self._random
        tree = self._object(resource, name)
        if method == "DELETE":
            tree = rng.choice(
                ({}, {"gracePeriodSeconds": 0}, {"preconditions": {"uid": "x"}}, tree)
            )
        if rng.random() < 3 * self._odd_share:
            tree = self._spoil(tree)
        if method == "PATCH":
            headers["Content-Type"] = rng.choice(PATCHES)
            if headers["Content-Type"] == "application/json-patch+json":
                tree = self._operations(tree)
            elif rng.random() < 0.3 and isinstance(tree, dict):
                tree = {**tree, "$patch": rng.choice(("delete", "replace", "merge", "x", 1, None))}
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
        if depth > DEPTH_MAX + 3:
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
        here, nodes = [tree], []
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

    def _operations(self, tree: Any) -> Any:
        rng = self._random
        paths = (
            "", "/", "/metadata", "/metadata/labels", "/metadata/labels/a", "/spec", "/spec/replicas",
            "/spec/containers/0", "/spec/containers/-", "/data/x", "/status", "/~2", "x", "/metadata/name",
            "/spec/containers/99999999999999999999", "/kind", "/metadata/finalizers/-",
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
