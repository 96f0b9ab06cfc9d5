"""The storage seam on etcd v3, over our own gRPC client (`endpoint.py`).

Each write is one transaction conditional on the key's mod_revision, so a revision never holds two
objects. Every call has a deadline. With several endpoints a call that gets no answer moves on to the
next one and is asked again there, unless it is a write that may have happened.

Source of the wire: etcd's api/etcdserverpb/rpc.proto.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from apiserver.storage.etcd.calls import CallFailed
from apiserver.storage.etcd.endpoint import Endpoint, Method
from apiserver.storage.etcd.errors import failure_of
from apiserver.storage.etcd.messages import rpc_pb2 as rpc
from apiserver.storage.etcd.tls import EtcdTls
from apiserver.storage.etcd.wire import entry_of, read_watch, transaction, watch_request
from apiserver.storage.interface import (
    Change,
    Compacted,
    Entry,
    KeyExists,
    KeyMissing,
    OutcomeUnknown,
    Page,
    RevisionConflict,
    Status,
    StorageError,
    StorageFull,
    StorageUnavailable,
)

_MESSAGES_AT_ONCE = 64  # of a watch, before others may run
CALL_SECONDS = 5.0  # deadline of every call but the watch, waiting for a connection included
_RANGE = Method("/etcdserverpb.KV/Range", CALL_SECONDS)
_TXN = Method("/etcdserverpb.KV/Txn", CALL_SECONDS)
_COMPACT = Method("/etcdserverpb.KV/Compact", CALL_SECONDS)
_LEASE_GRANT = Method("/etcdserverpb.Lease/LeaseGrant", CALL_SECONDS)
_STATUS = Method("/etcdserverpb.Maintenance/Status", CALL_SECONDS)
# A member that lost the majority ends the watch instead of staying silent.
_WATCH = Method("/etcdserverpb.Watch/Watch", metadata={"hasleader": "true"})

Observe = Callable[[str, bytes, float, bool], None]


class EtcdStorage:
    """A revisioned key-value store in etcd. Make it inside the event loop that uses it.

    probe_key: a key that nobody ever writes, read to learn the newest revision
    observe:   told of every call: which operation, on which key, how long it took, whether it failed

    OSError, ssl.SSLError: TLS's files are amiss.
    """

    def __init__(
        self,
        endpoints: list[str],
        *,
        tls: EtcdTls | None = None,
        probe_key: bytes = b"/registry/.revision",
        observe: Observe | None = None,
    ) -> None:
        # With one endpoint a call waits for it to come back, up to the deadline.
        alone = len(endpoints) == 1
        self._endpoints = [Endpoint(url, tls or EtcdTls(), patient=alone) for url in endpoints]
        self._current = 0
        self._observe = observe or _unobserved
        self._probe_key = probe_key
        probe = rpc.RangeRequest(key=probe_key, limit=1, keys_only=True)
        self._probe = probe.SerializeToString()

    async def get(self, key: bytes) -> Entry | None:
        found = await self._range("get", key, rpc.RangeRequest(key=key).SerializeToString())
        return entry_of(found.kvs[0]) if found.kvs else None

    async def range(self, start: bytes, end: bytes, *, limit: int = 0, revision: int = 0) -> Page:
        request = rpc.RangeRequest(key=start, range_end=end, limit=limit, revision=revision)
        found = await self._range("list", start, request.SerializeToString())
        entries = [entry_of(kv) for kv in found.kvs]
        return Page(entries, found.header.revision, found.more, found.count - len(entries))

    async def revision(self) -> int:
        found = await self._range("getCurrentResourceVersion", self._probe_key, self._probe)
        return int(found.header.revision)

    async def create(self, key: bytes, value: bytes, *, lease: int = 0) -> int:
        return await self._change("create", key, value, 0, lease)

    async def update(self, key: bytes, value: bytes, *, expected: int, lease: int = 0) -> int:
        return await self._change("update", key, value, expected, lease)

    async def delete(self, key: bytes, *, expected: int) -> int:
        return await self._change("delete", key, None, expected)

    async def watch(self, *, after: int) -> AsyncIterator[list[Change]]:
        endpoint = self._endpoints[self._current]
        try:
            stream = await endpoint.open(_WATCH, watch_request(after), CALL_SECONDS)
            try:
                batch: list[Change] = []
                while True:
                    messages = await stream.read()
                    for start in range(0, len(messages), _MESSAGES_AT_ONCE):
                        if start:
                            await asyncio.sleep(0)  # after an absence there can be thousands
                        some = messages[start : start + _MESSAGES_AT_ONCE]
                        whole = read_watch(some, after, batch)
                        if whole:
                            after = batch[whole - 1].revision
                            yield batch[:whole]
                            del batch[:whole]
            finally:
                stream.close()
        except CallFailed as error:
            raise self._failure(endpoint, error) from error

    async def grant_lease(self, seconds: int) -> int:
        request = rpc.LeaseGrantRequest(TTL=seconds).SerializeToString()
        answer = await self._ask("leaseGrant", b"", _LEASE_GRANT, request)
        return int(rpc.LeaseGrantResponse.FromString(answer).ID)

    async def compact(self, revision: int) -> None:
        request = rpc.CompactionRequest(revision=revision).SerializeToString()
        try:
            await self._ask("compact", b"", _COMPACT, request)
        except Compacted:
            return  # another API server was faster

    async def status(self) -> Status:
        request = rpc.StatusRequest().SerializeToString()
        answer = rpc.StatusResponse.FromString(await self._ask("status", b"", _STATUS, request))
        return Status(answer.version, answer.dbSize, tuple(answer.errors))

    async def close(self) -> None:
        for endpoint in self._endpoints:
            await endpoint.close()

    async def _change(
        self, name: str, key: bytes, value: bytes | None, expected: int, lease: int = 0
    ) -> int:
        """Give a key that is at revision `expected` (0: that is not there) a value, or none."""
        request = transaction(key, value, expected, lease)
        try:
            answer = await self._ask(name, key, _TXN, request, writing=True)
        except StorageFull as full:
            return await self._carried_out(key, value, expected, full)
        outcome = rpc.TxnResponse.FromString(answer)
        if outcome.succeeded:
            return int(outcome.header.revision)
        if not expected:
            raise KeyExists
        found = outcome.responses[0].response_range.kvs
        if not found:
            raise KeyMissing
        raise RevisionConflict(entry_of(found[0]))

    async def _carried_out(
        self, key: bytes, value: bytes | None, expected: int, full: StorageFull
    ) -> int:
        """etcd says it is full also when it became so by the very write, which it carried out.

        The write's revision, if it was; for a delete one that is not older. Source: etcd's
        server/etcdserver/apply.go (applierV3 with quota).
        """
        request = rpc.RangeRequest(key=key).SerializeToString()
        answer = await self._range("get", key, request)
        found = entry_of(answer.kvs[0]) if answer.kvs else None
        if found is None and value is None:
            return int(answer.header.revision)
        if found is not None and found.revision != expected:
            if found.value == value:
                return found.revision
            raise OutcomeUnknown(str(full)) from full  # somebody wrote after it
        raise full

    async def _range(self, name: str, key: bytes, request: bytes) -> Any:
        return rpc.RangeResponse.FromString(await self._ask(name, key, _RANGE, request))

    async def _ask(
        self, name: str, key: bytes, method: Method, request: bytes, *, writing: bool = False
    ) -> bytes:
        for _ in self._endpoints[1:]:
            try:
                return await self._ask_one(name, key, method, request, writing)
            except OutcomeUnknown:
                raise
            except StorageUnavailable:
                continue  # the next member answers
        return await self._ask_one(name, key, method, request, writing)

    async def _ask_one(
        self, name: str, key: bytes, method: Method, request: bytes, writing: bool
    ) -> bytes:
        endpoint = self._endpoints[self._current]
        started, failed = time.monotonic(), True
        try:
            answer = await endpoint.call(method, request)
            failed = False
        except CallFailed as error:
            raise self._failure(endpoint, error, writing=writing) from error
        finally:
            self._observe(name, key, time.monotonic() - started, failed)
        return answer

    def _failure(
        self, endpoint: Endpoint, error: CallFailed, *, writing: bool = False
    ) -> StorageError:
        failure = failure_of(error, writing=writing)
        if isinstance(failure, StorageUnavailable):
            self._move_on(endpoint)
        return failure

    def _move_on(self, endpoint: Endpoint) -> None:
        """Ask another endpoint next time, unless somebody already moved on."""
        if self._endpoints[self._current] is endpoint:
            self._current = (self._current + 1) % len(self._endpoints)


def _unobserved(name: str, key: bytes, seconds: float, failed: bool) -> None:
    """Nobody counts."""
