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

from nameserver.forward import Forwarder, read_resolvers, split_server
from nameserver.keeper import BY_SERVICE, Keeper, service_of
from nameserver.publish import Publication, Publisher
from nameserver.responder import Responder
from nameserver.server import serve as serve_dns
from nameserver.zone import Zone
from wherry.api.core_v1 import Service
from wherry.api.discovery_v1 import EndpointSlice
from wherry.client.informer import Informer
from wherry.client.kubeconfig import ConfigError, for_daemon
from wherry.client.rest import Client
from wherry.daemon import logs, process
from wherry.daemon.flags import Flags, client_flags
from wherry.daemon.health import serve_health

COMPONENT = "wherry-dns"
RESOLV_CONF = Path("/etc/resolv.conf")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    flags = Flags(COMPONENT, "Answers for the cluster's names and forwards the others.")
    client_flags(flags)
    flags.text("--cluster-domain", "cluster.local", "the domain this server is in charge of")
    flags.text("--bind-address", "0.0.0.0", "where to listen")
    flags.integer("--port", 53, "UDP and TCP port to listen on")
    flags.texts("--upstream", help="resolvers for other names; empty = those of /etc/resolv.conf")
    flags.text("--cluster-dns", help="address of Service kube-system/kube-dns; empty = no Service")
    flags.text("--advertise-address", help="where pods reach this server; empty = --bind-address")
    flags.integer("--health-port", 8080, "port of /healthz and /metrics; 0 = none")
    return flags.parse(arguments)


def main() -> None:
    """The console script."""
    options = parse()
    logs.configure(COMPONENT, "DEBUG" if options.v >= 4 else "INFO")
    process.run(lambda: serve(options), component=COMPONENT)


async def serve(options: argparse.Namespace) -> None:
    """Serve until cancelled."""
    try:
        config = for_daemon(options.kubeconfig, options.master)
        for one in options.upstream:
            split_server(one)
    except (ConfigError, ValueError) as error:
        raise process.StartError(str(error), "see wherry-dns --help") from error
    address = options.advertise_address or options.bind_address
    if options.cluster_dns and not reachable(address):
        raise process.StartError(
            f"pods cannot reach this server at {address!r}", "pass --advertise-address=ADDRESS"
        )
    registry = CollectorRegistry()
    zone = Zone(options.cluster_domain)
    own = (options.cluster_dns, options.bind_address, options.advertise_address)
    forwarder = Forwarder(options.upstream or read_resolvers(RESOLV_CONF, own))
    async with Client(config, user_agent=COMPONENT) as client, asyncio.TaskGroup() as tasks:
        services = Informer(client, Service)
        slices = Informer(client, EndpointSlice, indexers={BY_SERVICE: service_of})
        responder = Responder(
            zone, forwarder, lambda: keeper.complete, registry, options.cluster_dns
        )
        keeper = Keeper(zone, services, slices, responder.forget)

        def listening(port: int) -> None:
            if options.cluster_dns:
                publication = Publication(options.cluster_dns, address, port)
                tasks.create_task(Publisher(client, publication).run())

        for informer in (services, slices):
            tasks.create_task(informer.run())
        tasks.create_task(keeper.run())
        tasks.create_task(
            serve_dns(responder, options.bind_address, options.port, on_listening=listening)
        )
        if options.health_port:
            checks = {"zone": lambda: None if keeper.complete else "waiting for the API server"}
            tasks.create_task(
                serve_health(options.bind_address, options.health_port, checks, registry)
            )
        process.freeze_after_start()


def reachable(address: str) -> bool:
    """Whether this is an address of a machine, and not of every machine."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return not (found.is_unspecified or found.is_loopback)


if __name__ == "__main__":
    main()
