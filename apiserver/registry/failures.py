"""The store's and the cache's failures, as the API words them.

Source: k8s.io/apiserver/pkg/registry/generic/registry and storage/errors.
"""

from __future__ import annotations

from apiserver.storage.cache import CacheBehind
from apiserver.storage.interface import (
    Compacted,
    FutureRevision,
    OutcomeUnknown,
    StorageError,
    StorageFull,
    StorageUnavailable,
    ValueTooLarge,
)
from apiserver.storage.window import HistoryGone
from wherry.api.errors import ApiError, status_error

RETRY_SECONDS = 1

Failure = StorageError | CacheBehind | HistoryGone
FAILURES = (StorageError, CacheBehind, HistoryGone)


def api_error(error: Failure) -> ApiError:
    """The Status for a failure that is not about one object's presence or revision."""
    match error:
        case CacheBehind():
            return too_large_revision(error.wanted, error.reached)
        case OutcomeUnknown():
            return status_error(
                "Timeout",
                "the store (etcd) did not answer in time; the write may have been done: read "
                f"before trying again: {error}",
                details={"retryAfterSeconds": RETRY_SECONDS},
            )
        case StorageUnavailable():
            return unavailable(f"the store (etcd) does not answer: {error}")
        case StorageFull():
            return unavailable(
                "the store (etcd) has no space left and refuses writes; compact and defragment "
                f"it, then disarm its NOSPACE alarm: {error}"
            )
        case ValueTooLarge():
            return status_error(
                "RequestEntityTooLarge", "Request entity too large: the object is above the "
                "store's (etcd) limit for one value",
            )  # fmt: skip
        case Compacted() | HistoryGone():
            return expired("The resourceVersion for the provided list is too old.")
        case FutureRevision():
            return too_large_revision(0, 0)
        case _:
            return status_error("InternalError", f"Internal error occurred: {error}")


def unavailable(message: str) -> ApiError:
    """503: later it may work."""
    details = {"retryAfterSeconds": RETRY_SECONDS}
    return status_error("ServiceUnavailable", message, details=details)


def expired(message: str) -> ApiError:
    """410: what was asked about is no longer known."""
    return status_error("Expired", message)


def too_old(revision: int, oldest: int) -> ApiError:
    """410 of a watch from before the history."""
    return expired(f"too old resource version: {revision} ({oldest})")


def too_large_revision(wanted: int, reached: int) -> ApiError:
    """504: the cache has not seen this revision yet, if it exists at all."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    return status_error(
        "Timeout",
        f"Too large resource version: {wanted}, current: {reached}",
        details={"causes": [cause], "retryAfterSeconds": RETRY_SECONDS},
    )
