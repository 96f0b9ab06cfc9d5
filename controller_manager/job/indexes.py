"""Sets of completion indexes, and how the wire writes them: `1,3-5,7`. Pure.

Two neighbours are written with a comma, three or more as a range.

Source: upstream's pkg/controller/job/indexed_job_utils.
"""

from __future__ import annotations

from collections.abc import Iterable

from wherry.api.core_v1 import Pod

COMPLETION_INDEX = "batch.kubernetes.io/job-completion-index"


def parse(text: str, completions: int) -> frozenset[int]:
    """The indexes below `completions`; a piece that is no number is passed over."""
    found: set[int] = set()
    for piece in text.split(",") if text else ():
        first, _, last = piece.partition("-")
        try:
            begin, end = int(first), int(last or first)
        except ValueError:
            continue
        found.update(range(max(0, begin), min(end, completions - 1) + 1))
    return frozenset(found)


def render(indexes: Iterable[int]) -> str:
    runs: list[list[int]] = []
    for index in sorted(indexes):
        if runs and index == runs[-1][1] + 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return ",".join(_run(first, last) for first, last in runs)


def _run(first: int, last: int) -> str:
    if first == last:
        return str(first)
    return f"{first}{',' if last == first + 1 else '-'}{last}"


def index_of(pod: Pod, completions: int) -> int | None:
    """The pod's completion index; None when it has none below `completions`."""
    text = pod.metadata.annotations.get(COMPLETION_INDEX, "")
    if not (text.isascii() and text.isdigit()):
        return None
    index = int(text)
    return index if index < completions else None


def of_pods(pods: Iterable[Pod], completions: int) -> set[int]:
    """The indexes that the pods have."""
    found = (index_of(pod, completions) for pod in pods)
    return {index for index in found if index is not None}


def first_free(taken: set[int], count: int, completions: int) -> list[int]:
    """The lowest `count` indexes below `completions` that are not taken."""
    free: list[int] = []
    for index in range(completions):
        if len(free) >= count:
            break
        if index not in taken:
            free.append(index)
    return free
