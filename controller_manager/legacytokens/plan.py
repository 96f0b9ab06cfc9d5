"""Which tokens nobody uses any more. Pure.

Only tokens that their ServiceAccount lists in `secrets`, as upstream's clusters once did by themselves;
what a person made is theirs. First a token is marked, which makes it invalid (the API server refuses it,
and takes the mark off when somebody used it all the same); a period later it is deleted.

Source: upstream's pkg/controller/serviceaccount/legacy_serviceaccount_token_cleaner.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from controller_manager.plan import Delete, Patch
from controller_manager.serviceaccounttokens.plan import ACCOUNT, TYPE, belongs
from wherry.api.core_v1 import Pod, Secret, ServiceAccount

LAST_USED = "kubernetes.io/legacy-token-last-used"
INVALID_SINCE = "kubernetes.io/legacy-token-invalid-since"

Accounts = Mapping[tuple[str, str], ServiceAccount]  # by namespace and name

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def is_tracked_long_enough(since: str, period: timedelta, now: datetime) -> bool:
    """Has every use been noted for a whole period? `since`: the day it began, which was not whole."""
    begun = day(since)
    if begun is None:
        return False
    first = datetime(begun.year, begun.month, begun.day, tzinfo=UTC) + timedelta(days=1)
    return now >= first + period


def unused(
    secrets: Iterable[Secret], accounts: Accounts, period: timedelta, now: datetime
) -> list[Secret]:
    """Tokens older than a period of which no use was noted within one."""
    return [
        secret
        for secret in secrets
        if secret.type == TYPE
        and secret.metadata.deletion_timestamp is None
        and secret.metadata.creation_timestamp is not None
        and secret.metadata.creation_timestamp < now - period
        and _is_long_ago(secret.metadata.labels.get(LAST_USED), period, now)
        and _is_listed(secret, accounts)
    ]


def _is_long_ago(text: str | None, period: timedelta, now: datetime) -> bool:
    if text is None:
        return True  # not since uses are noted
    used = day(text)
    return used is not None and used < (now - period).date()


def _is_listed(secret: Secret, accounts: Accounts) -> bool:
    metadata = secret.metadata
    account = accounts.get((metadata.namespace, metadata.annotations.get(ACCOUNT, "")))
    if account is None or not belongs(secret, account):
        return False
    return any(one.name == metadata.name for one in account.secrets)


def plan_token(
    secret: Secret, pods: Iterable[Pod], period: timedelta, now: datetime
) -> Patch | Delete | None:
    """What becomes of an unused token; nothing as long as one of its namespace's pods names it."""
    metadata = secret.metadata
    if any(metadata.name in _texts(pod.spec.to_wire()) for pod in pods):
        return None
    since = day(metadata.labels.get(INVALID_SINCE, ""))
    if since is None:
        labels = {INVALID_SINCE: now.date().isoformat()}
        patch = {"metadata": {"uid": metadata.uid, "labels": labels}}
        return Patch(Secret, metadata.namespace, metadata.name, patch, "merge")
    if since >= (now - period).date():
        return None
    return Delete(
        Secret, metadata.namespace, metadata.name, metadata.uid,
        resource_version=metadata.resource_version,
    )  # fmt: skip


def _texts(tree: Any) -> Iterator[str]:
    """Every text in it: a pod may name a Secret in a dozen places."""
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, Mapping):
        for value in tree.values():
            yield from _texts(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _texts(value)


def day(text: str) -> date | None:
    """`2026-11-22`; None when it is none."""
    try:
        return date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        return None
