"""`wherry create`: new objects, from files or from a few words.

Source: k8s.io/kubectl/pkg/cmd/create.
"""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

from cli import output as out
from cli.errors import CliError, api_words
from cli.http import Tree
from cli.manifests import Manifest, read
from cli.options import Argument, Exit, Option
from cli.session import Session
from wherry.api.errors import ApiError

FIELD_MANAGER = "kubectl-create"

DryRun = Annotated[str, Option("--dry-run", help="none, client or server.")]
Output = Annotated[str, Option("-o", "--output", help="yaml, json or name.")]
Name = Annotated[str, Argument("NAME")]
Literals = Annotated[list[str] | None, Option("--from-literal", help="key=value")]
Files = Annotated[list[str] | None, Option("--from-file", help="[key=]path, or a folder")]


def create(
    session: Session,
    filename: Annotated[
        list[str] | None, Option("-f", "--filename", help="File, folder or -.")
    ] = None,
    recursive: Annotated[bool, Option("-R", "--recursive")] = False,
    dry_run: DryRun = "none",
    output: Output = "",
) -> None:
    """Create objects from files, or one from words."""
    failed = False
    for manifest in read(session, filename or [], recursive=recursive):
        try:
            _create(session, manifest, dry_run, output)
        except ApiError as error:
            sys.stderr.write(api_words(error, f'error when creating "{manifest.source}"') + "\n")
            failed = True
    if failed:
        raise Exit(1)


def namespace(session: Session, name: Name, dry_run: DryRun = "none", output: Output = "") -> None:
    """Create a namespace."""
    _create_tree(session, {"apiVersion": "v1", "kind": "Namespace"}, name, dry_run, output)


def configmap(
    session: Session,
    name: Name,
    from_literal: Literals = None,
    from_file: Files = None,
    dry_run: DryRun = "none",
    output: Output = "",
) -> None:
    """Create a ConfigMap from texts and files."""
    tree: Tree = {"apiVersion": "v1", "kind": "ConfigMap"}
    for key, data in entries(from_literal or (), from_file or ()):
        try:
            tree.setdefault("data", {})[key] = data.decode()
        except UnicodeDecodeError:
            tree.setdefault("binaryData", {})[key] = base64.b64encode(data).decode()
    _create_tree(session, tree, name, dry_run, output)


def secret(
    session: Session,
    kind: Annotated[str, Argument("generic")],
    name: Name,
    from_literal: Literals = None,
    from_file: Files = None,
    dry_run: DryRun = "none",
    output: Output = "",
) -> None:
    """Create a Secret from texts and files."""
    if kind != "generic":
        raise CliError(f'unknown kind of secret "{kind}"; only generic is known')
    pairs = entries(from_literal or (), from_file or ())
    data = {key: base64.b64encode(value).decode() for key, value in pairs}
    tree: Tree = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque"}
    _create_tree(session, {**tree, "data": data} if data else tree, name, dry_run, output)


def deployment(
    session: Session,
    name: Name,
    image: Annotated[list[str], Option("--image", help="One per container.")],
    replicas: Annotated[int, Option("-r", "--replicas")] = 1,
    port: Annotated[int | None, Option("--port", help="The container's port.")] = None,
    dry_run: DryRun = "none",
    output: Output = "",
) -> None:
    """Create a Deployment of an image."""
    _create_tree(session, deployment_tree(name, image, replicas, port), name, dry_run, output)


def deployment_tree(name: str, images: Sequence[str], replicas: int, port: int | None) -> Tree:
    """The smallest Deployment of these images."""
    containers = []
    for image in images:
        short = image.rsplit("/", 1)[-1].partition("@")[0].partition(":")[0]
        container: Tree = {"name": short.replace("_", "-").replace(".", "-"), "image": image}
        containers.append({**container, "ports": [{"containerPort": port}]} if port else container)
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        },
    }


def entries(literals: Sequence[str], files: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """The keys and contents that `--from-literal` and `--from-file` name."""
    for literal in literals:
        key, equals, value = literal.partition("=")
        if not equals or not key:
            raise CliError(f"invalid literal source {literal}, expected key=value")
        yield key, value.encode()
    for text in files:
        key, equals, place = text.partition("=")
        path = Path(place if equals else text)
        if path.is_dir():
            yield from ((one.name, one.read_bytes()) for one in sorted(path.iterdir()) if one.is_file())  # fmt: skip
            continue
        try:
            yield (key if equals else path.name), path.read_bytes()
        except OSError as error:
            raise CliError(f"error reading {path}: {error.strerror}") from error


def _create_tree(session: Session, tree: Tree, name: str, dry_run: str, output: str) -> None:
    resource = session.catalogue.kind(tree["apiVersion"], tree["kind"])
    if resource is None:
        raise CliError(f'the server doesn\'t know the kind "{tree["kind"]}"')
    space = session.namespace if resource.namespaced else ""
    meta: dict[str, Any] = {**tree.get("metadata", {}), "name": name}
    tree = {**tree, "metadata": {**meta, "namespace": space} if space else meta}
    _create(session, Manifest(tree, name, resource, space), dry_run, output)


def _create(session: Session, manifest: Manifest, dry_run: str, output: str) -> None:
    out.check_format(output, ("json", "name", "yaml"))
    params = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}
    if dry_run == "server":
        params["dryRun"] = "All"
    tree = manifest.tree
    if dry_run != "client":
        path = manifest.resource.path(manifest.namespace)
        tree = session.api.request("POST", path, params=params, body=tree)
    if output:
        tree = out.without_managed_fields(tree)
        print(out.text_of(tree, output, manifest.resource.qualified_singular))
        return
    note = "" if dry_run == "none" else f" ({dry_run} dry run)"
    made = f"{manifest.resource.qualified_singular}/{tree['metadata'].get('name', '')}"
    print(f"{made} created{note}")


VERBS = {
    "namespace": namespace, "ns": namespace, "configmap": configmap, "cm": configmap,
    "secret": secret, "deployment": deployment, "deploy": deployment,
}  # fmt: skip
