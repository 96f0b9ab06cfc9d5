"""Observes Jobs and their pods, makes and deletes pods, keeps count in the status."""

from __future__ import annotations

from controller_manager.adoption import claimed
from controller_manager.context import Context, keys_of
from controller_manager.informers import BY_CONTROLLER, BY_TRACKING_JOB, ORPHANS
from controller_manager.job.assess import TRACKING, assess, is_finished, is_tracked
from controller_manager.job.plan import Observed, PodsPlan, plan_pods, release
from controller_manager.job.status import Acted, plan_status
from controller_manager.metrics import JobMetrics
from controller_manager.ownership import controller_of, selects
from controller_manager.ownwrites import OwnWrites, Refusal
from controller_manager.podcontrol import PodControl, PodWatch, owner_key
from wherry.api.batch_v1 import Job, JobStatus
from wherry.api.core_v1 import Pod
from wherry.api.errors import ApiError
from wherry.client.store import key_of, split_key
from wherry.client.transport import ApiUnavailable
from wherry.client.workqueue import WorkQueue

MANAGED_BY_US = (None, "kubernetes.io/job-controller")


class JobController:
    """Runs Jobs to their end. Pods whose Job is gone or has ended lose the tracking finalizer."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client = context.client
        recorder = context.recorder("job-controller")
        self._executor = context.executor("job-controller")
        self._jobs = context.informers.jobs
        self._pods = context.informers.pods
        self._control = PodControl(context.client, recorder, context.clock)
        self._written = OwnWrites(self._jobs)
        self._metrics = JobMetrics(context.registry)
        self._queue: WorkQueue[str] = WorkQueue("job")
        self._jobs.add_handler(self._on_job)
        watch = PodWatch("Job", self._queue, self._control.expectations, self._adopters)
        self._pods.add_handler(watch.on_pod)

    async def run(self) -> None:
        workers = self._context.options.concurrent_job_syncs
        self._control.begin_term()
        self._written.clear()
        strays = {
            owner_key(pod, "Job") or _nobodys(pod) for pod in self._pods.list() if is_tracked(pod)
        }
        keys = {*keys_of(self._jobs), *strays}
        await self._context.work("job", self._reconcile, self._queue, workers, keys)

    # -- what happened

    def _on_job(self, before: Job | None, after: Job | None) -> None:
        changed = after or before
        if changed is None:
            return
        if after is None or (before is not None and before.metadata.uid != after.metadata.uid):
            self._control.forget(key_of(changed))
            self._written.forget(key_of(changed))
        self._queue.add(key_of(changed))

    def _adopters(self, pod: Pod) -> list[str]:
        """Jobs that select the orphan; and whoever lets go of pods that nobody counts."""
        keys = [
            key_of(job)
            for job in self._jobs.list(pod.metadata.namespace)
            if selects(job.spec.selector, pod.metadata.labels)
        ]
        return [*keys, _nobodys(pod)] if is_tracked(pod) else keys

    # -- what to do

    async def _reconcile(self, key: str) -> float | None:
        # A status from before our last write lacks pods that we counted and released since: they
        # would be made once more.
        await self._written.shown(key)
        job = self._jobs.get(*split_key(key))
        if job is not None and job.spec.managed_by not in MANAGED_BY_US:
            return None
        await self._release_strays(key, job)
        if job is None:
            self._control.forget(key)
            return None
        if is_finished(job):
            return None
        await self._control.resolve(key)
        fulfilled = self._control.fulfilled(key)
        started = self._context.clock.monotonic()
        observed = Observed(job, tuple(await self._claimed(job)), fulfilled)
        now = self._context.clock.now()
        seen = assess(job, observed.pods, now)
        plan = plan_pods(observed, seen, now)
        acted, error = await self._act(key, job, plan)
        result = plan_status(observed, seen, plan, acted, self._context.clock.now())
        if result.status != job.status:
            await self._write(key, job, result.status)
            await self._executor.execute(result.events)
        error = await self._control.patch([release(pod) for pod in result.release]) or error
        seconds = self._context.clock.monotonic() - started
        self._metrics.synced(job, _action(acted), seconds, well=error is None)
        if error is not None:
            raise error
        return result.requeue_after

    async def _write(self, key: str, job: Job, status: JobStatus) -> None:
        try:
            written = await self._client.update_status(job.with_(status=status))
        except (ApiError, ApiUnavailable) as error:
            self._written.failed(key, error)
            raise
        self._written.note(key, written)
        self._metrics.written(job, written)

    async def _claimed(self, job: Job) -> list[Pod]:
        mine = self._pods.by_index(BY_CONTROLLER, job.metadata.uid)
        orphans = self._pods.by_index(ORPHANS, job.metadata.namespace)
        return await claimed(
            self._client,
            self._executor,
            job,
            job.spec.selector,
            [*mine, *orphans],
            finalizers=(TRACKING,),
        )

    async def _act(self, key: str, job: Job, plan: PodsPlan) -> tuple[Acted, Refusal | None]:
        if plan.delete:
            if plan.uncounted:
                error = await self._control.patch([release(pod) for pod in plan.delete])
                if error is not None:
                    return Acted(whole=False), error
            outcome = await self._control.delete(key, job, plan.delete)
            whole = outcome.done == len(plan.delete)
            return Acted(deleted=outcome.done, whole=whole), outcome.error
        outcome = await self._control.create(key, job, plan.create)
        whole = outcome.done == len(plan.create)
        return Acted(made=outcome.done, whole=whole), outcome.error

    async def _release_strays(self, key: str, job: Job | None) -> None:
        """Pods that nobody will count: their Job is gone, was made anew, or has ended."""
        current = None if job is None or is_finished(job) else job.metadata.uid
        tracked = self._pods.by_index(BY_TRACKING_JOB, key)
        strays = [pod for pod in tracked if _owner_uid(pod) not in (current, "")]
        strays += [pod for pod in tracked if not _owner_uid(pod) and not self._has_adopter(pod)]
        if not strays:
            return
        # The cache of Jobs may be behind that of pods: the server itself has the last word.
        alive = await self._alive(key)
        doomed = [pod for pod in strays if not alive or _owner_uid(pod) != alive]
        error = await self._control.patch([release(pod) for pod in doomed])
        if error is not None:
            raise error

    def _has_adopter(self, pod: Pod) -> bool:
        return any(
            selects(job.spec.selector, pod.metadata.labels) and not is_finished(job)
            for job in self._jobs.list(pod.metadata.namespace)
        )

    async def _alive(self, key: str) -> str:
        """The uid of the Job that is there and has not ended; empty when there is none."""
        namespace, name = split_key(key)
        if not name:
            return ""
        try:
            job = await self._client.get(Job, name, namespace)
        except ApiError as error:
            if error.code == 404:
                return ""
            raise
        return "" if is_finished(job) else job.metadata.uid


def _owner_uid(pod: Pod) -> str:
    reference = controller_of(pod.metadata)
    return reference.uid if reference else ""


def _nobodys(pod: Pod) -> str:
    """The key under which a namespace's tracked pods without a Job are looked after."""
    return f"{pod.metadata.namespace}/"


def _action(acted: Acted) -> str:
    """As the metrics call it."""
    if acted.made:
        return "pods_created"
    return "pods_deleted" if acted.deleted else "reconciling"
