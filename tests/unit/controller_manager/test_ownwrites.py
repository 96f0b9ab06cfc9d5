"""What one wrote oneself is in the cache before the next decision."""

from __future__ import annotations

from typing import cast

import pytest

from controller_manager.ownwrites import OwnWrites
from wherry.api.batch_v1 import Job
from wherry.api.errors import ApiError, conflict
from wherry.client.informer import Informer
from wherry.client.transport import ApiUnavailable

KEY = "ns/work"
TIMED_OUT = ApiError({"code": 504, "reason": "Timeout", "message": "etcd took too long"})
STALE = conflict("jobs", "work", "stale")


def job(version: str) -> Job:
    metadata = {"name": "work", "namespace": "ns", "uid": "u1", "resourceVersion": version}
    return Job.from_wire({"metadata": metadata, "spec": {"template": {"spec": {}}}})


class Cache:
    """Notes what is waited for."""

    def __init__(self) -> None:
        self.waited: list[str] = []

    async def shows(self, resource_version: str) -> None:
        self.waited.append(resource_version)

    async def caught_up(self, since: float) -> None:
        assert since > 0
        self.waited.append("all")


@pytest.fixture
def cache() -> Cache:
    return Cache()


@pytest.fixture
def written(cache: Cache) -> OwnWrites[Job]:
    return OwnWrites(cast("Informer[Job]", cache))


async def test_nothing_was_written(cache: Cache, written: OwnWrites[Job]) -> None:
    await written.shown(KEY)
    assert cache.waited == []


async def test_the_newest_write_is_waited_for_once(cache: Cache, written: OwnWrites[Job]) -> None:
    written.note(KEY, job("11"))
    written.note(KEY, job("12"))
    written.note("ns/other", job("13"))
    await written.shown(KEY)
    await written.shown(KEY)
    assert cache.waited == ["12"]


@pytest.mark.parametrize("error", [ApiUnavailable("gone"), TIMED_OUT])
async def test_an_unanswered_write_may_have_been_done(error, cache, written) -> None:
    written.note(KEY, job("11"))
    written.failed(KEY, error)
    await written.shown(KEY)
    assert cache.waited == ["all"]


async def test_a_refused_write_was_not(cache: Cache, written: OwnWrites[Job]) -> None:
    written.failed(KEY, STALE)
    await written.shown(KEY)
    assert cache.waited == []


@pytest.mark.parametrize("forget", [lambda w: w.forget(KEY), lambda w: w.clear()])
async def test_what_is_gone_is_not_waited_for(forget, cache, written) -> None:
    written.note(KEY, job("11"))
    written.failed(KEY, ApiUnavailable("gone"))
    forget(written)
    await written.shown(KEY)
    assert cache.waited == []
