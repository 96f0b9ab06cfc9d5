"""`wherry get`: objects as a table, yaml, json or names; once, or as they change.

The server makes the table. This path is measured (a whole process in 0.15 s): no models, no rich.

Source: k8s.io/kubectl/pkg/cmd/get.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated, Any

from cli import output as out
from cli.discovery import Resource
from cli.errors import CliError, api_words
from cli.http import JSON, TABLE, Tree
from cli.options import Argument, Exit, Option
from cli.session import Session
from cli.tables import TableText
from cli.targets import Target, targets
from wherry.api.errors import ApiError

CHUNK = 500  # objects asked for at once
TABLE_OUTPUTS = ("", "wide")


@dataclass(frozen=True)
class Options:
    """What was asked for, beside the objects."""

    output: str = ""
    watch: bool = False
    watch_only: bool = False
    labels: str = ""
    fields: str = ""
    all_namespaces: bool = False
    headers: bool = True
    show_labels: bool = False
    show_managed_fields: bool = False
    ignore_not_found: bool = False

    @property
    def is_table(self) -> bool:
        return self.output in TABLE_OUTPUTS

    def selection(self) -> dict[str, str]:
        chosen = {"labelSelector": self.labels, "fieldSelector": self.fields}
        return {key: value for key, value in chosen.items() if value}


def get(
    session: Session,
    words: Annotated[list[str], Argument("KIND [NAME...] | KIND/NAME...")],
    output: Annotated[str, Option("-o", "--output", help="wide, yaml, json or name.")] = "",
    watch: Annotated[bool, Option("-w", "--watch/--no-watch", help="Go on with changes.")] = False,
    watch_only: Annotated[bool, Option("--watch-only", help="Only changes.")] = False,
    selector: Annotated[str, Option("-l", "--selector", help="By labels.")] = "",
    field_selector: Annotated[str, Option("--field-selector", help="By fields.")] = "",
    all_namespaces: Annotated[bool, Option("-A", "--all-namespaces")] = False,
    no_headers: Annotated[bool, Option("--no-headers")] = False,
    show_labels: Annotated[bool, Option("--show-labels")] = False,
    show_managed_fields: Annotated[bool, Option("--show-managed-fields")] = False,
    ignore_not_found: Annotated[bool, Option("--ignore-not-found")] = False,
) -> None:
    """Show objects."""
    out.check_format(output)
    wanted = targets(words, session.catalogue)
    options = Options(
        output, watch, watch_only, selector, field_selector, all_namespaces, not no_headers,
        show_labels, show_managed_fields, ignore_not_found,
    )  # fmt: skip
    if any(target.names for target in wanted):
        if selector:
            raise CliError("name cannot be provided when a selector is specified")
        if all_namespaces:
            raise CliError("a resource cannot be retrieved by name across all namespaces")
    if watch or watch_only:
        _watch(session, wanted, options)
        return
    failures = _show_tables(session, wanted, options) if options.is_table else _show_objects(session, wanted, options)  # fmt: skip
    for failure in failures:
        sys.stderr.write(failure + "\n")
    if failures:
        raise Exit(1)


def _namespace(session: Session, resource: Resource, options: Options) -> str:
    return session.namespace if resource.namespaced and not options.all_namespaces else ""


def _pages(session: Session, target: Target, options: Options, accept: str) -> list[Tree]:
    """The answers that hold a target's objects: pages of a list, or one object each."""
    path = target.resource.path
    namespace = _namespace(session, target.resource, options)
    if target.names:
        return [session.api.get(path(namespace, name), accept=accept) for name in target.names]
    params = {**options.selection(), "limit": str(CHUNK)}
    pages = []
    while True:
        pages.append(session.api.get(path(namespace), params, accept))
        token = pages[-1].get("metadata", {}).get("continue")
        if not token:
            return pages
        params["continue"] = token


def _each(target: Target) -> list[Target]:
    """Named objects one by one, as one may be missing."""
    return [Target(target.resource, (name,)) for name in target.names] or [target]


def _printer(target: Target, options: Options, *, several: bool) -> TableText:
    return TableText(
        wide=options.output == "wide",
        with_namespace=options.all_namespaces and target.resource.namespaced,
        with_kind=target.resource.qualified_singular if several else "",
        with_labels=options.show_labels,
        headers=options.headers,
    )


def _grouped(wanted: list[Target]) -> dict[Resource, list[Target]]:
    """Targets by resource, in the order in which resources were first named."""
    groups: dict[Resource, list[Target]] = {}
    for target in wanted:
        groups.setdefault(target.resource, []).extend(_each(target))
    return groups


def _show_tables(session: Session, wanted: list[Target], options: Options) -> list[str]:
    failures: list[str] = []
    shown = 0
    groups = _grouped(wanted)
    for group in groups.values():
        printer = _printer(group[0], options, several=len(groups) > 1)
        merged: Tree = {"columnDefinitions": [], "rows": []}
        for target in group:
            try:
                for table in _pages(session, target, options, TABLE):
                    _merge(merged, table, target.resource)
            except ApiError as error:
                if not (options.ignore_not_found and error.reason == "NotFound"):
                    failures.append(api_words(error))
        if merged["rows"]:
            lines = printer.lines(merged)
            sys.stdout.write(("\n" if shown else "") + "\n".join(lines) + "\n")
            shown += 1
    if not shown and not failures and not options.ignore_not_found:
        _say_nothing_found(session, wanted, options)
    return failures


def _merge(into: Tree, table: Tree, resource: Resource) -> None:
    if table.get("kind") != "Table":
        raise CliError(f"the server has no table for {resource.qualified}; try -o yaml")
    into["columnDefinitions"] = into["columnDefinitions"] or table.get("columnDefinitions", [])
    into["rows"] += table.get("rows") or []


def _say_nothing_found(session: Session, wanted: list[Target], options: Options) -> None:
    namespaced = any(target.resource.namespaced for target in wanted)
    where = f" in {session.namespace} namespace" if namespaced and not options.all_namespaces else ""  # fmt: skip
    sys.stderr.write(f"No resources found{where}.\n" if where else "No resources found\n")


def _show_objects(session: Session, wanted: list[Target], options: Options) -> list[str]:
    failures: list[str] = []
    found: list[tuple[Resource, Tree]] = []
    for target in (each for group in _grouped(wanted).values() for each in group):
        try:
            for page in _pages(session, target, options, JSON):
                found += [(target.resource, one) for one in _objects(page, target)]
        except ApiError as error:
            if not (options.ignore_not_found and error.reason == "NotFound"):
                failures.append(api_words(error))
    trees = [tree if options.show_managed_fields else out.without_managed_fields(tree) for _, tree in found]  # fmt: skip
    if options.output == "name":
        for (resource, _), tree in zip(found, trees, strict=True):
            print(out.text_of(tree, "name", resource.qualified_singular))
        return failures
    single = len(wanted) == 1 and len(wanted[0].names) == 1
    if single and not trees:
        return failures
    document: dict[str, Any] = trees[0] if single else out.as_list(trees)
    print(out.text_of(document, options.output, ""))
    return failures


def _objects(page: Tree, target: Target) -> list[Tree]:
    """A page's objects; items of a list don't say what they are, so it is added."""
    if target.names:
        return [page]
    said = {"apiVersion": target.resource.api_version, "kind": target.resource.kind}
    return [{**said, **item} for item in page.get("items", ())]


def _watch(session: Session, wanted: list[Target], options: Options) -> None:
    """The objects, then every change until the user ends it."""
    if len(wanted) != 1 or len(wanted[0].names) > 1:
        raise CliError("you may only specify a single resource type or object with --watch")
    target = wanted[0]
    namespace = _namespace(session, target.resource, options)
    params = options.selection()
    if target.names:
        params["fieldSelector"] = f"metadata.name={target.names[0]}"
        session.api.get(target.resource.path(namespace, target.names[0]))  # NotFound, if so
    accept = TABLE if options.is_table else JSON
    listed = session.api.get(target.resource.path(namespace), params, accept)
    printer = _printer(target, options, several=False)
    if not options.watch_only:
        _show_change(listed, target, options, printer)
    version = listed["metadata"]["resourceVersion"]
    while True:  # a server ends each watch after a while; it goes on where it was
        path = target.resource.path(namespace)
        for _, changed in session.api.events(path, {**params, "resourceVersion": version}, accept):
            _show_change(changed, target, options, printer)
            version = _version(changed) or version


def _version(changed: Tree) -> str:
    rows = changed.get("rows")
    meta = rows[0].get("object", {}).get("metadata", {}) if rows else changed.get("metadata", {})
    return str(meta.get("resourceVersion", ""))


def _show_change(changed: Tree, target: Target, options: Options, printer: TableText) -> None:
    if options.is_table:
        lines = printer.lines(changed) if changed.get("rows") else []
    else:
        items = changed.get("items", [changed])
        said = {"apiVersion": target.resource.api_version, "kind": target.resource.kind}
        trees = [out.without_managed_fields({**said, **item}) for item in items]
        name = target.resource.qualified_singular
        lines = [out.text_of(tree, options.output, name) for tree in trees]
        if options.output == "yaml":
            lines = ["---\n" + line for line in lines]
    for line in lines:
        print(line)
    sys.stdout.flush()
