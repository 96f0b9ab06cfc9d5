"""What one pod was promised of the node, and its resizes on their way.

`consider` asks the node (`judge`) whenever the pod wishes for other resources than it was promised;
`resize.py` says what that means.
"""

from __future__ import annotations

from collections.abc import Callable

from kubelet.pods import resize
from kubelet.pods.conditions import RESIZE_IN_PROGRESS
from kubelet.pods.resize import Refusal
from wherry.api.core_v1 import Pod, PodStatus

Judge = Callable[[Pod], Refusal | None]
Say = Callable[[str, str, str], None]  # (event type, reason, message)


class PodAllocation:
    """One pod's. `agreed(pod)` is the pod with what it was promised instead of what it wishes."""

    def __init__(self, pod: Pod, judge: Judge, say: Say) -> None:
        self._judge = judge
        self._say = say
        self._promised = resize.first_allocation(pod)
        self._last: tuple[Pod, Pod] | None = None
        self.refused: Refusal | None = None

    def agreed(self, pod: Pod) -> Pod:
        if self._last is None or self._last[0] is not pod:
            self._last = (pod, resize.with_allocation(pod, self._promised))
        return self._last[1]

    def consider(self, pod: Pod) -> bool:
        """Promise what the pod wishes, if there is room; True when that changed something."""
        if resize.wished(pod) == self._promised:
            self.refused = None
            return False
        before, self.refused = self.refused, self._judge(pod)
        if self.refused is None:
            self._promised, self._last = resize.wished(pod), None
            self._say("Normal", "ResizeStarted", f"Pod resize started: {resize.described(pod)}")
            return True
        if self.refused != before:
            reason, message = self.refused
            text = f"Pod resize {reason}: {resize.described(pod, message)}"
            self._say("Warning", f"Resize{reason}", text)
        return False

    def say_completed(self, pod: Pod, before: PodStatus, after: PodStatus) -> None:
        """When a resize was under way and now is not."""
        if _in_progress(before) and not _in_progress(after):
            text = f"Pod resize completed: {resize.described(self.agreed(pod))}"
            self._say("Normal", "ResizeCompleted", text)


def _in_progress(status: PodStatus) -> bool:
    return any(condition.type == RESIZE_IN_PROGRESS for condition in status.conditions)
