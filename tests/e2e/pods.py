"""Many pods made at once in one namespace, and questions to each of them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.e2e.support import IMAGE, Cluster, wait

# A starved machine takes its time; a pod that is well gets there in a second or two.
SECONDS_MAX = 90.0
SLEEP = "trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done"

Tree = dict[str, Any]


def container(script: str = SLEEP, name: str = "c", **more: Any) -> Tree:
    """A container that runs a shell script."""
    return {"name": name, "image": IMAGE, "command": ["sh", "-c", script], **more}


def pod(pod_name: str, *containers: Tree, **spec: Any) -> Tree:
    """A pod of these (else of one that sleeps). `metadata` in `spec` adds to its own."""
    metadata = {"name": pod_name, **spec.pop("metadata", {})}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": False,
            "containers": list(containers) or [container()],
            **spec,
        },
    }


def once(pod_name: str, script: str, **more: Any) -> Tree:
    """A pod whose one container runs a script to its end."""
    spec = more.pop("spec", {})
    return pod(pod_name, container(script, **more), restartPolicy="Never", **spec)


class Pods:
    """The pods of one namespace."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace

    def kubectl(self, *words: str, **more: Any) -> str:
        return self.cluster.kubectl("-n", self.namespace, *words, **more)

    def get(self, name: str) -> Tree:
        found: Tree = self.cluster.get("pod", name, "-n", self.namespace)
        return found

    def until(self, name: str, holds: Callable[[Tree], Any], why: str = "") -> Tree:
        """The pod as soon as this is true of its status (of all of it, with a False answer first)."""
        seen: list[Tree] = []

        def look() -> Any:
            seen[:] = [self.get(name)]
            return holds(seen[0]["status"])

        try:
            wait(look, why or f"pod {name}", timeout=SECONDS_MAX)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{seen[0]['status']}\n{self.events(name)}") from error
        return seen[0]

    def ready(self, name: str) -> Tree:
        return self.until(name, is_ready, f"pod {name} ready")

    def ended(self, name: str, phase: str = "Succeeded") -> Tree:
        return self.until(name, lambda s: s.get("phase") == phase, f"pod {name} {phase}")

    def said(self, name: str, container: str = "c", phase: str = "Succeeded") -> list[str]:
        """The output of a pod that has run to its end, by lines."""
        self.ended(name, phase)
        return self.kubectl("logs", name, "-c", container).splitlines()

    def run(self, name: str, *command: str, container: str = "c") -> str:
        return self.kubectl("exec", name, "-c", container, "--", *command)

    def events(self, name: str) -> list[tuple[str, str]]:
        """(reason, message) of the events about a pod."""
        found = self.cluster.get(
            "events", "-n", self.namespace, "--field-selector", f"involvedObject.name={name}"
        )
        return [(event["reason"], event["message"]) for event in found["items"]]

    def told(self, name: str, reason: str, words: str) -> None:
        """Wait for an event with this reason and these words in it."""
        try:
            wait(
                lambda: any(r == reason and words in text for r, text in self.events(name)),
                f"event {reason} of {name}", timeout=SECONDS_MAX, every=0.5,
            )  # fmt: skip
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.events(name)}") from error

    def engine_record(self, name: str, container: str = "c") -> Tree:
        """What the engine says of a container that runs (or ran last)."""
        found = self.get(name)
        machine = found["spec"]["nodeName"]
        statuses = [*found["status"].get("initContainerStatuses", ()),
                    *found["status"]["containerStatuses"]]  # fmt: skip
        id = next(one["containerID"] for one in statuses if one["name"] == container)
        attrs: Tree = self.cluster.docker(machine).containers.get(id.partition("//")[2]).attrs
        return attrs


def is_ready(status: Tree) -> bool:
    return condition(status, "Ready").get("status") == "True"


def condition(status: Tree, type: str) -> Tree:
    found = (one for one in status.get("conditions", ()) if one["type"] == type)
    return next(found, {})


def state(status: Tree, index: int = 0) -> Tree:
    """The only entry of a container's state, with its key as `is`."""
    statuses = status.get("containerStatuses") or []
    if index >= len(statuses):
        return {"is": ""}
    ((word, tree),) = statuses[index]["state"].items()
    return {"is": word, **tree}


def waits(reason: str) -> Callable[[Tree], bool]:
    return lambda status: state(status).get("reason") == reason


@contextmanager
def made(cluster: Cluster, name: str, *objects: Tree) -> Iterator[Pods]:
    """A namespace with these objects in it, until the end of the block."""
    wait(lambda: not cluster.get("pods", "-A")["items"], "an empty cluster", timeout=SECONDS_MAX)
    namespace = f"{name}-{secrets.token_hex(3)}"
    cluster.kubectl("create", "namespace", namespace)
    try:
        wait(
            lambda: "default" in cluster.kubectl("get", "sa", "-n", namespace, "-o", "name"),
            "the namespace's service account",
        )
        items = [
            {**one, "metadata": {**one["metadata"], "namespace": namespace}} for one in objects
        ]
        cluster.apply({"apiVersion": "v1", "kind": "List", "items": items})
        yield Pods(cluster, namespace)
    finally:
        cluster.kubectl("delete", "namespace", namespace, "--wait=false")
        at_once = ("--grace-period=0", "--force", "--wait=false")
        cluster.kubectl("delete", "pods", "--all", "-n", namespace, *at_once, check=False)
