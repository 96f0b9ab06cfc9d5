"""`wherry describe`: one object (or several) with what surrounds it and what happened to it.

Source: k8s.io/kubectl/pkg/cmd/describe.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Annotated

from cli.describe.config import describe_config_map, describe_secret
from cli.describe.generic import describe_object
from cli.describe.node import describe_node
from cli.describe.pod import describe_pod
from cli.describe.service import describe_service
from cli.describe.workloads import describe_deployment, describe_replica_set
from cli.discovery import Resource
from cli.errors import CliError, api_words
from cli.http import Tree
from cli.options import Argument, Exit, Option
from cli.pods import selector_text
from cli.session import Session
from cli.targets import targets
from wherry.api.errors import ApiError

LEASES = "kube-node-lease"


def describe(
    session: Session,
    words: Annotated[list[str], Argument("KIND [NAME...] | KIND/NAME...")],
    selector: Annotated[str, Option("-l", "--selector", help="By labels.")] = "",
    all_namespaces: Annotated[bool, Option("-A", "--all-namespaces")] = False,
    show_events: Annotated[bool, Option("--show-events/--no-show-events")] = True,
) -> None:
    """Show objects at length, with their events."""
    shown, failed = 0, False
    for target in targets(words, session.catalogue):
        resource = target.resource
        namespace = session.namespace if resource.namespaced and not all_namespaces else ""
        trees: list[Tree] = []
        for name in target.names:
            try:
                trees.append(session.api.get(resource.path(namespace, name)))
            except ApiError as error:
                found = _by_prefix(session, resource, namespace, name) if error.reason == "NotFound" else []  # fmt: skip
                if not found:
                    sys.stderr.write(api_words(error) + "\n")
                    failed = True
                trees += found
        if not target.names:
            params = {"labelSelector": selector} if selector else None
            trees = session.api.get(resource.path(namespace), params)["items"]
        for tree in trees:
            text = _text(session, resource, {"apiVersion": resource.api_version, "kind": resource.kind, **tree}, show_events)  # fmt: skip
            sys.stdout.write(("\n\n" if shown else "") + text + "\n")
            shown += 1
    if not shown and not failed:
        sys.stderr.write(f"No resources found in {session.namespace} namespace.\n")
    if failed:
        raise Exit(1)


def _by_prefix(session: Session, resource: Resource, namespace: str, name: str) -> list[Tree]:
    """As kubectl: a name that isn't there may be the beginning of some."""
    items = session.api.get(resource.path(namespace))["items"]
    return [item for item in items if item["metadata"]["name"].startswith(name)]


def _events(session: Session, tree: Tree) -> list[Tree]:
    meta = tree["metadata"]
    fields = {
        "involvedObject.name": meta["name"],
        "involvedObject.kind": tree["kind"],
        "involvedObject.namespace": meta.get("namespace", ""),
        # events of a node carry its name as uid
        "involvedObject.uid": "" if tree["kind"] == "Node" else meta["uid"],
    }
    text = ",".join(f"{key}={value}" for key, value in fields.items() if value)
    resource = session.catalogue.kind("v1", "Event")
    if resource is None:
        raise CliError("the server knows no events")
    path = resource.path(meta.get("namespace", ""))
    found: list[Tree] = session.api.get(path, {"fieldSelector": text})["items"]
    return found


def _text(session: Session, resource: Resource, tree: Tree, show_events: bool) -> str:
    events = _events(session, tree) if show_events else []
    now = datetime.now(UTC)
    meta = tree["metadata"]
    kind = resource.kind if resource.group in ("", "apps") else ""
    if kind == "Pod":
        return describe_pod(tree, events, now)
    if kind == "Deployment":
        sets = _selected(session, "replicasets.apps", meta["namespace"], selector_text(tree["spec"]["selector"]))  # fmt: skip
        return describe_deployment(tree, sets, events, now)
    if kind == "ReplicaSet":
        pods = _selected(session, "pods", meta["namespace"], selector_text(tree["spec"]["selector"]))  # fmt: skip
        return describe_replica_set(tree, pods, events, now)
    if kind == "Service":
        label = f"kubernetes.io/service-name={meta['name']}"
        slices = _selected(session, "endpointslices.discovery.k8s.io", meta["namespace"], label)
        return describe_service(tree, slices, events, now)
    if kind == "Node":
        pods = _on_node(session, meta["name"])
        return describe_node(tree, _lease(session, meta["name"]), pods, events, now)
    if kind == "ConfigMap":
        return describe_config_map(tree, events, now)
    return describe_secret(tree) if kind == "Secret" else describe_object(tree, events, now)


def _selected(session: Session, word: str, namespace: str, labels: str) -> list[Tree]:
    path = session.catalogue.resource(word).path(namespace)
    found: list[Tree] = session.api.get(path, {"labelSelector": labels})["items"]
    return found


def _on_node(session: Session, name: str) -> list[Tree]:
    path = session.catalogue.resource("pods").path()
    found: list[Tree] = session.api.get(path, {"fieldSelector": f"spec.nodeName={name}"})["items"]
    return found


def _lease(session: Session, name: str) -> Tree | None:
    try:
        return session.api.get(session.catalogue.resource("leases").path(LEASES, name))
    except ApiError as error:
        if error.reason == "NotFound":
            return None
        raise
