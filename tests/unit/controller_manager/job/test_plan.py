"""Whole lives of Jobs, in memory: completion, failure, indexes, policies, suspension, crashes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller_manager.job.assess import COMPLETE, FAILED, assess, is_finished, is_tracked
from controller_manager.job.plan import Observed, plan_pods
from controller_manager.pods import is_terminating
from tests.unit.controller_manager.job.world import NOW, World, index_of, job


def test_one_pod_to_completion_with_upstreams_words():
    world = World(job())
    world.settle()
    (name,) = world.names()
    pod = world.pods[name]
    assert pod.metadata.generate_name == "work-"
    assert pod.metadata.finalizers == ["batch.kubernetes.io/job-tracking"]
    assert (world.job.status.active, world.job.status.start_time) == (1, NOW)
    world.start(name)
    world.settle()
    assert world.job.status.ready == 1
    world.end(name, "Succeeded")
    world.settle()
    status = world.job.status
    assert (status.active, status.succeeded, status.failed, status.ready) == (0, 1, 0, 0)
    assert [(c.type, c.status, c.reason, c.message) for c in status.conditions] == [
        ("SuccessCriteriaMet", "True", "CompletionsReached", "Reached expected number of succeeded pods"),
        ("Complete", "True", "CompletionsReached", "Reached expected number of succeeded pods"),
    ]  # fmt: skip
    assert status.completion_time == NOW
    assert world.events == ["Completed: Job completed"]
    assert not any(is_tracked(pod) for pod in world.pods.values())


@pytest.mark.parametrize(
    ("completions", "parallelism", "first"), [(5, 2, 2), (2, 5, 2), (None, 3, 3), (0, 3, 0)]
)
def test_never_more_pods_than_needed(completions, parallelism, first):
    world = World(job(completions=completions, parallelism=parallelism))
    world.settle()
    assert len(world.active()) == first


def test_no_completions_one_success_ends_it_when_the_rest_ends():
    world = World(job(completions=None, parallelism=3))
    world.settle()
    one, two, three = world.names()
    world.end(one, "Succeeded")
    world.settle()
    assert len(world.active()) == 2
    world.end(two, "Failed", 1)
    world.end(three, "Succeeded")
    world.settle()
    assert world.condition(COMPLETE)
    assert (world.job.status.succeeded, world.job.status.failed) == (2, 1)


def test_failures_are_retried_ever_later_until_the_limit():
    world = World(job(backoffLimit=2))
    waits = []
    for _ in range(3):
        world.settle()
        (name,) = world.names()
        world.end(name, "Failed", 1)
        world.settle()
        wait = world.step()
        waits.append(wait)
        world.wait(wait or 0)
    assert waits == [10.0, 20.0, None]
    failed = world.condition(FAILED)
    assert (failed.reason, failed.message) == (
        "BackoffLimitExceeded", "Job has reached the specified backoff limit",
    )  # fmt: skip
    assert world.job.status.failed == 3
    assert world.condition("FailureTarget").reason == "BackoffLimitExceeded"
    assert world.events[-1].startswith("BackoffLimitExceeded: ")


def test_a_failed_job_stops_its_other_pods_and_waits_for_them():
    world = World(job(completions=3, parallelism=3, backoffLimit=0))
    world.settle()
    for name in world.names():
        world.start(name)
    world.end(world.names()[0], "Failed", 1)
    world.settle()
    assert world.active() == []
    assert world.condition("FailureTarget")
    assert world.condition(FAILED) is None
    assert world.job.status.terminating == 2
    world.stop_terminating()
    world.settle()
    assert world.condition(FAILED)
    assert world.job.status.failed == 3


def test_deadline():
    world = World(job(activeDeadlineSeconds=30))
    world.settle()
    assert world.step() == 30.0
    world.wait(30)
    world.settle()
    assert world.condition(FAILED).message == "Job was active longer than specified deadline"


def test_suspend_and_resume():
    world = World(job(suspend=True, parallelism=2, completions=2, activeDeadlineSeconds=60))
    world.settle()
    assert (world.active(), world.job.status.start_time) == ([], None)
    assert world.condition("Suspended").reason == "JobSuspended"
    world.wait(100)
    world.job = world.job.with_(spec=world.job.spec.with_(suspend=False))
    world.settle()
    assert len(world.active()) == 2
    assert world.job.status.start_time == world.now
    (suspended,) = world.job.status.conditions
    assert (suspended.status, suspended.reason) == ("False", "JobResumed")
    world.job = world.job.with_(spec=world.job.spec.with_(suspend=True))
    world.settle()
    assert world.active() == []
    assert world.job.status.failed == 0
    assert world.events == [
        "Suspended: Job suspended",
        "Resumed: Job resumed",
        "Suspended: Job suspended",
    ]


def test_restarts_in_place_count_towards_the_limit():
    made = job(backoffLimit=2)
    spec = made.spec.template.spec.with_(restart_policy="OnFailure")
    made = made.with_(spec=made.spec.with_(template=made.spec.template.with_(spec=spec)))
    world = World(made)
    world.settle()
    (name,) = world.names()
    world._status(
        name, {"phase": "Running", "containerStatuses": [{"name": "c", "restartCount": 2}]}
    )
    world.settle()
    assert world.condition(FAILED).reason == "BackoffLimitExceeded"


def test_more_parallelism_then_less():
    world = World(job(completions=9, parallelism=2))
    world.settle()
    running, pending = world.names()
    world.start(running)
    world.job = world.job.with_(spec=world.job.spec.with_(parallelism=1))
    world.settle()
    assert world.names() == [running]
    assert pending not in world.pods
    assert world.job.status.failed == 0


# -- indexes


def indexed(**spec):
    return job(**{"completionMode": "Indexed", "completions": 3, "parallelism": 2, **spec})


def test_indexed_pods_carry_their_index():
    world = World(indexed())
    world.settle()
    assert sorted(map(index_of, world.active())) == ["0", "1"]
    pod = world.pods[world.of_index(1)]
    assert pod.metadata.name.startswith("work-1-")
    assert pod.metadata.generate_name == "work-1-"
    assert pod.metadata.labels["batch.kubernetes.io/job-completion-index"] == "1"
    assert pod.spec.hostname == "work-1"
    (variable,) = pod.spec.containers[0].env
    assert variable.name == "JOB_COMPLETION_INDEX"
    path = variable.value_from.field_ref.field_path
    assert path == "metadata.labels['batch.kubernetes.io/job-completion-index']"


def test_indexed_completion():
    world = World(indexed())
    world.settle()
    world.end(world.of_index(1), "Succeeded")
    world.settle()
    assert world.job.status.completed_indexes == "1"
    assert sorted(map(index_of, world.active())) == ["0", "2"]
    for index in (0, 2):
        world.end(world.of_index(index), "Succeeded")
    world.settle()
    assert world.job.status.completed_indexes == "0-2"
    assert world.condition(COMPLETE)


def test_the_second_pod_of_an_index_goes():
    world = World(indexed(completions=1, parallelism=1))
    world.settle()
    (name,) = world.names()
    world.start(name)
    twin = world.pods[name]
    metadata = twin.metadata.with_(name="twin", uid="u-twin")
    world.pods["twin"] = twin.with_(metadata=metadata, spec=twin.spec.with_(node_name=""))
    world.settle()
    assert world.names() == [name]


def test_of_too_many_pods_those_of_settled_indexes_go_first():
    world = World(indexed(completions=3, parallelism=3, backoffLimit=None, backoffLimitPerIndex=0))
    world.settle()
    lost, running = world.of_index(1), world.of_index(2)
    twin = world.pods[lost]
    world.end(lost, "Failed", 1)
    world.settle()
    assert world.job.status.failed_indexes == "1"
    metadata = twin.metadata.with_(name="twin", uid="u-twin")
    world.pods["twin"] = twin.with_(metadata=metadata)
    world.start("twin")  # further than the pods that still have something to do
    world.settle()
    assert "twin" not in world.pods or is_terminating(world.pods["twin"])
    assert world.names() == sorted([world.of_index(0), running])


def test_a_cache_that_lags_leads_to_the_same_names():
    made = indexed()
    seen = assess(made, (), NOW)
    first = plan_pods(Observed(made, ()), seen, NOW)
    again = plan_pods(Observed(made, ()), seen, NOW)
    assert [p.metadata.name for p in first.create] == [p.metadata.name for p in again.create]
    other = made.with_(metadata=made.metadata.with_(uid="j2"))
    fresh = plan_pods(Observed(other, ()), assess(other, (), NOW), NOW)
    assert not {p.metadata.name for p in first.create} & {p.metadata.name for p in fresh.create}


def test_limit_per_index_loses_the_index_only():
    world = World(indexed(completions=2, backoffLimitPerIndex=1, backoffLimit=None))
    world.settle()
    world.end(world.of_index(1), "Succeeded")
    first = world.of_index(0)
    world.end(first, "Failed", 1)
    world.settle()
    assert is_tracked(world.pods[first]), "kept until its replacement knows its failures"
    assert world.step() == 10.0
    world.wait(10)
    world.settle()
    second = world.pods[world.of_index(0)]
    assert second.metadata.annotations["batch.kubernetes.io/job-index-failure-count"] == "1"
    assert not is_tracked(world.pods[first])
    world.end(second.metadata.name, "Failed", 1)
    world.settle()
    status = world.job.status
    assert (status.completed_indexes, status.failed_indexes, status.failed) == ("1", "0", 2)
    assert world.condition(FAILED).reason == "FailedIndexes"


def test_too_many_failed_indexes_end_the_job():
    world = World(indexed(completions=9, parallelism=4, backoffLimitPerIndex=0, maxFailedIndexes=1))
    world.settle()
    for index in (0, 1):
        world.end(world.of_index(index), "Failed", 1)
    world.settle()
    assert world.condition(FAILED).reason == "MaxFailedIndexesExceeded"
    assert world.job.status.failed_indexes == "0,1"


@pytest.mark.parametrize(
    ("rule", "succeeding"),
    [
        ({"succeededIndexes": "0"}, [0]),
        ({"succeededCount": 1}, [1]),
        ({"succeededIndexes": "0-2", "succeededCount": 2}, [0, 1]),
    ],
)
def test_success_policy_ends_early(rule, succeeding):
    world = World(indexed(parallelism=3, successPolicy={"rules": [rule]}))
    world.settle()
    for index in succeeding:
        assert world.condition("SuccessCriteriaMet") is None
        world.end(world.of_index(index), "Succeeded")
        world.settle()
    world.stop_terminating()
    world.settle()
    assert world.active() == []
    complete = world.condition(COMPLETE)
    assert (complete.reason, complete.message) == ("SuccessPolicy", "Matched rules at index 0")
    assert world.job.status.succeeded == len(succeeding)


def test_pods_that_success_makes_superfluous_are_no_failures():
    rules = {"rules": [{"succeededIndexes": "0"}]}
    world = World(indexed(parallelism=3, successPolicy=rules, backoffLimitPerIndex=0))
    world.settle()
    for name in world.names():
        world.start(name)
    world.end(world.of_index(0), "Succeeded")
    world.step(dies_before="release")
    world.settle()
    world.stop_terminating()
    world.settle()
    assert world.condition(COMPLETE)
    status = world.job.status
    assert (status.completed_indexes, status.failed_indexes, status.failed) == ("0", "", 0)


# -- the failure policy


def policy(action, **rule):
    rules = [{"action": action, **rule}]
    return {"podFailurePolicy": {"rules": rules}, "podReplacementPolicy": "Failed"}


def test_fail_job():
    codes = {"operator": "In", "values": [42]}
    world = World(job(**policy("FailJob", onExitCodes=codes)))
    world.settle()
    (name,) = world.names()
    world.end(name, "Failed", 42)
    world.settle()
    failed = world.condition(FAILED)
    assert failed.reason == "PodFailurePolicy"
    assert failed.message == (
        f"Container c for pod ns/{name} failed with exit code 42 matching FailJob rule at index 0"
    )


def test_ignored_disruptions_do_not_count():
    pattern = [{"type": "DisruptionTarget", "status": "True"}]
    world = World(job(backoffLimit=0, **policy("Ignore", onPodConditions=pattern)))
    world.settle()
    (name,) = world.names()
    world.end(name, "Failed", 137, conditions=pattern)
    world.settle()
    assert (world.job.status.failed, world.job.status.conditions) == (0, [])
    world.wait(10)
    world.settle()
    assert len(world.active()) == 1


def test_fail_index():
    codes = {"operator": "NotIn", "values": [1]}
    world = World(indexed(backoffLimitPerIndex=5, **policy("FailIndex", onExitCodes=codes)))
    world.settle()
    world.end(world.of_index(0), "Failed", 7)
    world.settle()
    assert world.job.status.failed_indexes == "0"
    assert world.condition("FailureTarget") is None


@pytest.mark.parametrize(("replacement", "at_once"), [("Failed", 0), ("TerminatingOrFailed", 1)])
def test_replacement_policy(replacement, at_once):
    world = World(job(podReplacementPolicy=replacement))
    world.settle()
    (name,) = world.names()
    world.start(name)
    world.delete(name)
    world.settle()
    assert len(world.active()) == at_once
    world.stop_terminating()
    world.settle()
    world.wait(10)
    world.settle()
    assert len(world.active()) == 1
    assert world.job.status.failed == 1


def test_a_job_being_deleted_lets_its_pods_go():
    world = World(job(completions=2, parallelism=2))
    world.settle()
    world.job = world.job.with_(metadata=world.job.metadata.with_(deletion_timestamp=NOW))
    world.settle()
    assert not any(is_tracked(pod) for pod in world.pods.values())
    assert len(world.pods) == 2


# -- properties

kubelet = st.sampled_from(["start", "succeed", "succeed", "fail", "fail", "delete", "stop", "wait"])
crashes = st.sampled_from(["", "", "", "status", "release"])


@settings(max_examples=150, deadline=None)
@given(
    st.booleans(),
    st.integers(1, 4),
    st.integers(1, 4),
    st.sampled_from([None, 0, 1]),
    st.sampled_from(["Failed", "TerminatingOrFailed"]),
    st.lists(st.tuples(kubelet, st.integers(0, 9), crashes), max_size=60),
)
def test_whatever_happens_pods_are_counted_once(
    is_indexed, wanted, parallel, per_index, replacement, happenings
):
    spec = {"completions": wanted, "parallelism": parallel, "podReplacementPolicy": replacement}
    if is_indexed:
        spec |= {"completionMode": "Indexed", "backoffLimitPerIndex": per_index}
    world = World(job(**spec))
    for what, which, crash in happenings:
        world.step(dies_before=crash)
        check(world, parallel, is_indexed)
        active = world.names()
        name = active[which % len(active)] if active else None
        match what:
            case "stop":
                world.stop_terminating()
            case "wait":
                world.wait(700)
            case "start" if name:
                world.start(name)
            case "succeed" if name:
                world.end(name, "Succeeded")
            case "fail" if name:
                world.end(name, "Failed", 1)
            case "delete" if name:
                world.delete(name)
    for _ in range(60):
        world.settle()
        check(world, parallel, is_indexed)
        if is_finished(world.job):
            break
        world.stop_terminating()
        for name in world.names():
            world.end(name, "Succeeded")
        world.wait(700)
    assert is_finished(world.job)
    status = world.job.status
    assert not any(is_tracked(pod) for pod in world.pods.values())
    noted = status.uncounted_terminated_pods
    assert (noted.succeeded, noted.failed, status.active) == ([], [], 0)
    succeeded = sum(phase == "Succeeded" for phase in world.ended.values())
    if is_indexed:
        assert status.succeeded <= wanted
    else:
        assert status.succeeded == succeeded
    failed = {uid for uid, phase in world.ended.items() if phase == "Failed"} - world.dropped
    if replacement == "Failed" and world.condition(COMPLETE) and not is_indexed:
        assert status.failed == len(failed)


def check(world: World, parallel: int, is_indexed: bool) -> None:
    active = world.active()
    assert len(active) <= parallel
    if is_indexed:
        assert len({index_of(pod) for pod in active}) == len(active), "an index runs twice"
