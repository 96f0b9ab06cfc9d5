"""Once a day: looks for tokens of the old kind that nobody uses."""

from __future__ import annotations

import logging
from datetime import timedelta

from controller_manager.context import Context
from controller_manager.legacytokens.plan import is_tracked_long_enough, plan_token, unused
from controller_manager.plan import Delete
from controller_manager.serviceaccounttokens.plan import TYPE
from wherry.api.core_v1 import ConfigMap, Pod, Secret, ServiceAccount
from wherry.api.errors import ApiError
from wherry.client.transport import ApiUnavailable
from wherry.daemon.backoff import Backoff

log = logging.getLogger(__name__)

TRACKING = "kube-apiserver-legacy-service-account-token-tracking"
PERIOD_SECONDS = 24 * 3600.0
AFTER_FAILURE_SECONDS_MAX = 60.0


class LegacyTokenCleaner:
    """Asks the server each time: a cache of all Secrets for one look a day would be a waste."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client = context.client
        self._executor = context.executor("legacy-service-account-token-cleaner")
        seconds = context.options.legacy_service_account_token_clean_up_period
        self._period = timedelta(seconds=seconds)

    async def run(self) -> None:
        backoff = Backoff(1.0, maximum=AFTER_FAILURE_SECONDS_MAX)
        while True:
            try:
                await self._look()
            except (ApiError, ApiUnavailable) as error:  # a token that changed meanwhile, perhaps
                log.warning("legacy tokens: %s", error)
                await self._context.clock.sleep(backoff.next())
            else:
                backoff.reset()
                await self._context.clock.sleep(PERIOD_SECONDS)

    async def _look(self) -> None:
        now = self._context.clock.now()
        if not is_tracked_long_enough(await self._tracked_since(), self._period, now):
            return
        secrets = (await self._client.list(Secret, field_selector=f"type={TYPE}")).items
        accounts = {
            (one.metadata.namespace, one.metadata.name): one
            for one in (await self._client.list(ServiceAccount)).items
        }
        for secret in unused(secrets, accounts, self._period, now):
            pods = (await self._client.list(Pod, secret.metadata.namespace)).items
            action = plan_token(secret, pods, self._period, now)
            if action is not None:
                what = "deleted" if isinstance(action, Delete) else "marked as invalid"
                log.info("unused token %s/%s: %s", action.namespace, action.name, what)
                await self._executor.execute([action])

    async def _tracked_since(self) -> str:
        """The day since which API servers note uses; empty when they do not say."""
        try:
            found = await self._client.get(ConfigMap, TRACKING, "kube-system")
        except ApiError as error:
            if error.code == 404:
                return ""
            raise
        return found.data.get("since", "")
