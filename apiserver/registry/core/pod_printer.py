"""Table rows of pods: what a pod is doing, in one word.

Source: printPod of pkg/printers/internalversion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from apiserver.registry.printing import AGE, NAME, NONE, age, created
from apiserver.registry.strategy import Column

COLUMNS: Final = (
    NAME,
    Column("Ready", description="Ready containers of all."),
    Column("Status", description="What the pod is doing, or what keeps it from it."),
    Column("Restarts", description="How often its containers were restarted, and when last."),
    AGE,
    Column("IP", description="Its first address.", priority=1),
    Column("Node", description="Where it runs.", priority=1),
    Column("Nominated Node", description="Where room is being made for it.", priority=1),
    Column("Readiness Gates", description="Conditions from outside that hold.", priority=1),
)
_TERMINAL: Final = ("Succeeded", "Failed")

Tree = Mapping[str, Any]


@dataclass
class _Tally:
    """What the container statuses add up to so far."""

    reason: str
    restarts: int = 0
    last_restart: str = ""
    ready: int = 0

    def count(self, status: Tree) -> None:
        self.restarts += status["restartCount"]
        ended = status.get("lastState", {}).get("terminated") or {}
        self.last_restart = max(self.last_restart, ended.get("finishedAt") or "")


def pod_row(tree: Tree, now: datetime) -> Sequence[Any]:
    """The cells of a pod's row."""
    spec, status = tree["spec"], tree["status"]
    sidecars = {
        one["name"]
        for one in spec.get("initContainers", ())
        if one.get("restartPolicy") == "Always"
    }
    tally = _tally(spec, status, sidecars)
    total = len(spec.get("containers") or ()) + len(sidecars)
    restarts = str(tally.restarts)
    if tally.restarts and tally.last_restart:
        restarts += f" ({age(tally.last_restart, now)} ago)"
    return (
        tree["metadata"]["name"],
        f"{tally.ready}/{total}",
        _final_reason(tree, tally.reason),
        restarts,
        created(tree, now),
        status.get("podIP") or NONE,
        spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE,
        _gates(spec.get("readinessGates", ()), status),
    )


def _tally(spec: Tree, status: Tree, sidecars: set[str]) -> _Tally:
    reason = status.get("reason") or status.get("phase", "")
    if any(
        one["type"] == "PodScheduled" and one.get("reason") == "SchedulingGated"
        for one in status.get("conditions", ())
    ):
        reason = "SchedulingGated"
    tally, restartable = _Tally(reason), _Tally(reason)
    initializing = _init_containers(spec, status, sidecars, tally, restartable)
    if not initializing or _condition(status, "Initialized"):
        restartable.reason, restartable.ready = tally.reason, tally.ready
        tally = restartable
        _containers(status, tally)
    return tally


def _init_containers(
    spec: Tree, status: Tree, sidecars: set[str], tally: _Tally, restartable: _Tally
) -> bool:
    """Tally init containers; answers whether one of them is what the pod waits for."""
    for index, one in enumerate(status.get("initContainerStatuses", ())):
        tally.count(one)
        if one["name"] in sidecars:
            restartable.count(one)
        state = one.get("state", {})
        terminated, waiting = state.get("terminated"), state.get("waiting") or {}
        if terminated and not terminated["exitCode"]:
            continue
        if one["name"] in sidecars and one.get("started"):
            tally.ready += bool(one["ready"])
            continue
        if terminated:
            tally.reason = f"Init:{_ended(terminated)}"
        elif waiting.get("reason") and waiting["reason"] != "PodInitializing":
            tally.reason = f"Init:{waiting['reason']}"
        else:
            tally.reason = f"Init:{index}/{len(spec.get('initContainers', ()))}"
        return True
    return False


def _containers(status: Tree, tally: _Tally) -> None:
    running = False
    for one in reversed(status.get("containerStatuses", ())):
        tally.count(one)
        state = one.get("state", {})
        if (state.get("waiting") or {}).get("reason"):
            tally.reason = state["waiting"]["reason"]
        elif state.get("terminated"):
            tally.reason = _ended(state["terminated"])
        elif one["ready"] and state.get("running") is not None:
            running = True
            tally.ready += 1
    if tally.reason == "Completed" and running:
        tally.reason = "Running" if _condition(status, "Ready") else "NotReady"


def _ended(terminated: Tree) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated['exitCode']}"


def _final_reason(tree: Tree, reason: str) -> str:
    """A pod that is being deleted says so, whatever its containers do."""
    if not tree["metadata"].get("deletionTimestamp"):
        return reason
    if tree["status"].get("reason") == "NodeLost":
        return "Unknown"
    return reason if tree["status"].get("phase") in _TERMINAL else "Terminating"


def _condition(status: Tree, kind: str) -> bool:
    return any(
        one["type"] == kind and one["status"] == "True" for one in status.get("conditions", ())
    )


def _gates(gates: Sequence[Tree], status: Tree) -> str:
    if not gates:
        return NONE
    return f"{sum(_condition(status, one['conditionType']) for one in gates)}/{len(gates)}"
