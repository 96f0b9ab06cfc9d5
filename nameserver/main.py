"""`wherry-dns`: the cluster's DNS server.

Answers for the cluster's domain from memory, forwards the rest, and publishes itself as Service
`kube-system/kube-dns` when told its address (`--cluster-dns`, `--advertise-address`).
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
from collections.abc import Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry

from nameserver.forward import Forwarder
from nameserver.keeper import BY_SERVICE, Keeper, service_of
from nameserver.publish import NAME, NAMESPACE, Publication, Publisher
from nameserver.replicas import Replicas, peers
from nameserver.responder import Responder
from nameserver.server import serve as serve_dns
from nameserver.upstreams import split_server
from nameserver.zone import Zone
from wherry.api.core_v1 import Service
from wherry.api.discovery_v1 import EndpointSlice
from wherry.client.informer import Informer
from wherry.client.kubeconfig import ClientConfig, ConfigError, for_daemon
from wherry.client.rest import Client
from wherry.daemon import logs, process
from wherry.daemon.flags import Flags, client_flags
from wherry.daemon.health import serve_health

COMPONENT = "wherry-dns"


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    flags = Flags(COMPONENT, "Answers for the cluster's names and forwards the others.")
    client_flags(flags)
    flags.text("--cluster-domain", "cluster.local", "the domain this server is in charge of")
    flags.texts("--bind-address", ["0.0.0.0"], "where to listen")
    flags.integer("--port", 53, "UDP and TCP port to listen on")
    flags.texts("--upstream", help="resolvers for other names; empty = those of --resolv-conf")
    flags.text("--resolv-conf", "/etc/resolv.conf", "names resolvers, and is followed")
    flags.texts(
        "--cluster-dns", help="addresses of Service kube-system/kube-dns; empty = no Service"
    )
    flags.texts("--advertise-address", help="where pods reach this server; empty = --bind-address")
    flags.integer("--health-port", 8080, "port of /health, /ready and /metrics; 0 = none")
    return flags.parse(arguments)


def main() -> None:
    """The console script."""
    options = parse()
    logs.configure(COMPONENT, "DEBUG" if options.v >= 4 else "INFO")
    process.run(lambda: serve(options), component=COMPONENT)


def checked(options: argparse.Namespace, addresses: Sequence[str]) -> ClientConfig:
    """How the API server is reached. StartError when flags make no sense."""
    try:
        config = for_daemon(options.kubeconfig, options.master)
        for one in options.upstream:
            split_server(one)
    except (ConfigError, ValueError) as error:
        raise process.StartError(str(error), "see wherry-dns --help") from error
    if options.cluster_dns and not all(map(reachable, addresses)):
        raise process.StartError(
            f"pods cannot reach this server at {', '.join(addresses)!r}",
            "pass --advertise-address=ADDRESS",
        )
    return config


async def serve(options: argparse.Namespace) -> None:
    """Serve until cancelled."""
    addresses = tuple(options.advertise_address or options.bind_address)
    config = checked(options, addresses)
    registry = CollectorRegistry()
    zone = Zone(options.cluster_domain)
    cluster_dns = tuple(options.cluster_dns)
    forwarder = Forwarder(options.upstream)
    async with Client(config, user_agent=COMPONENT) as client, asyncio.TaskGroup() as tasks:
        services = Informer(client, Service)
        slices = Informer(client, EndpointSlice, indexers={BY_SERVICE: service_of})
        responder = Responder(zone, forwarder, lambda: keeper.complete, registry, cluster_dns)
        keeper = Keeper(zone, services, slices, responder.forget)

        publishing: set[asyncio.Task[None]] = set()

        async def published(publisher: Publisher) -> None:
            await keeper.completed.wait()  # nobody is sent to a server that knows no names yet
            await publisher.run()

        def others() -> bool:
            return bool(peers(slices.by_index(BY_SERVICE, f"{NAMESPACE}/{NAME}"), addresses))

        def listening(port: int) -> None:
            if cluster_dns:
                publication = Publication(cluster_dns, addresses, port)
                publisher = Publisher(client, publication, others)
                publishing.add(tasks.create_task(published(publisher)))
                replicas = Replicas(client, slices, addresses, zone.domain)
                tasks.create_task(replicas.run())
            tasks.create_task(forwarder.look_for_loops())

        if not options.upstream:
            own = (*cluster_dns, *options.bind_address, *addresses)
            tasks.create_task(forwarder.follow(Path(options.resolv_conf), own))
        for informer in (services, slices):
            tasks.create_task(informer.run())
        tasks.create_task(keeper.run())
        tasks.create_task(
            serve_dns(responder, options.bind_address, options.port, on_listening=listening)
        )
        if options.health_port:
            ready = {"zone": lambda: None if keeper.complete else "waiting for the API server"}
            host, port = options.bind_address[0], options.health_port
            tasks.create_task(serve_health(host, port, {}, registry, ready_checks=ready))
        process.freeze_after_start()
        try:
            await asyncio.get_running_loop().create_future()  # until we are told to stop
        finally:  # clients are led away first, and answered meanwhile
            for one in publishing:
                one.cancel()
            if publishing:
                await asyncio.wait(publishing)


def reachable(address: str) -> bool:
    """Whether this is an address of a machine, and not of every machine."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return not (found.is_unspecified or found.is_loopback)


if __name__ == "__main__":
    main()
