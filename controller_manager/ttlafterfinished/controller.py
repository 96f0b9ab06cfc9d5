"""Watches Jobs, deletes those whose time after the end is over."""

from __future__ import annotations

from controller_manager.context import Context, keys_of
from controller_manager.metrics import job_deletion_delay
from controller_manager.ttlafterfinished.plan import overdue, plan_expiry
from wherry.api.batch_v1 import Job
from wherry.api.errors import ApiError
from wherry.client.store import key_of, split_key
from wherry.client.workqueue import WorkQueue


class TtlAfterFinishedController:
    """Deletes finished Jobs that say when."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._executor = context.executor("ttl-after-finished-controller")
        self._jobs = context.informers.jobs
        self._delay = job_deletion_delay(context.registry)
        self._queue: WorkQueue[str] = WorkQueue("ttl_jobs_to_delete")
        self._jobs.add_handler(self._on_job)

    async def run(self) -> None:
        workers = self._context.options.concurrent_ttl_after_finished_syncs
        await self._context.work(
            "ttl_jobs_to_delete", self._reconcile, self._queue, workers, keys_of(self._jobs)
        )

    def _on_job(self, before: Job | None, after: Job | None) -> None:
        if after is not None and after.spec.ttl_seconds_after_finished is not None:
            self._queue.add(key_of(after))

    async def _reconcile(self, key: str) -> float | None:
        job = self._jobs.get(*split_key(key))
        if job is None:
            return None
        plan = plan_expiry(job, self._context.clock.now())
        if plan.actions:
            try:  # its time to live may have been prolonged since
                job = await self._context.client.get(Job, *reversed(split_key(key)))
            except ApiError as error:
                if error.code == 404:
                    return None
                raise
            plan = plan_expiry(job, self._context.clock.now())
        await self._executor.execute(plan.actions)
        if plan.actions:
            self._delay.observe(overdue(job, self._context.clock.now()))
        return plan.requeue_after
