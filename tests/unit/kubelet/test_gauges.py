"""What /metrics tells of what the kubelet holds."""

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from kubelet.gauges import Gauges
from kubelet.pods.cache import ContainerCache
from kubelet.runtime.labels import Identity
from kubelet.runtime.memory import MemoryRuntime
from wherry.daemon.clock import FakeClock


async def test_gauges():
    clock = FakeClock()
    runtime = MemoryRuntime(clock)
    await runtime.import_image(b"", "i", ())
    for name, command in (("POD", ["sleep"]), ("a", ["sleep"]), ("b", ["exit", "0"])):
        who = Identity("u", "p", "d", name, 0)
        config = {"Image": "i", "Labels": who.labels("n"), "Cmd": command, "HostConfig": {}}
        await runtime.start(await runtime.create(who.docker_name, config))
    cache = ContainerCache(runtime, clock, lambda uid: None)
    await cache.relist()
    registry = CollectorRegistry()
    Gauges(cache, lambda: 3, lambda: 7).register(registry)
    text = generate_latest(registry).decode()
    for line in (
        "kubelet_running_pods 1.0",
        'kubelet_running_containers{container_state="running"} 1.0',
        'kubelet_running_containers{container_state="exited"} 1.0',
        "wherry_kubelet_pod_workers 3.0",
        "wherry_kubelet_events_queued 7.0",
    ):
        assert f"\n{line}\n" in text
    tasks = next(line for line in text.splitlines() if line.startswith("wherry_kubelet_tasks "))
    assert float(tasks.split()[1]) >= 1
    assert "\nprocess_open_fds " in text
