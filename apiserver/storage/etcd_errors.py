"""What etcd's refusals and silences mean.

Source: etcd's api/v3rpc/rpctypes/error.go.
"""

from __future__ import annotations

import grpc
import grpc.aio

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
    grpc.StatusCode.INTERNAL,  # as a stream ends that was cut off
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
)
# Said before anything was proposed; after any other silence a write may have happened all the same.
_NOT_BEGUN = ("failed to connect", "no leader", "too many requests")


def failure_of(error: grpc.aio.AioRpcError, *, writing: bool) -> StorageError:
    """The storage's error for a call's; raise it from the call's."""
    code, text = error.code(), error.details() or ""
    if code is grpc.StatusCode.OUT_OF_RANGE:
        return FutureRevision() if "future" in text else Compacted()
    if code is grpc.StatusCode.INVALID_ARGUMENT and "too large" in text:
        return ValueTooLarge(text)
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in text:
        return ValueTooLarge(text)
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and "space" in text:
        return StorageFull(text)
    if code in _UNANSWERED:
        if writing and not any(words in text for words in _NOT_BEGUN):
            return OutcomeUnknown(text)
        return StorageUnavailable(text)
    return StorageError(f"{code.name}: {text}")
