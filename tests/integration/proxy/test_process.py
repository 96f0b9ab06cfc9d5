"""`wherry-proxy` beside a real API server, both inside a node's network namespace."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from tests.integration.conftest import running_apiserver, running_etcd
from tests.integration.proxy.network import NODE, POD_A, POD_B, STRANGER, Network
from wherry.api.core_v1 import Event, Node, Pod, Service, ServiceAccount
from wherry.api.discovery_v1 import EndpointSlice
from wherry.api.networking_v1 import NetworkPolicy
from wherry.client.kubeconfig import load
from wherry.client.rest import Client

DEADLINE_SECONDS = 60.0
TIMED_OUT = 28  # curl's code
SERVICE = {
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"type": "NodePort", "clusterIP": "10.96.0.99", "ports": [{"port": 80, "nodePort": 30080}]},
}  # fmt: skip


def slice_to(*addresses: str) -> EndpointSlice:
    return EndpointSlice.from_wire(
        {
            "metadata": {
                "name": "web-1",
                "namespace": "default",
                "labels": {"kubernetes.io/service-name": "web"},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": [one], "nodeName": "n1"} for one in addresses],
            "ports": [{"name": "", "port": 8080, "protocol": "TCP"}],
        }
    )


def node(name: str, address: str, pod_cidr: str) -> Node:
    return Node.from_wire(
        {
            "metadata": {"name": name},
            "spec": {"podCIDR": pod_cidr, "podCIDRs": [pod_cidr]},
            "status": {"addresses": [{"type": "InternalIP", "address": address}]},
        }
    )


async def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not await asyncio.to_thread(true):
        assert time.monotonic() < deadline, "it never came"
        await asyncio.sleep(0.05)


def proxy(kubeconfig: Path, *flags: str) -> list[str]:
    return [
        sys.executable, "-m", "proxy.main", f"--kubeconfig={kubeconfig}",
        "--hostname-override=n1", "--cluster-cidr=10.244.0.0/16", *flags,
    ]  # fmt: skip


async def start(log: IO[bytes], *command: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)


async def ended(process: asyncio.subprocess.Process) -> int:
    async with asyncio.timeout(DEADLINE_SECONDS):
        return await process.wait()


async def follow(net: Network, log: Path) -> None:
    with running_etcd() as etcd, running_apiserver(etcd) as server, log.open("wb") as out:
        process = await start(out, *proxy(server.kubeconfig))
        try:
            async with Client(load(server.kubeconfig)) as client:
                await watch_it_work(net, client)
            process.send_signal(signal.SIGTERM)
            assert await ended(process) == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert net.curl("a", "http://10.96.0.99") == "pod b", "rules outlive the proxy"
        assert await ended(await start(out, *proxy(server.kubeconfig, "--cleanup"))) == 0
        assert "wherry" not in net.run("node", "nft", "list", "tables")
        assert "10.244.1.0/24" not in net.run("node", "ip", "route")


async def watch_it_work(net: Network, client: Client) -> None:
    health = "http://127.0.0.1:10256/healthz"
    await eventually(lambda: '"nodeEligible": true' in net.curl("node", health))
    await client.create(Service.from_wire(SERVICE))
    made = await client.create(slice_to(POD_A))
    await eventually(lambda: net.curl("a", "http://10.96.0.99") == "pod a")
    assert net.curl("stranger", f"http://{NODE}:30080") == "pod a"
    await client.update(made.with_(endpoints=slice_to(POD_B).endpoints))
    await eventually(lambda: net.curl("a", "http://10.96.0.99") == "pod b")

    other = node("n2", STRANGER, "10.244.1.0/24")
    await client.create(other)
    await client.update_status((await client.get(Node, "n2")).with_(status=other.status))
    await eventually(lambda: f"10.244.1.0/24 via {STRANGER}" in net.run("node", "ip", "route"))
    await client.delete(Node, "n2")
    await eventually(lambda: "10.244.1.0/24" not in net.run("node", "ip", "route"))

    await isolate(net, client)
    await balance(net, client)
    net.run("node", "nft", "delete", "table", "ip", "wherry")  # somebody else's hand
    await eventually(lambda: net.curl("a", "http://10.96.0.99") == "pod b")
    assert "kubeproxy_sync_proxy_rules_duration_seconds" in net.curl(
        "node", "http://127.0.0.1:10249/metrics"
    )


async def isolate(net: Network, client: Client) -> None:
    """A policy closes a pod, a label opens it again."""
    account = {"metadata": {"name": "default", "namespace": "default"}}
    await client.create(ServiceAccount.from_wire(account))
    made = await client.create(pod("b", POD_B))
    await client.update_status(made.with_(status=pod("b", POD_B).status))
    policy = {"metadata": {"name": "np", "namespace": "default"},
              "spec": {"podSelector": {"matchLabels": {"app": "b"}}, "policyTypes": ["Ingress"]}}  # fmt: skip
    await client.create(NetworkPolicy.from_wire(policy))
    await eventually(lambda: net.ask("a", f"http://{POD_B}:8080", 1.0) == TIMED_OUT)
    assert net.curl("node", f"http://{POD_B}:8080") == "pod b", "the node's probes"
    live = await client.get(Pod, "b", "default")
    await client.update(live.with_(metadata=live.metadata.with_(labels={"app": "free"})))
    await eventually(lambda: net.curl("a", f"http://{POD_B}:8080") == "pod b")
    await client.delete(NetworkPolicy, "np", "default")


async def balance(net: Network, client: Client) -> None:
    """A load balancer asks whether there are endpoints; an address that is taken makes an event."""
    for name, port in (("first", 31100), ("second", 31101)):
        spec = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": port,
                "externalIPs": ["192.0.2.80"], "ports": [{"port": 80}]}  # fmt: skip
        await client.create(
            Service.from_wire({"metadata": {"name": name, "namespace": "default"}, "spec": spec})
        )
        slices = slice_to(POD_A)
        meta = slices.metadata.with_(name=name, labels={"kubernetes.io/service-name": name})
        await client.create(slices.with_(metadata=meta))
    await eventually(lambda: '"localEndpoints": 1' in net.curl("node", "http://127.0.0.1:31100"))
    assert net.curl("stranger", "http://192.0.2.80") == ""  # no way there but through the node
    net.run("stranger", "ip", "route", "add", "192.0.2.80", "via", NODE)
    await eventually(lambda: net.curl("stranger", "http://192.0.2.80") == "pod a")

    async def told() -> bool:
        events = (await client.list(Event, namespace="default")).items
        return any(e.reason == "AddressInUse" and "192.0.2.80" in e.message for e in events)

    deadline = time.monotonic() + DEADLINE_SECONDS
    while not await told():
        assert time.monotonic() < deadline, "nobody was told"
        await asyncio.sleep(0.1)


def pod(name: str, address: str) -> Pod:
    return Pod.from_wire(
        {
            "metadata": {"name": name, "namespace": "default", "labels": {"app": name}},
            "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]},
            "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]},
        }
    )


def test_a_proxy_follows_the_cluster(network: Network, tmp_path: Path) -> None:
    network.inside(lambda: follow(network, tmp_path / "proxy.log"), seconds=240)
