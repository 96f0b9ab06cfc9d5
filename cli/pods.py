"""Finding the pod and the container a command means.

Source: k8s.io/kubectl/pkg/polymorphichelpers, pkg/cmd/util/podcmd.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from cli.discovery import Resource
from cli.errors import CliError
from cli.http import Tree
from cli.session import Session

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


def selector_text(selector: Mapping[str, Any]) -> str:
    """A LabelSelector as a query's labelSelector."""
    words = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for one in selector.get("matchExpressions") or ():
        key, operator = one["key"], one["operator"]
        if operator in ("In", "NotIn"):
            word = "in" if operator == "In" else "notin"
            words.append(f"{key} {word} ({','.join(one.get('values', ()))})")
        else:
            words.append(key if operator == "Exists" else f"!{key}")
    return ",".join(words)


def pods_of(session: Session, resource: Resource, name: str) -> list[Tree]:
    """The pod itself, or the pods that a workload or Service selects; ready ones first."""
    tree = session.api.get(resource.path(session.namespace, name))
    if resource.kind == "Pod":
        return [tree]
    selector = tree.get("spec", {}).get("selector")
    if not selector:
        raise CliError(f"cannot find pods of {resource.qualified_singular}/{name}")
    if not {"matchLabels", "matchExpressions"} & set(selector):
        selector = {"matchLabels": selector}  # a Service's
    return select(session, selector_text(selector))


def select(session: Session, labels: str, fields: str = "") -> list[Tree]:
    """The namespace's pods with these labels, ready ones first."""
    pods = session.catalogue.resource("pods")
    params = {"labelSelector": labels, "fieldSelector": fields}
    chosen = {key: value for key, value in params.items() if value}
    found: list[Tree] = session.api.get(pods.path(session.namespace), chosen)["items"]
    return sorted(found, key=lambda pod: not _is_ready(pod))


def _is_ready(pod: Tree) -> bool:
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def containers(pod: Tree, *, init: bool = True) -> list[str]:
    """The names of a pod's containers, in the order they run."""
    spec = pod["spec"]
    first = spec.get("initContainers") or () if init else ()
    rest = (*spec["containers"], *(spec.get("ephemeralContainers") or ()))
    return [one["name"] for one in (*first, *rest)]


def default_container(pod: Tree, *, quiet: bool = False) -> str:
    """The container meant when none is named; says so when there was a choice."""
    annotations = pod["metadata"].get("annotations") or {}
    marked = annotations.get(DEFAULT_CONTAINER)
    names = containers(pod)
    if marked in names:
        return str(marked)
    regular = containers(pod, init=False)
    if len(names) > 1 and not quiet:
        init = [f"{name} (init)" for name in names if name not in regular]
        choice = ", ".join([*regular, *init])
        sys.stderr.write(f'Defaulted container "{regular[0]}" out of: {choice}\n')
    return regular[0]


def check_container(pod: Tree, name: str) -> str:
    if name not in containers(pod):
        where = f"pod {pod['metadata']['name']}"
        raise CliError(f"container {name} is not valid for {where}")
    return name
