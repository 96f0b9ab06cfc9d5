"""The types of the batch group, v1. A name is imported when it is first asked for."""

from wherry.api.batch_v1.common import JobSpec as JobSpec
from wherry.api.batch_v1.common import PodFailurePolicy as PodFailurePolicy
from wherry.api.batch_v1.common import (
    PodFailurePolicyOnExitCodesRequirement as PodFailurePolicyOnExitCodesRequirement,
)
from wherry.api.batch_v1.common import (
    PodFailurePolicyOnPodConditionsPattern as PodFailurePolicyOnPodConditionsPattern,
)
from wherry.api.batch_v1.common import PodFailurePolicyRule as PodFailurePolicyRule
from wherry.api.batch_v1.common import SuccessPolicy as SuccessPolicy
from wherry.api.batch_v1.common import SuccessPolicyRule as SuccessPolicyRule
from wherry.api.batch_v1.cronjob import CronJob as CronJob
from wherry.api.batch_v1.cronjob import CronJobSpec as CronJobSpec
from wherry.api.batch_v1.cronjob import CronJobStatus as CronJobStatus
from wherry.api.batch_v1.cronjob import JobTemplateSpec as JobTemplateSpec
from wherry.api.batch_v1.job import Job as Job
from wherry.api.batch_v1.job import JobCondition as JobCondition
from wherry.api.batch_v1.job import JobStatus as JobStatus
from wherry.api.batch_v1.job import UncountedTerminatedPods as UncountedTerminatedPods
