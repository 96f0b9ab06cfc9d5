"""`wherry leave`: a node's pods are asked to go, then everything of the cluster goes from this machine.

The node does it with its own rights: it may evict its pods (budgets count) and cordon itself. Its Node
it may not delete, as upstream has it (else it could shed what an administrator wrote on it); who shows
an administrator's kubeconfig has it deleted, too.

Source: kubectl drain, cmd/kubeadm/app/cmd/reset.go.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import httpx

from deploy import host as machine
from deploy.discovery import reason
from deploy.host import Host
from deploy.join import LEFT
from deploy.member import Member
from deploy.nodes import MERGE, connect
from deploy.preflight import Problem, need_root

MIRROR: Final = "kubernetes.io/config.mirror"
POLL_SECONDS: Final = 0.5

Say = Callable[[str], None]
Tree = dict[str, Any]


def to_evict(pods: Iterable[Tree]) -> list[Tree]:
    """The pods that are asked to go: not a file's, not a DaemonSet's, not those that have ended. Pure."""
    found = []
    for pod in pods:
        metadata = pod["metadata"]
        owners = metadata.get("ownerReferences") or ()
        if MIRROR in (metadata.get("annotations") or {}):
            continue
        if any(one.get("controller") and one["kind"] == "DaemonSet" for one in owners):
            continue
        if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
            continue
        found.append(pod)
    return found


def leave(
    host: Host, say: Say, *, force: bool, drain_seconds: float, admin: Path | None = None
) -> None:
    """Drain within the deadline, delete the Node if we may, remove everything from this machine.

    force: go on when the API server is not reached
    """
    need_root()
    member = Member.read(host.config_dir)
    if member is None:
        raise Problem("this machine has joined no cluster", "wherry join HOST:6443 ...")
    name = member.node.name
    try:
        with connect(member.kubeconfig) as client:
            _drain(client, name, drain_seconds, say)
    except (httpx.HTTPError, OSError) as error:
        words = reason(error)
        if not force:
            raise Problem(
                f"the API server at {member.server} is not reached: {words}", "wherry leave --force"
            ) from error
        say(f"not drained: {words}")
    deleted = _deleted(admin, name, say)
    machine.down(host, purge=True, say=say)
    if not deleted:
        say(
            f"node {name} is left behind in the cluster; where you administer it: wherry delete node {name}"
        )


def _drain(client: httpx.Client, name: str, seconds: float, say: Say) -> None:
    """Cordon, then evict until all are gone or the time is over."""
    patch = {"metadata": {"annotations": {LEFT: "true"}}, "spec": {"unschedulable": True}}
    answer = client.patch(f"/api/v1/nodes/{name}", json=patch, headers=MERGE)
    if answer.status_code == 404:
        return  # deleted already: its pods are nobody's
    answer.raise_for_status()
    deadline, first = time.monotonic() + seconds, 0
    while True:
        pods = to_evict(_pods(client, name))
        first = first or len(pods)
        if not pods:
            break
        if time.monotonic() > deadline:
            names = ", ".join(sorted(pod["metadata"]["name"] for pod in pods)[:5])
            say(f"{len(pods)} pod(s) did not go in {seconds:.0f} s and are stopped: {names}")
            return
        for pod in pods:
            if not pod["metadata"].get("deletionTimestamp"):
                _evict(client, pod["metadata"])
        time.sleep(POLL_SECONDS)
    say(f"drained node {name}: {first} pod(s) went")


def _pods(client: httpx.Client, name: str) -> list[Tree]:
    answer = client.get("/api/v1/pods", params={"fieldSelector": f"spec.nodeName={name}"})
    items: list[Tree] = answer.raise_for_status().json()["items"]
    return items


def _evict(client: httpx.Client, metadata: Tree) -> None:
    """Ask once; a budget that does not allow it yet (429) is asked again in the next round."""
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/eviction"
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
    }
    answer = client.post(path, json=body)
    if answer.status_code not in (404, 409, 429):
        answer.raise_for_status()


def _deleted(admin: Path | None, name: str, say: Say) -> bool:
    """Whether an administrator's kubeconfig was given, and let the Node be deleted."""
    if admin is None:
        return False
    with connect(admin) as client:
        try:
            answer = client.delete(f"/api/v1/nodes/{name}")
            if answer.status_code != 404:
                answer.raise_for_status()
        except httpx.HTTPError as error:
            say(f"node {name} can't be deleted: {reason(error)}")
            return False
    say(f"deleted node {name}")
    return True
