"""/debug/api_priority_and_fairness/dump_*: levels, queues and waiting requests as tables.

Source: k8s.io/apiserver/pkg/util/flowcontrol/apf_controller_debug.go.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from apiserver.fairness.fairness import Fairness

_NONE = "<none>"
_LEVELS = (
    "PriorityLevelName", "ActiveQueues", "IsIdle", "IsQuiescing", "WaitingRequests",
    "ExecutingRequests",
)  # fmt: skip
_QUEUES = (
    "PriorityLevelName", "Index", "PendingRequests", "ExecutingRequests", "SeatsInUse",
    "NextDispatchR", "InitialSeatsSum", "MaxSeatsSum", "TotalWorkSum",
)  # fmt: skip
_REQUESTS = (
    "PriorityLevelName", "FlowSchemaName", "QueueIndex", "RequestIndexInQueue", "FlowDistingsher",
    "ArriveTime", "InitialSeats", "FinalSeats", "AdditionalLatency",
)  # fmt: skip


def dumps(fairness: Fairness) -> Mapping[str, Callable[[], str]]:
    """The pages by their last path segment."""
    return {
        "dump_priority_levels": lambda: _levels(fairness),
        "dump_queues": lambda: _queues(fairness),
        "dump_requests": lambda: _requests(fairness),
    }


def _levels(fairness: Fairness) -> str:
    rows: list[Sequence[str]] = [_LEVELS]
    for name, state in fairness.levels.items():
        queues = state.queues
        if queues is None:
            rows.append([name, *[_NONE] * (len(_LEVELS) - 1)])
            continue
        active = sum(1 for queue in queues.queues if queue.waiting)
        idle = not queues.waiting and not queues.executing
        numbers = (active, str(idle).lower(), "false", queues.waiting, queues.executing)
        rows.append([name, *map(str, numbers)])
    return _table(rows)


def _queues(fairness: Fairness) -> str:
    rows: list[Sequence[str]] = [_QUEUES]
    for name, state in fairness.levels.items():
        if state.queues is None:
            rows.append([name, *[_NONE] * (len(_QUEUES) - 1)])
            continue
        for index, queue in enumerate(state.queues.queues):
            widest = max((ticket.seats for ticket in queue.waiting), default=0)
            rows.append(
                [
                    name, str(index), str(len(queue.waiting)), str(queue.executing),
                    str(queue.executing_seats), f"{queue.next_start:.8f}ss",
                    str(queue.waiting_seats), str(widest), "0.00000000ss",
                ]
            )  # fmt: skip
    return _table(rows)


def _requests(fairness: Fairness) -> str:
    rows: list[Sequence[str]] = [_REQUESTS]
    now, monotonic = datetime.now(UTC), time.monotonic()
    waiting = fairness.waiting()
    for name, state in fairness.levels.items():
        for number, queue in enumerate(state.queues.queues if state.queues else ()):
            for index, ticket in enumerate(queue.waiting):
                place = waiting.get(ticket)
                if place is None:
                    continue  # it is about to wait
                arrived = now - timedelta(seconds=monotonic - ticket.arrived_at)
                seats = str(ticket.seats)
                rows.append(
                    [
                        name, place.schema.name, str(number), str(index), place.flow,
                        f"{arrived:%Y-%m-%dT%H:%M:%S.%fZ}", seats, "0", "0s",
                    ]
                )  # fmt: skip
    return _table(rows)


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, a comma behind each but the last."""
    widths = [max(len(row[column]) for row in rows) + 2 for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [f"{cell},".ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        lines.append("".join((*cells, row[-1])))
    return "\n".join((*lines, ""))
