"""What really happened, from etcd's own log, and what must not have. The checks are pure."""

from __future__ import annotations

import base64
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

READ_SECONDS_MAX = 60.0
INDEX = "batch.kubernetes.io/job-completion-index"

Tree = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """One write of a pod: its state before and after; None where there was or is none."""

    revision: int
    key: str
    before: Tree | None
    after: Tree | None


async def steps_of(etcd_url: str, since: int, namespace: str, last_key: str) -> list[Step]:
    """All writes of the namespace's pods since a revision, up to the making of `last_key`."""
    found: list[Step] = []
    now: dict[str, Tree] = {}
    async for revision, key, tree in _log(etcd_url, since):
        if key == last_key:
            return found
        if key.startswith(f"/registry/pods/{namespace}/"):
            found.append(Step(revision, key, now.get(key), tree))
            if tree is None:
                now.pop(key, None)
            else:
                now[key] = tree
    raise AssertionError(f"{last_key} was never made")


async def _log(etcd_url: str, since: int):
    """(revision, key, object or None) of every write, by etcd's JSON gateway."""
    request = {
        "create_request": {
            "key": base64.b64encode(b"/registry/").decode(),
            "range_end": base64.b64encode(b"/registry0").decode(),
            "start_revision": str(since),
        }
    }
    async with (
        httpx.AsyncClient(timeout=READ_SECONDS_MAX) as client,
        client.stream("POST", f"{etcd_url}/v3/watch", json=request) as answer,
    ):
        async for line in answer.aiter_lines():
            for event in orjson.loads(line)["result"].get("events", ()):
                entry = event["kv"]
                gone = event.get("type") == "DELETE"
                value = None if gone else orjson.loads(base64.b64decode(entry["value"]))
                yield int(entry["mod_revision"]), base64.b64decode(entry["key"]).decode(), value


async def revision_of(etcd_url: str) -> int:
    """The next write's revision."""
    async with httpx.AsyncClient(timeout=READ_SECONDS_MAX) as client:
        body = {"key": base64.b64encode(b"/registry/").decode()}
        answer = await client.post(f"{etcd_url}/v3/kv/range", json=body)
        return int(answer.json()["header"]["revision"]) + 1


# -- questions about one pod


def is_alive(pod: Tree | None) -> bool:
    if pod is None or "deletionTimestamp" in pod["metadata"]:
        return False
    return pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")


def is_ready(pod: Tree | None) -> bool:
    conditions = (pod or {}).get("status", {}).get("conditions", ())
    return is_alive(pod) and any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def is_of(app: str) -> Callable[[Tree | None], bool]:
    return lambda pod: pod is not None and pod["metadata"].get("labels", {}).get("app") == app


def _states(steps: Iterable[Step], mine: Callable[[Tree | None], bool]) -> Iterator[tuple[Step, dict[str, Tree]]]:  # fmt: skip
    """Each step of the pods asked for, with all of them as they are after it."""
    now: dict[str, Tree] = {}
    for step in steps:
        if not (mine(step.before) or mine(step.after)):
            continue
        if step.after is None:
            now.pop(step.key, None)
        else:
            now[step.key] = step.after
        yield step, now


# -- what must hold at every instant


def never_more_than(steps: Iterable[Step], app: str, most: int) -> None:
    for step, now in _states(steps, is_of(app)):
        alive = sum(map(is_alive, now.values()))
        assert alive <= most, f"{app}: {alive} pods at revision {step.revision}, {most} may be"


def never_taken_below(steps: Iterable[Step], app: str, least: int) -> int:
    """No ready pod is taken away when only `least` are ready; how many were taken."""
    taken = 0
    for step, now in _states(steps, is_of(app)):
        if is_ready(step.before) and not is_alive(step.after):
            taken += 1
            ready = sum(map(is_ready, now.values()))
            assert ready >= least, f"{app}: {ready} ready at revision {step.revision}"
    return taken


def one_at_a_time(steps: Iterable[Step], app: str, place: Callable[[Tree], str]) -> None:
    """Never two live pods of one place (an index, an ordinal, a node)."""
    for step, now in _states(steps, is_of(app)):
        places = Counter(place(pod) for pod in now.values() if is_alive(pod))
        twice = [where for where, count in places.items() if count > 1]
        assert not twice, f"{app}: two pods of {twice} at revision {step.revision}"


def index_of(pod: Tree) -> str:
    owner = next(ref["name"] for ref in pod["metadata"]["ownerReferences"])
    return f"{owner}/{pod['metadata']['annotations'][INDEX]}"


def each_once(steps: Iterable[Step], app: str) -> Counter[str]:
    """How many indexes of each Job succeeded; none does twice."""
    winners: dict[str, set[str]] = defaultdict(set)
    for step, _ in _states(steps, is_of(app)):
        pod = step.after
        if pod is not None and pod.get("status", {}).get("phase") == "Succeeded":
            winners[index_of(pod)].add(pod["metadata"]["uid"])
    twice = [index for index, uids in winners.items() if len(uids) > 1]
    assert not twice, f"indexes that succeeded twice: {twice}"
    return Counter(index.partition("/")[0] for index in winners)


def nobody_forced_out(steps: Iterable[Step], confirmed: Collection[str]) -> None:
    """A pod that ran goes when its kubelet says so, and not before."""
    for step in steps:
        pod = step.before
        if step.after is None and pod is not None and pod["spec"].get("nodeName"):
            uid, phase = pod["metadata"]["uid"], pod.get("status", {}).get("phase")
            ended = phase in ("Succeeded", "Failed")
            assert ended or uid in confirmed, f"{step.key} was forced out at {step.revision}"
