"""Two controllers over the bootstrap tokens: one deletes those that are over, one signs with them."""

from __future__ import annotations

import asyncio
import logging

from controller_manager.bootstrap import plan
from controller_manager.context import Context, keys_of
from controller_manager.rootca.controller import LOOK_SECONDS, read_ca
from wherry.api.core_v1 import ConfigMap, Secret
from wherry.client.store import key_of, split_key
from wherry.client.workqueue import WorkQueue
from wherry.daemon.process import StartError

log = logging.getLogger(__name__)

KEY = f"{plan.PUBLIC}/{plan.CLUSTER_INFO}"


class TokenCleaner:
    """Deletes tokens that are over."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._executor = context.executor("token-cleaner")
        self._tokens = context.informers.bootstrap_tokens
        self._queue: WorkQueue[str] = WorkQueue("token_cleaner")
        self._tokens.add_handler(self._on_token)

    async def run(self) -> None:
        await self._context.work(
            "token_cleaner", self._reconcile, self._queue, 1, keys_of(self._tokens)
        )

    def _on_token(self, before: Secret | None, after: Secret | None) -> None:
        if after is not None:
            self._queue.add(key_of(after))

    async def _reconcile(self, key: str) -> float | None:
        secret = self._tokens.get(*split_key(key))
        if secret is None:
            return None
        found = plan.plan_cleaning(secret, self._context.clock.now())
        await self._executor.execute(found.actions)
        return found.requeue_after


class BootstrapSigner:
    """Signs `cluster-info` with each token; with --publish-cluster-info also writes it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._executor = context.executor("bootstrap-signer")
        self._tokens = context.informers.bootstrap_tokens
        self._maps = context.informers.cluster_info_maps
        self._published = self._to_publish()
        self._queue: WorkQueue[str] = WorkQueue("bootstrap_signer")
        self._tokens.add_handler(self._on_token)
        self._maps.add_handler(self._on_map)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow())
            await self._context.work("bootstrap_signer", self._reconcile, self._queue, 1, [KEY])

    def _to_publish(self) -> str:
        options, config = self._context.options, self._context.client.config
        if not options.publish_cluster_info:
            return ""
        return plan.cluster_kubeconfig(config.server, read_ca(options.root_ca_file, config))

    async def _follow(self) -> None:
        """Publish a root CA that changed."""
        while self._published:
            await self._context.clock.sleep(LOOK_SECONDS)
            try:
                now = self._to_publish()
            except StartError as error:
                log.warning("cluster-info stays as it was: %s", error.cause)
                continue
            if now != self._published:
                self._published = now
                self._queue.add(KEY)

    def _on_token(self, before: Secret | None, after: Secret | None) -> None:
        self._queue.add(KEY)

    def _on_map(self, before: ConfigMap | None, after: ConfigMap | None) -> None:
        self._queue.add(KEY)

    async def _reconcile(self, key: str) -> float | None:
        current = self._maps.get(*split_key(key))
        now = self._context.clock.now()
        secrets = sorted(self._tokens.list(), key=lambda one: one.metadata.name)
        found = plan.plan_cluster_info(current, secrets, self._published, now)
        await self._executor.execute(found.actions)
        return found.requeue_after
