"""Paths of OpenAPI v3: which operations a resource has, their parameters and answers.

Operation ids are upstream's (`readCoreV1NamespacedPod`): generated clients are named after them.
kubectl looks here, at the PATCH of a kind, for whether `dryRun` and `fieldValidation` are understood.
Source: k8s.io/apiserver/pkg/endpoints/installer.go.
"""

from __future__ import annotations

from typing import Any

from wherry.api.model import GroupVersionKind
from wherry.api.scheme import Resource, Subresource

Tree = dict[str, Any]

BODY_TYPES = ("application/json", "application/yaml")
PATCH_TYPES = (
    "application/json-patch+json", "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)  # fmt: skip
_STREAMS = (*BODY_TYPES, "application/json;stream=watch")
# REST verb → HTTP method, word in operation ids, x-kubernetes-action
_VERBS: dict[str, tuple[str, str, str]] = {
    "get": ("get", "read", "get"),
    "list": ("get", "list", "list"),
    "create": ("post", "create", "post"),
    "update": ("put", "replace", "put"),
    "patch": ("patch", "patch", "patch"),
    "delete": ("delete", "delete", "delete"),
    "deletecollection": ("delete", "deleteCollection", "deletecollection"),
}
_PATCH_REF = "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.Patch"


def query(name: str, kind: str, words: str) -> Tree:
    return {
        "name": name, "in": "query", "description": words,
        "schema": {"type": kind, "uniqueItems": True},
    }  # fmt: skip


_PRETTY = query("pretty", "string", "Ask for indented output.")
_DRY_RUN = query("dryRun", "string", "`All`: go all the way, store nothing.")
_MANAGER = query("fieldManager", "string", "Who makes this change.")
_VALIDATION = query(
    "fieldValidation", "string", "What unknown or repeated fields mean: Ignore, Warn or Strict."
)
_FORCE = query("force", "boolean", "Take over fields that others manage (apply only).")
_WRITES = (_PRETTY, _DRY_RUN, _MANAGER, _VALIDATION)
_LISTS = (
    query("allowWatchBookmarks", "boolean", "Watches may send BOOKMARK events."),
    query("continue", "string", "Where the page before this one ended."),
    query("fieldSelector", "string", "Narrows the list of returned objects by their fields."),
    query("labelSelector", "string", "Narrows the list of returned objects by their labels."),
    query("limit", "integer", "The most objects one page holds."),
    query("resourceVersion", "string", "How new the answer must be."),
    query("resourceVersionMatch", "string", "What resourceVersion means for this list."),
    query("sendInitialEvents", "boolean", "Begin a watch with what is there."),
    query("timeoutSeconds", "integer", "When to end the call."),
    query(
        "watch", "boolean", "Watch for changes to the described resources, instead of listing them."
    ),
)
_DELETES = (
    _DRY_RUN,
    query("gracePeriodSeconds", "integer", "Seconds until the object is gone; 0 = now."),
    query("orphanDependents", "boolean", "Deprecated: use propagationPolicy."),
    query("propagationPolicy", "string", "Orphan, Background or Foreground."),
)


class Paths:
    """The paths of one resource. `references` are the `$ref`s of the schemas operations speak of."""

    def __init__(self, resource: Resource, references: dict[str, str]) -> None:
        self._resource = resource
        self._references = references
        self.found: dict[str, Tree] = {}

    def build(self) -> dict[str, Tree]:
        resource = self._resource
        place = "{namespace}" if resource.namespaced else ""
        verbs = set(resource.verbs)
        self._add(resource.path(place), verbs & {"list", "create", "deletecollection"})
        if resource.namespaced and "list" in verbs:
            self._add(resource.path(), {"list"}, everywhere=True)
        self._add(resource.path(place, "{name}"), verbs & {"get", "update", "patch", "delete"})
        for sub in resource.subresources:
            verbs = set(sub.verbs) & set(_VERBS)
            self._add(resource.path(place, "{name}", sub.name), verbs, sub=sub)
        return self.found

    def _add(
        self,
        path: str,
        verbs: set[str],
        *,
        everywhere: bool = False,
        sub: Subresource | None = None,
    ) -> None:
        if not verbs:
            return
        item: Tree = {"parameters": self._path_parameters(path)}
        for verb in sorted(verbs):
            item[_VERBS[verb][0]] = self._operation(verb, everywhere, sub)
        self.found[path] = item

    def _path_parameters(self, path: str) -> list[Tree]:
        words = {"name": "name of the object", "namespace": "the object's namespace"}
        return [
            {
                "name": name, "in": "path", "required": True, "description": words[name],
                "schema": {"type": "string", "uniqueItems": True},
            }
            for name in words
            if f"{{{name}}}" in path
        ]  # fmt: skip

    def _operation(self, verb: str, everywhere: bool, sub: Subresource | None) -> Tree:
        gvk = sub.kind if sub is not None else self._resource.gvk
        operation: Tree = {
            "tags": [tag(self._resource)],
            "operationId": operation_id(self._resource, verb, everywhere, sub),
            "parameters": list(_parameters(verb)),
            "responses": self._responses(verb, gvk, sub),
            "x-kubernetes-action": _VERBS[verb][2],
            "x-kubernetes-group-version-kind": gvk._asdict(),
        }
        if verb == "patch":
            schema = {"$ref": _PATCH_REF}
            body = {"content": {one: {"schema": schema} for one in PATCH_TYPES}, "required": True}
            operation["requestBody"] = body
        elif verb in ("create", "update"):
            reference = self._reference(gvk.kind)
            if reference is not None:
                content = {"*/*": {"schema": {"$ref": reference}}}
                operation["requestBody"] = {"content": content, "required": True}
        elif verb in ("delete", "deletecollection"):
            content = {"*/*": {"schema": {"$ref": self._references["DeleteOptions"]}}}
            operation["requestBody"] = {"content": content}
        return operation

    def _reference(self, kind: str) -> str | None:
        return self._references.get(kind)

    def _responses(self, verb: str, gvk: GroupVersionKind, sub: Subresource | None) -> Tree:
        if verb == "list":
            reference: str | None = self._references[self._resource.list_kind]
        elif verb in ("delete", "deletecollection"):
            reference = self._references["Status"]
        else:
            reference = self._reference(gvk.kind)
        types: tuple[str, ...] = _STREAMS if verb == "list" else BODY_TYPES
        schema: Tree = {"$ref": reference} if reference else {"type": "string"}
        if sub is not None and sub.name in ("log", "exec"):
            types, schema = ("*/*",), {"type": "string"}
        answer = {"description": "OK", "content": {one: {"schema": schema} for one in types}}
        codes = {"create": ("200", "201", "202"), "update": ("200", "201"), "patch": ("200", "201")}
        found = dict.fromkeys(codes.get(verb, ("200",)), answer)
        return {**found, "401": {"description": "Unauthorized"}}


def _parameters(verb: str) -> tuple[Tree, ...]:
    if verb == "list":
        return (_PRETTY, *_LISTS)
    if verb in ("create", "update"):
        return _WRITES
    if verb == "patch":
        return (*_WRITES, _FORCE)
    if verb == "delete":
        return (_PRETTY, *_DELETES)
    if verb == "deletecollection":
        return (_PRETTY, *_DELETES, *_LISTS)
    return (_PRETTY,)


def group_word(resource: Resource) -> str:
    """The group in operation ids: `core`, `apps`, `coordination`."""
    return resource.group.partition(".")[0] or "core"


def tag(resource: Resource) -> str:
    return f"{group_word(resource)}_{resource.version}"


def operation_id(
    resource: Resource, verb: str, everywhere: bool = False, sub: Subresource | None = None
) -> str:
    word = _VERBS[verb][1]
    group = group_word(resource).capitalize() + resource.version.capitalize()
    space = "Namespaced" if resource.namespaced and not everywhere else ""
    tail = f"{sub.name.capitalize()}" if sub is not None else ""
    if verb == "deletecollection":
        return f"delete{group}Collection{space}{resource.kind}"
    end = "ForAllNamespaces" if everywhere else ""
    return f"{word}{group}{space}{resource.kind}{tail}{end}"
