"""The storage seam on etcd v3, over aetcd's generated gRPC stubs.

Only the stubs: aetcd's own Client knows one endpoint and its Watcher hides cancellations. Each write
is one transaction conditional on the key's mod_revision, so a revision never holds two objects. Every
call has a deadline. With several endpoints a call that gets no answer moves on to the next one; reads
are asked again there, writes are not, as they may have happened.

Source of the wire: etcd's api/etcdserverpb/rpc.proto.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc.aio
from aetcd import rpc

from apiserver.storage.etcd_errors import failure_of
from apiserver.storage.etcd_member import EtcdTls as EtcdTls
from apiserver.storage.etcd_member import Member
from apiserver.storage.interface import (
    Change,
    Compacted,
    Entry,
    KeyExists,
    KeyMissing,
    Page,
    RevisionConflict,
    Status,
    StorageError,
    StorageUnavailable,
)

CALL_SECONDS = 5.0  # deadline of every call but the watch
# A member that lost the majority ends the watch instead of staying silent.
_WATCH_METADATA = (("hasleader", "true"),)
_PREFIX_START, _EVERYTHING = b"\x00", b"\x00"  # etcd's range of all keys


Method = Callable[[Member], Callable[..., Awaitable[Any]]]
Observe = Callable[[str, bytes, float, bool], None]


class EtcdStorage:
    """A revisioned key-value store in etcd. Make it inside the event loop that uses it.

    probe_key: a key that nobody ever writes, read to learn the newest revision
    observe:   told of every call: which operation, on which key, how long it took, whether it failed
    """

    def __init__(
        self,
        endpoints: list[str],
        *,
        tls: EtcdTls | None = None,
        probe_key: bytes = b"/registry/.revision",
        observe: Observe | None = None,
    ) -> None:
        self._members = [Member(endpoint, tls or EtcdTls()) for endpoint in endpoints]
        self._current = 0
        self._observe = observe or _unobserved
        # With one endpoint a call waits for it to come back, up to the deadline.
        self._wait = len(self._members) == 1
        self._probe = rpc.RangeRequest(key=probe_key, limit=1, keys_only=True)

    async def get(self, key: bytes) -> Entry | None:
        found = await self._range("get", rpc.RangeRequest(key=key))
        return _entry(found.kvs[0]) if found.kvs else None

    async def range(self, start: bytes, end: bytes, *, limit: int = 0, revision: int = 0) -> Page:
        request = rpc.RangeRequest(key=start, range_end=end, limit=limit, revision=revision)
        found = await self._range("list", request)
        entries = [_entry(kv) for kv in found.kvs]
        return Page(entries, found.header.revision, found.more, found.count - len(entries))

    async def revision(self) -> int:
        return int((await self._range("getCurrentResourceVersion", self._probe)).header.revision)

    async def create(self, key: bytes, value: bytes, *, lease: int = 0) -> int:
        answer = await self._txn("create", key, 0, _put(key, value, lease))
        if not answer.succeeded:
            raise KeyExists
        return int(answer.header.revision)

    async def update(self, key: bytes, value: bytes, *, expected: int, lease: int = 0) -> int:
        return await self._change("update", key, expected, _put(key, value, lease))

    async def delete(self, key: bytes, *, expected: int) -> int:
        operation = rpc.RequestOp(request_delete_range=rpc.DeleteRangeRequest(key=key))
        return await self._change("delete", key, expected, operation)

    async def watch(self, *, after: int) -> AsyncIterator[list[Change]]:
        member = self._members[self._current]
        call = member.watch.Watch(metadata=_WATCH_METADATA)
        create = rpc.WatchCreateRequest(
            key=_PREFIX_START, range_end=_EVERYTHING, start_revision=after + 1, fragment=True
        )
        batch: list[Change] = []
        try:
            await call.write(rpc.WatchRequest(create_request=create))
            while True:
                answer = await call.read()
                if answer is grpc.aio.EOF:
                    raise StorageUnavailable("etcd ended the watch")
                if answer.canceled:
                    if answer.compact_revision:
                        raise Compacted(answer.compact_revision)
                    raise StorageUnavailable(f"etcd cancelled the watch: {answer.cancel_reason}")
                for event in answer.events:
                    kv = event.kv
                    if kv.mod_revision > after:
                        batch.append(
                            Change(kv.key, None if event.type else kv.value, kv.mod_revision)
                        )
                if batch and not answer.fragment:
                    after = batch[-1].revision
                    yield batch
                    batch = []
        except grpc.aio.AioRpcError as error:
            raise self._failure(member, error) from error
        finally:
            call.cancel()

    async def grant_lease(self, seconds: int) -> int:
        request = rpc.LeaseGrantRequest(TTL=seconds)
        answer = await self._ask("leaseGrant", lambda member: member.lease.LeaseGrant, request)
        return int(answer.ID)

    async def compact(self, revision: int) -> None:
        try:
            request = rpc.CompactionRequest(revision=revision)
            await self._ask("compact", lambda member: member.kv.Compact, request)
        except Compacted:
            return  # another API server was faster

    async def status(self) -> Status:
        request = rpc.StatusRequest()
        answer = await self._ask("status", lambda member: member.maintenance.Status, request)
        return Status(answer.version, answer.dbSize, tuple(answer.errors))

    async def close(self) -> None:
        for member in self._members:
            await member.channel.close()

    async def _change(self, name: str, key: bytes, expected: int, operation: Any) -> int:
        answer = await self._txn(name, key, expected, operation)
        if answer.succeeded:
            return int(answer.header.revision)
        found = answer.responses[0].response_range.kvs
        if not found:
            raise KeyMissing
        raise RevisionConflict(_entry(found[0]))

    async def _txn(self, name: str, key: bytes, expected: int, operation: Any) -> Any:
        compare = rpc.Compare(
            result=rpc.Compare.EQUAL, target=rpc.Compare.MOD, key=key, mod_revision=expected
        )
        read = rpc.RequestOp(request_range=rpc.RangeRequest(key=key))
        # A create does not look at what it ran into.
        failure = [read] if expected else []
        request = rpc.TxnRequest(compare=[compare], success=[operation], failure=failure)
        return await self._write(name, key, request)

    async def _range(self, name: str, request: Any) -> Any:
        for _ in self._members[1:]:
            try:
                return await self._ask(name, lambda member: member.kv.Range, request, request.key)
            except StorageUnavailable:
                continue  # the next member answers
        return await self._ask(name, lambda member: member.kv.Range, request, request.key)

    async def _ask(self, name: str, method: Method, request: Any, key: bytes = b"") -> Any:
        member = self._members[self._current]
        started, failed = time.monotonic(), True
        try:
            call = method(member)
            answer = await call(request, timeout=CALL_SECONDS, wait_for_ready=self._wait)
            failed = False
        except grpc.aio.AioRpcError as error:
            raise self._failure(member, error) from error
        finally:
            self._observe(name, key, time.monotonic() - started, failed)
        return answer

    async def _write(self, name: str, key: bytes, request: Any) -> Any:
        """A transaction. It is sent only over a connection that stands, so that one which could not
        be sent is known to be none."""
        member = self._members[self._current]
        started, failed = time.monotonic(), True
        try:
            if self._wait:
                await member.connected(CALL_SECONDS)
            answer = await member.kv.Txn(request, timeout=CALL_SECONDS)
            failed = False
        except grpc.aio.AioRpcError as error:
            raise self._failure(member, error, writing=True) from error
        finally:
            self._observe(name, key, time.monotonic() - started, failed)
        return answer

    def _failure(
        self, member: Member, error: grpc.aio.AioRpcError, *, writing: bool = False
    ) -> StorageError:
        failure = failure_of(error, writing=writing)
        if isinstance(failure, StorageUnavailable):
            self._move_on(member)
        return failure

    def _move_on(self, member: Member) -> None:
        """Ask another endpoint next time, unless somebody already moved on."""
        if self._members[self._current] is member:
            self._current = (self._current + 1) % len(self._members)


def _unobserved(name: str, key: bytes, seconds: float, failed: bool) -> None:
    """Nobody counts."""


def _entry(kv: Any) -> Entry:
    return Entry(kv.key, kv.value, kv.mod_revision)


def _put(key: bytes, value: bytes, lease: int) -> Any:
    return rpc.RequestOp(request_put=rpc.PutRequest(key=key, value=value, lease=lease))
