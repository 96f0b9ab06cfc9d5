from __future__ import annotations

import pytest

from apiserver.storage.etcd.calls import CallFailed, Code
from apiserver.storage.etcd.errors import failure_of
from apiserver.storage.interface import (
    Compacted,
    FutureRevision,
    OutcomeUnknown,
    StorageError,
    StorageFull,
    StorageUnavailable,
    ValueTooLarge,
)


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (Code.OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted", Compacted),
        (Code.OUT_OF_RANGE, "etcdserver: mvcc: required revision is a future revision", FutureRevision),
        (Code.INVALID_ARGUMENT, "etcdserver: request is too large", ValueTooLarge),
        (Code.RESOURCE_EXHAUSTED, "grpc: received message larger than max (9 vs. 2)", ValueTooLarge),
        (Code.RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded", StorageFull),
        (Code.PERMISSION_DENIED, "etcdserver: permission denied", StorageError),
        (Code.UNAVAILABLE, "etcdserver: no leader", StorageUnavailable),
        (Code.RESOURCE_EXHAUSTED, "etcdserver: too many requests", StorageUnavailable),
        (Code.UNAVAILABLE, "etcdserver: request timed out", OutcomeUnknown),
        (Code.DEADLINE_EXCEEDED, "no answer in time", OutcomeUnknown),
    ],
)  # fmt: skip
def test_of_a_write(code: Code, text: str, expected: type[StorageError]) -> None:
    assert type(failure_of(CallFailed(code, text), writing=True)) is expected


def test_what_was_not_sent_has_not_happened() -> None:
    unsent = CallFailed(Code.UNAVAILABLE, "no connection", begun=False)
    assert type(failure_of(unsent, writing=True)) is StorageUnavailable


def test_a_read_is_never_in_doubt() -> None:
    late = CallFailed(Code.DEADLINE_EXCEEDED, "no answer in time")
    assert type(failure_of(late, writing=False)) is StorageUnavailable
