"""Static pods: run from a folder, shown by mirrors, with or without an API server."""

import asyncio
import json

import pytest

from tests.integration.kubelet.test_pods import container, running
from wherry.api.core_v1 import Pod

pytestmark = pytest.mark.e2e


@pytest.fixture
async def folder(kubelet):
    kubelet.manifests.mkdir(exist_ok=True)
    yield kubelet.manifests
    for file in kubelet.manifests.iterdir():
        file.unlink()
    for name in ("first", "second"):
        await kubelet.until_gone(f"{name}-n1")


def write(folder, name, **fields):
    tree = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [container(**fields)], "terminationGracePeriodSeconds": 1},
    }
    draft = folder / ".draft"
    draft.write_text(json.dumps(tree))
    draft.rename(folder / f"{name}.yaml")


async def test_a_file_is_a_pod(kubelet, folder):
    write(folder, "first")
    mirror = await kubelet.until("first-n1", running)
    assert mirror.metadata.owner_references[0].kind == "Node"
    id = mirror.status.container_statuses[0].container_id
    # Whoever deletes the mirror deletes nothing.
    await kubelet.client.delete(Pod, "first-n1", "default", grace_period_seconds=0)
    other = await kubelet.until(
        "first-n1", lambda pod: pod.metadata.uid != mirror.metadata.uid and running(pod)
    )
    assert other.status.container_statuses[0].container_id == id
    # Another content is another pod.
    write(folder, "first", env=[{"name": "A", "value": "1"}])
    changed = await kubelet.until(
        "first-n1",
        lambda pod: running(pod) and pod.status.container_statuses[0].container_id != id,
    )
    assert changed.metadata.annotations != other.metadata.annotations
    (folder / "first.yaml").unlink()
    await kubelet.until_gone("first-n1")
    assert kubelet.containers("first-n1") == []


async def test_a_restarted_kubelet_without_an_api_server_keeps_and_starts_them(
    kubelet, folder, relay
):
    write(folder, "first")
    before = await kubelet.until("first-n1", running)
    kubelet.stop()
    relay.shut()
    try:
        write(folder, "second")
        kubelet.start()
        await until_runs(kubelet, "second-n1")
    finally:
        relay.open()
    await kubelet.until("second-n1", running)
    after = await kubelet.until("first-n1", running)
    assert after.status.container_statuses[0].container_id == (
        before.status.container_statuses[0].container_id
    )


async def until_runs(kubelet, name):
    async with asyncio.timeout(20):
        while len(kubelet.containers(name)) < 2:
            await asyncio.sleep(0.1)
