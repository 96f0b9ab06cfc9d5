"""Watches service accounts and the Secrets that hold their tokens.

Only with `--service-account-private-key-file`: without the key there is nothing to fill Secrets with,
and nothing is watched.
"""

from __future__ import annotations

import logging
from pathlib import Path

from controller_manager.context import Context, keys_of
from controller_manager.rootca.controller import read_ca
from controller_manager.serviceaccounttokens.plan import (
    ACCOUNT,
    Signer,
    belongs,
    is_held,
    plan_secret,
    read_signer,
)
from wherry.api.core_v1 import Secret, ServiceAccount
from wherry.api.errors import ApiError
from wherry.client.store import key_of, split_key
from wherry.client.workqueue import WorkQueue
from wherry.daemon.files import Followed
from wherry.daemon.process import StartError

log = logging.getLogger(__name__)

WORKERS = 2


class TokensController:
    """See the module."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._queue: WorkQueue[str] = WorkQueue("serviceaccount_tokens_secret")
        path = context.options.service_account_private_key_file
        self._signer = _followed(Path(path)) if path else None
        if self._signer is None:
            return
        self._executor = context.executor("serviceaccount-token-controller")
        self._secrets = context.informers.token_secrets
        self._accounts = context.informers.accounts
        self._secrets.add_handler(self._on_secret)
        self._accounts.add_handler(self._on_account)

    async def run(self) -> None:
        if self._signer is None:
            log.info("Secrets get no tokens: no --service-account-private-key-file")
            return
        await self._context.work(
            "serviceaccount_tokens_secret",
            self._reconcile,
            self._queue,
            WORKERS,
            keys_of(self._secrets),
        )

    def _on_secret(self, before: Secret | None, after: Secret | None) -> None:
        if after is not None and is_held(after):
            self._queue.add(key_of(after))

    def _on_account(self, before: ServiceAccount | None, after: ServiceAccount | None) -> None:
        """An account was made, made anew or deleted: its Secrets have to follow."""
        uids = [one.metadata.uid if one is not None else "" for one in (before, after)]
        account = after or before
        if account is None or uids[0] == uids[1]:
            return
        for secret in self._secrets.list():
            metadata = secret.metadata
            mine = metadata.annotations.get(ACCOUNT) == account.metadata.name
            if mine and metadata.namespace == account.metadata.namespace:
                self._queue.add(key_of(secret))

    async def _reconcile(self, key: str) -> float | None:
        assert self._signer is not None, "without a key nothing is queued"
        secret = self._secrets.get(*split_key(key))
        if secret is None or not is_held(secret):
            return None
        account = await self._account(secret)
        ca = read_ca(self._context.options.root_ca_file, self._context.client.config)
        self._signer.look()
        plan = plan_secret(secret, account, ca, self._signer.value.token)
        await self._executor.execute(plan.actions)
        return plan.requeue_after

    async def _account(self, secret: Secret) -> ServiceAccount | None:
        """The Secret's account. The cache may not know a new one yet: then the server is asked."""
        namespace, name = secret.metadata.namespace, secret.metadata.annotations[ACCOUNT]
        cached = self._accounts.get(namespace, name)
        if cached is not None and belongs(secret, cached):
            return cached
        try:
            return await self._context.client.get(ServiceAccount, name, namespace)
        except ApiError as error:
            if error.reason == "NotFound":
                return None
            raise


def _followed(path: Path) -> Followed[Signer]:
    """The key of a file, read anew when that changes. StartError when it is unusable now."""
    try:
        return Followed("the keys that sign tokens", [path], lambda: read_signer(path))
    except (OSError, ValueError) as error:
        raise StartError(
            f"cannot use {path}: {error}", "correct --service-account-private-key-file"
        ) from error
