"""`wherry-proxy`: Services and the pod network on one node, by nftables, routes and VXLAN.

Flags as kube-proxy's; `--cleanup` removes everything it ever set and exits.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import socket
from collections.abc import Sequence

from prometheus_client import CollectorRegistry

from proxy import podnetwork
from proxy.commands import CommandError
from proxy.compile import HEADLESS_LABEL, PROXY_NAME_LABEL
from proxy.family import FAMILIES
from proxy.filter import remove_table
from proxy.healthcheck import proxy_answer
from proxy.lean import lean
from proxy.metrics import Metrics
from proxy.models import EndpointSlice, Namespace, Pod, Service
from proxy.policy import NETWORK_CONDITION
from proxy.syncer import Syncer
from proxy.tracker import BY_SERVICE, Settings, World, service_of
from wherry.api.core_v1 import Node
from wherry.api.core_v1.reference import ObjectReference
from wherry.api.networking_v1 import NetworkPolicy, ServiceCIDR
from wherry.client.events import EventRecorder
from wherry.client.informer import Informer, without_managed_fields
from wherry.client.kubeconfig import ConfigError, for_daemon
from wherry.client.rest import Client
from wherry.daemon import logs, process
from wherry.daemon.clock import SystemClock
from wherry.daemon.flags import Flags, client_flags
from wherry.daemon.health import Admit, Asked, Refusal, neighbours, serve_health
from wherry.daemon.links import MODES

COMPONENT = "kube-proxy"
OURS = f"!{PROXY_NAME_LABEL},!{HEADLESS_LABEL}"  # not headless, of no other proxy
REASON = "PodNetworkProblem"  # of the Event on the node


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    flags = Flags("wherry-proxy", "Makes Services and pod networking work on this node.")
    client_flags(flags)
    flags.text("--hostname-override", help="this node's name; empty = the host's")
    flags.texts("--cluster-cidr", help="the pods' range; empty = the nodes' podCIDRs")
    flags.text("--healthz-bind-address", "0.0.0.0:10256", "where /healthz and /metrics answer")
    flags.text("--metrics-bind-address", "127.0.0.1:10249", "where /metrics answers; empty = not")
    flags.choice(
        "--pod-network", MODES, "auto",
        "routes to the other nodes' pods. auto: direct to nodes on a network of this machine, VXLAN"
        " to the rest; direct or vxlan: always so; none: somebody else's task",
    )  # fmt: skip
    flags.texts(
        "--nodeport-addresses",
        help="ranges of addresses on which node ports answer, or `primary`; empty = all",
    )
    flags.boolean("--masquerade-all", False, "hide the clients of cluster addresses, too")
    flags.choice("--proxy-mode", ("nftables",), "nftables", "how Services are done")
    flags.boolean("--cleanup", False, "remove all rules and routes of ours, and exit")
    return flags.parse(arguments)


def main() -> None:
    """The console script."""
    options = parse()
    logs.configure(COMPONENT, "DEBUG" if options.v >= 4 else "INFO")
    if os.geteuid() != 0:
        process.fail("wherry-proxy changes the packet filter, which takes root", "run it by sudo")
    if shutil.which("nft") is None:
        process.fail("nft is not installed", "apt-get install nftables")
    if options.cleanup:
        try:
            asyncio.run(clean_up())
        except CommandError as error:
            process.fail(str(error), "see `nft list table ip wherry`")
        return
    process.run(lambda: serve(options), component=COMPONENT)


async def clean_up() -> None:
    """Remove the tables, chains, routes and interfaces."""
    for family in FAMILIES:
        await remove_table(family)
    await podnetwork.clean_up()


async def serve(options: argparse.Namespace) -> None:
    """Follow the API server until cancelled."""
    try:
        config = for_daemon(options.kubeconfig, options.master)
    except ConfigError as error:
        raise process.StartError(str(error), "pass --kubeconfig=FILE") from error
    try:
        ranges = podnetwork.cluster_ranges(options.cluster_cidr)
    except ValueError as error:
        raise process.StartError(f"--cluster-cidr: {error}", "correct the range") from error
    registry = CollectorRegistry()
    node = (options.hostname_override or socket.gethostname()).strip().lower()
    async with Client(config, user_agent=COMPONENT) as client, asyncio.TaskGroup() as tasks:
        world = follow(client)
        events = EventRecorder(client, COMPONENT, node)
        settings = Settings(
            node,
            tuple(options.cluster_cidr),
            tuple(options.nodeport_addresses),
            options.masquerade_all,
        )
        metrics = Metrics(registry)
        syncer = Syncer(world, settings, events=events, metrics=metrics, clock=SystemClock())
        for informer in (
            world.services, world.slices, world.nodes, world.service_cidrs, world.policies,
        ):  # fmt: skip
            tasks.create_task(informer.run())
        tasks.create_task(syncer.run())
        pod_network = podnetwork.PodNetwork(
            world.nodes,
            node,
            options.pod_network,
            ranges,
            say=lambda words: events.event(node_reference(node), "Warning", REASON, words),
        )
        tasks.create_task(pod_network.run())
        tasks.create_task(events.run())
        for address in (options.healthz_bind_address, options.metrics_bind_address):
            if address:
                tasks.create_task(
                    serve_health(
                        *split_address(address), {}, registry, admit=answering(syncer, metrics)
                    )
                )
        process.freeze_after_start()


def follow(client: Client) -> World:
    """The informers; those of pods and namespaces are started by who needs them."""
    return World(
        Informer(client, Service, label_selector=OURS, transform=lean),
        Informer(
            client, EndpointSlice, label_selector=OURS, transform=lean,
            indexers={BY_SERVICE: service_of},
        ),
        Informer(client, Node, transform=without_images),
        Informer(client, ServiceCIDR),
        Informer(client, NetworkPolicy),
        Informer(client, Pod, transform=with_one_condition),
        Informer(client, Namespace, transform=lean),
    )  # fmt: skip


def without_images(node: Node) -> Node:
    """Every node follows all nodes; most of a Node is its list of images."""
    return without_managed_fields(node.with_(status=node.status.with_(images=[])))


def with_one_condition(pod: Pod) -> Pod:
    """All pods of the cluster are kept, and this is all that is read of their conditions."""
    kept = [one for one in pod.status.conditions if one.type == NETWORK_CONDITION]
    return lean(pod.with_(status=pod.status.with_(conditions=kept)))


def answering(syncer: Syncer, metrics: Metrics) -> Admit:
    """How upstream's proxy answers: JSON at /healthz and /livez, its mode at /proxyMode."""

    async def admit(asked: Asked) -> Refusal | None:
        now = SystemClock().now()
        # Being removed is no reason to be restarted.
        eligible = syncer.eligible() or asked.path == "/livez"
        if asked.path in ("/healthz", "/livez"):
            status, body = proxy_answer(
                syncer.health(), eligible=eligible, updated=syncer.updated, now=now
            )
            counter = metrics.livez if asked.path == "/livez" else metrics.healthz
            counter.labels(str(status)).inc()
            return status, "application/json", body.encode()
        if asked.path == "/proxyMode":
            return 200, "text/plain; charset=utf-8", b"nftables"
        return await neighbours(asked)

    return admit


def node_reference(name: str) -> ObjectReference:
    """Events on a node are looked for by its name, which upstream puts where the uid belongs."""
    return ObjectReference(kind="Node", api_version="v1", name=name, uid=name)


def split_address(text: str) -> tuple[str, int]:
    """`0.0.0.0:10256` → host and port; StartError when it is none."""
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise process.StartError(f"{text!r} is no address", "say host:port")
    return host.strip("[]"), int(port)


if __name__ == "__main__":
    main()
