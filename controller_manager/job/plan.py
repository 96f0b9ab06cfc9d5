"""What a Job needs now: pods to make or delete, its status, finalizers to release. Pure.

Two decisions, because the status tells how the first one went: `plan_pods` before acting,
`plan_status` after. An end takes passes: one notes the uncounted pods and the interim condition
and releases the pods, a later one counts those released, and the last, when no pod is left running,
adds Complete or Failed. A leader may die between any two of them.

Source of the rules: upstream's pkg/controller/job.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from controller_manager import naming, pods
from controller_manager.job import failure, indexes
from controller_manager.job.assess import (
    TRACKING,
    Assessment,
    completions_of,
    is_indexed,
    is_suspended,
)
from controller_manager.ownership import controller_reference
from controller_manager.plan import Patch
from controller_manager.replicaset import rank
from wherry.api.batch_v1 import Job
from wherry.api.core_v1 import Container, EnvVar, Pod, PodSpec
from wherry.api.meta_v1 import ObjectMeta

PODS_PER_PASS_MAX = 500  # made or deleted
INDEX_VARIABLE = "JOB_COMPLETION_INDEX"


@dataclass(frozen=True, slots=True)
class Observed:
    """pods: all that the Job controls. fulfilled: earlier creations and deletions are visible."""

    job: Job
    pods: tuple[Pod, ...]
    fulfilled: bool = True


@dataclass(frozen=True, slots=True)
class PodsPlan:
    """create, delete: never both. uncounted: the deleted are released first and never counted.
    managed: the number of pods was looked after. wait: seconds until more may be made."""

    create: tuple[Pod, ...] = ()
    delete: tuple[Pod, ...] = ()
    uncounted: bool = False
    managed: bool = False
    wait: float | None = None


def parallelism_of(job: Job) -> int:
    return 1 if job.spec.parallelism is None else job.spec.parallelism


def plan_pods(observed: Observed, seen: Assessment, now: datetime) -> PodsPlan:
    """Pods to make, or pods to delete."""
    job = observed.job
    if seen.verdict is not None:
        return PodsPlan(delete=seen.active)
    if not observed.fulfilled or job.metadata.deletion_timestamp is not None:
        return PodsPlan()
    wanted = 0 if is_suspended(job) else _wanted(job, seen)
    surplus = _surplus(job, seen, max(0, len(seen.active) - wanted), now)
    if surplus:
        doomed = tuple(surplus[:PODS_PER_PASS_MAX])
        return PodsPlan(delete=doomed, uncounted=True, managed=True)
    awaited = seen.terminating if failure.replaces_failed_only(job) else 0
    missing = min(wanted - awaited - len(seen.active), PODS_PER_PASS_MAX)
    if missing <= 0:
        return PodsPlan(managed=True)
    if is_indexed(job):
        return _plan_indexes(observed, seen, missing, now)
    wait = failure.wait_after_failures(observed.pods, now)
    if wait > 0:
        return PodsPlan(managed=True, wait=wait)
    known = naming.digest(job.metadata.uid, observed.pods)
    made = tuple(new_pod(job, None, naming.suffix(known, str(n))) for n in range(missing))
    return PodsPlan(create=made, managed=True)


def _wanted(job: Job, seen: Assessment) -> int:
    """How many pods should be active."""
    if job.spec.completions is None:
        # After the first success the rest may end, but none is started any more.
        return len(seen.active) if seen.succeeded else parallelism_of(job)
    lost = len(seen.failed_indexes or ())
    left = job.spec.completions - seen.succeeded - (lost if is_indexed(job) else 0)
    return max(0, min(left, parallelism_of(job)))


def _surplus(job: Job, seen: Assessment, at_least: int, now: datetime) -> list[Pod]:
    """Pods to delete: without a valid index, of one that is settled, second of an index, then the
    least advanced ones."""
    worst_first = sorted(seen.active, key=lambda pod: rank.deletion_key(pod, 0, now))
    doomed: list[Pod] = []
    if is_indexed(job):
        settled = seen.succeeded_indexes | (seen.failed_indexes or frozenset())
        kept: dict[int, Pod] = {}
        for pod in reversed(worst_first):
            index = indexes.index_of(pod, completions_of(job))
            if index is None or index in settled or kept.setdefault(index, pod) is not pod:
                doomed.append(pod)
    known = {pod.metadata.uid for pod in doomed}
    rest = (pod for pod in worst_first if pod.metadata.uid not in known)
    doomed += [pod for pod, _ in zip(rest, range(at_least - len(doomed)), strict=False)]
    return doomed


def _plan_indexes(observed: Observed, seen: Assessment, missing: int, now: datetime) -> PodsPlan:
    """Pods of the lowest free indexes whose back-off is over."""
    job, count = observed.job, completions_of(observed.job)
    per_index = job.spec.backoff_limit_per_index is not None
    if not per_index:
        wait = failure.wait_after_failures(observed.pods, now)
        if wait > 0:
            return PodsPlan(managed=True, wait=wait)
    taken = indexes.of_pods(seen.active, count) | seen.succeeded_indexes
    taken |= seen.failed_indexes or frozenset()
    if failure.replaces_failed_only(job):
        ending = (p for p in observed.pods if pods.is_terminating(p) and not pods.is_terminal(p))
        taken |= indexes.of_pods(ending, count)
    free = indexes.first_free(set(taken), missing, count)
    waits = {index: failure.wait_of_index(seen.retained.get(index), now) for index in free}
    ready = [index for index in free if waits[index] <= 0]
    by_index: dict[int | None, list[Pod]] = {}
    for pod in observed.pods:
        by_index.setdefault(indexes.index_of(pod, count), []).append(pod)
    made = tuple(
        new_pod(
            job,
            index,
            naming.suffix(naming.digest(job.metadata.uid, by_index.get(index, ())), str(index)),
            seen.retained.get(index),
        )
        for index in ready
    )
    later = [wait for wait in waits.values() if wait > 0]
    return PodsPlan(create=made, managed=True, wait=min(later, default=None))


# -- new pods


def new_pod(job: Job, index: int | None, suffix: str, before: Pod | None = None) -> Pod:
    """A pod from the template; `before`: the failed pod of the same index that it replaces."""
    template, name = job.spec.template, job.metadata.name
    labels, notes = dict(template.metadata.labels), dict(template.metadata.annotations)
    spec = template.spec
    base = f"{name}-"[: naming.BASE_CHARS_MAX]
    if index is not None:
        tail = f"-{index}-"
        base = name[: naming.BASE_CHARS_MAX - len(tail)] + tail
        labels[indexes.COMPLETION_INDEX] = notes[indexes.COMPLETION_INDEX] = str(index)
        spec = _with_index(spec, f"{name}-{index}")
        if job.spec.backoff_limit_per_index is not None:
            notes |= _failure_counts(job, before)
    finalizers = template.metadata.finalizers
    return Pod(
        metadata=ObjectMeta(
            name=base + suffix,
            generate_name=base,
            namespace=job.metadata.namespace,
            labels=labels,
            annotations=notes,
            finalizers=[*finalizers, *([] if TRACKING in finalizers else [TRACKING])],
            owner_references=[controller_reference(job)],
        ),
        spec=spec,
    )


def _with_index(spec: PodSpec, hostname: str) -> PodSpec:
    return spec.with_(
        hostname=hostname,
        containers=[_told_index(c) for c in spec.containers],
        init_containers=[_told_index(c) for c in spec.init_containers],
    )


def _told_index(container: Container) -> Container:
    if any(variable.name == INDEX_VARIABLE for variable in container.env):
        return container
    path = f"metadata.labels['{indexes.COMPLETION_INDEX}']"
    source = {"name": INDEX_VARIABLE, "valueFrom": {"fieldRef": {"fieldPath": path}}}
    return container.with_(env=[*container.env, EnvVar.from_wire(source)])


def _failure_counts(job: Job, before: Pod | None) -> dict[str, str]:
    failed = ignored = 0
    if before is not None:
        counts = failure.match(job, before).counts
        failed = failure.failures_of_index(before) + counts
        ignored = failure.ignored_failures_of_index(before) + (not counts)
    notes = {failure.INDEX_FAILURES: str(failed)}
    return notes | ({failure.INDEX_IGNORED_FAILURES: str(ignored)} if ignored else {})


def release(pod: Pod) -> Patch:
    """Takes the tracking finalizer off the pod, so that it can go."""
    metadata = {"uid": pod.metadata.uid, "$deleteFromPrimitiveList/finalizers": [TRACKING]}
    return Patch(Pod, pod.metadata.namespace, pod.metadata.name, {"metadata": metadata})
