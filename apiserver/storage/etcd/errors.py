"""What etcd's refusals and silences mean.

Source: etcd's api/v3rpc/rpctypes/error.go.
"""

from __future__ import annotations

from apiserver.storage.etcd.calls import CallFailed, Code
from apiserver.storage.interface import (
    Compacted,
    FutureRevision,
    OutcomeUnknown,
    StorageError,
    StorageFull,
    StorageUnavailable,
    ValueTooLarge,
)

_UNANSWERED = (
    Code.OK,  # a stream that should not end
    Code.INTERNAL,
    Code.UNKNOWN,
    Code.UNAVAILABLE,
    Code.DEADLINE_EXCEEDED,
    Code.CANCELLED,
    Code.RESOURCE_EXHAUSTED,
)
# Said before anything was proposed; after any other silence a write may have happened all the same.
_NOT_BEGUN = ("no leader", "too many requests")


def failure_of(failed: CallFailed, *, writing: bool) -> StorageError:
    """The storage's error for a call's; raise it from the call's."""
    code, text = failed.code, failed.text
    if code is Code.OUT_OF_RANGE:
        return FutureRevision() if "future" in text else Compacted()
    if code is Code.INVALID_ARGUMENT and "too large" in text:
        return ValueTooLarge(text)
    if code is Code.RESOURCE_EXHAUSTED and "larger than max" in text:
        return ValueTooLarge(text)
    if code is Code.RESOURCE_EXHAUSTED and "space" in text:
        return StorageFull(text)
    if code in _UNANSWERED:
        if writing and failed.begun and not any(words in text for words in _NOT_BEGUN):
            return OutcomeUnknown(text)
        return StorageUnavailable(text)
    return StorageError(f"{code.name}: {text}")
