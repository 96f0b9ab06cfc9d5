"""The batch group."""

from __future__ import annotations

from wherry.api.resource import Resource, status

MODELS = "wherry.api.batch_v1"

RESOURCES = (
    Resource(
        "batch", "v1", "CronJob", "cronjobs", MODELS, short_names=("cj",), categories=("all",),
        subresources=(status("batch/v1", "CronJob"),),
    ),
    Resource(
        "batch", "v1", "Job", "jobs", MODELS, categories=("all",), fields=("status.successful",),
        subresources=(status("batch/v1", "Job"),),
    ),
)  # fmt: skip
