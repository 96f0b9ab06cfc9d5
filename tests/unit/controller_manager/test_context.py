"""What all controllers' queues have in common."""

import asyncio
import logging
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry

from controller_manager.context import Context
from controller_manager.executor import NamespaceGoes
from wherry.client.metrics import QueueMetrics
from wherry.client.workqueue import WorkQueue


async def test_an_object_whose_namespace_goes_is_no_news_and_is_left_alone(caplog):
    caplog.set_level(logging.DEBUG)
    asked, over = [], asyncio.Event()

    async def reconcile(key):
        asked.append(key)
        if key == "going/a":
            raise NamespaceGoes
        over.set()

    queue = WorkQueue()
    context = SimpleNamespace(metrics=QueueMetrics(CollectorRegistry()))
    keys = ["going/a", "stays/b"]
    task = asyncio.create_task(Context.work(context, "some", reconcile, queue, 1, keys))
    async with asyncio.timeout(20):
        await over.wait()
    assert (asked, queue.retries("going/a")) == (keys, 0)
    assert not caplog.records
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
