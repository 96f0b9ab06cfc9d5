"""Observes CronJobs and their Jobs, starts and deletes Jobs, writes the status."""

from __future__ import annotations

from controller_manager.context import Context, keys_of
from controller_manager.cronjob.plan import (
    CronPlan,
    Observed,
    plan_cron,
    started,
    unknown_jobs,
)
from controller_manager.executor import CreateRefused, NamespaceGoes
from controller_manager.informers import BY_CONTROLLER
from controller_manager.metrics import job_creation_skew
from controller_manager.ownership import controller_of
from controller_manager.plan import Create, Emit
from wherry.api.batch_v1 import CronJob, CronJobStatus, Job
from wherry.api.errors import ApiError
from wherry.client.store import key_of, split_key
from wherry.client.workqueue import WorkQueue


class CronJobController:
    """Starts each CronJob's Jobs at their moments."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client = context.client
        self._executor = context.executor("cronjob-controller")
        self._cron_jobs = context.informers.cron_jobs
        self._jobs = context.informers.jobs
        self._skew = job_creation_skew(context.registry)
        self._queue: WorkQueue[str] = WorkQueue("cronjob")
        self._cron_jobs.add_handler(self._on_cron_job)
        self._jobs.add_handler(self._on_job)

    async def run(self) -> None:
        workers = self._context.options.concurrent_cron_job_syncs
        await self._context.work(
            "cronjob", self._reconcile, self._queue, workers, keys_of(self._cron_jobs)
        )

    def _on_cron_job(self, before: CronJob | None, after: CronJob | None) -> None:
        if after is not None:
            self._queue.add(key_of(after))

    def _on_job(self, before: Job | None, after: Job | None) -> None:
        for job in (before, after):
            reference = None if job is None else controller_of(job.metadata)
            if job is not None and reference is not None and reference.kind == CronJob.GVK.kind:
                self._queue.add(f"{job.metadata.namespace}/{reference.name}")

    async def _reconcile(self, key: str) -> float | None:
        cron_job = self._cron_jobs.get(*split_key(key))
        if cron_job is None:
            return None
        jobs = self._jobs.by_index(BY_CONTROLLER, cron_job.metadata.uid)
        if unknown_jobs(cron_job, jobs):  # our own status may not be in the cache yet
            fresh = await self._client.get(
                CronJob, cron_job.metadata.name, cron_job.metadata.namespace
            )
            if fresh.metadata.uid == cron_job.metadata.uid:
                cron_job = fresh
        missing = await self._missing(cron_job, jobs)
        now = self._context.clock.now()
        plan = plan_cron(Observed(cron_job, tuple(jobs), missing), now)
        await self._executor.execute(plan.actions)
        status = await self._start(cron_job, plan)
        if status != cron_job.status:
            await self._client.update_status(cron_job.with_(status=status))
        return plan.wait

    async def _missing(self, cron_job: CronJob, jobs: list[Job]) -> set[str]:
        """The uids of active Jobs that are neither in the cache nor on the server."""
        known = {job.metadata.uid for job in jobs}
        missing = set()
        for one in cron_job.status.active:
            if one.uid in known:
                continue
            try:
                found = await self._client.get(Job, one.name, cron_job.metadata.namespace)
            except ApiError as error:
                if error.code != 404:
                    raise
                missing.add(one.uid)
            else:
                if found.metadata.uid != one.uid:
                    missing.add(one.uid)
        return missing

    async def _start(self, cron_job: CronJob, plan: CronPlan) -> CronJobStatus:
        """Make the Job that is due; the status that tells of it."""
        job, scheduled = plan.start, plan.scheduled
        if job is None or scheduled is None:
            return plan.status
        name, namespace = job.metadata.name, job.metadata.namespace
        told = Emit(cron_job, "Normal", "SuccessfulCreate", f"Created job {name}")
        try:
            await self._executor.execute([Create(job), told])
            self._skew.observe((self._context.clock.now() - scheduled).total_seconds())
        except NamespaceGoes:
            return plan.status
        except CreateRefused as refused:
            message = f"Error creating job: {refused.error}"
            await self._executor.execute([Emit(cron_job, "Warning", "FailedCreate", message)])
            raise refused.error from None
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
        made = await self._client.get(Job, name, namespace)
        reference = controller_of(made.metadata)
        if reference is None or reference.uid != cron_job.metadata.uid:
            return plan.status  # somebody else's
        return started(plan.status, made, scheduled)
