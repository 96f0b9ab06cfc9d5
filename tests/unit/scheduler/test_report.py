"""The PodScheduled condition: what is written, and when nothing is."""

from datetime import UTC, datetime

from scheduler.objects import Pod
from scheduler.report import condition_patch

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def pod(*conditions, generation=1):
    return Pod.from_wire(
        {"metadata": {"generation": generation}, "status": {"conditions": list(conditions)}}
    )


def test_a_first_refusal():
    (condition,) = condition_patch(pod(), "m", NOW)["status"]["conditions"]
    assert condition == {
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "m",
        "lastProbeTime": None, "lastTransitionTime": "2026-01-02T03:04:05Z",
        "observedGeneration": 1,
    }  # fmt: skip


def test_the_same_again_writes_nothing_and_other_words_keep_the_date():
    known = {
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "m",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    assert condition_patch(pod(known), "m", NOW) is None
    (condition,) = condition_patch(pod(known), "other", NOW)["status"]["conditions"]
    assert condition["lastTransitionTime"] == "2026-01-01T00:00:00Z"
    gated = {**known, "reason": "SchedulingGated"}
    assert condition_patch(pod(gated), "m", NOW) is not None
