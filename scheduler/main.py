"""wherry-scheduler: flags, composition, start.

Source of names and defaults: upstream's kube-scheduler flags.
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from argparse import Namespace
from pathlib import Path

from prometheus_client import CollectorRegistry, ProcessCollector

from scheduler.metrics import Metrics
from scheduler.plugins.registry import default_profile
from scheduler.report import Reporter
from scheduler.scheduler import Scheduler
from scheduler.volumes import Volumes
from wherry.client.delegated import guard_flags, guard_of
from wherry.client.election import Durations
from wherry.client.kubeconfig import ConfigError, for_daemon
from wherry.client.leader import default_identity, run_leading
from wherry.client.metrics import RequestMetrics, leader_gauge
from wherry.client.rest import Client
from wherry.daemon import logs, process
from wherry.daemon.certificate import self_signed_context
from wherry.daemon.flags import Flags, client_flags, leader_flags
from wherry.daemon.health import serve_health
from wherry.daemon.tls import followed_server_context

log = logging.getLogger(__name__)

COMPONENT = "wherry-scheduler"
LOCK = "kube-scheduler"


def flags() -> Flags:
    made = Flags(COMPONENT, "Decides on which node each pod runs.")
    client_flags(made)
    leader_flags(made, LOCK)
    made.text("--bind-address", "0.0.0.0", "address of health and metrics")
    made.integer("--secure-port", 10259, "HTTPS port of health and metrics; 0 = none")
    made.text("--tls-cert-file", help="serving certificate; empty = self-signed")
    made.text("--tls-private-key-file", help="key of the serving certificate")
    guard_flags(made)
    return made


async def serve(options: Namespace) -> None:
    """Run until cancelled."""
    try:
        config = for_daemon(options.kubeconfig, options.master)
        client = Client(config, user_agent=COMPONENT)
        durations = Durations(
            options.leader_elect_lease_duration,
            options.leader_elect_renew_deadline,
            options.leader_elect_retry_period,
        )
    except (ConfigError, ValueError) as error:
        raise process.StartError(str(error), "check --kubeconfig and --leader-elect-*") from error
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    client.measure(RequestMetrics(registry, client.host))
    volumes = Volumes()
    profile = default_profile(volumes)
    scheduler = Scheduler(
        client,
        profile,
        Reporter(client, profile.scheduler_name),
        Metrics(registry),
        random.Random(),
        volumes,
    )
    async with client, asyncio.TaskGroup() as tasks:
        tasks.create_task(scheduler.watch(), name="watch")
        tasks.create_task(_serve_health(options, scheduler, registry, client), name="health")
        tasks.create_task(_freeze_when_synced(scheduler), name="freeze")
        if options.leader_elect:
            lock = (
                options.leader_elect_resource_namespace,
                options.leader_elect_resource_name,
            )
            leads = leader_gauge(registry, options.leader_elect_resource_name)

            async def lead() -> None:
                leads.set(1)
                try:
                    await scheduler.lead()
                finally:
                    leads.set(0)

            await run_leading(client, *lock, default_identity(), lead, durations)
        else:
            await scheduler.lead()


async def _serve_health(
    options: Namespace, scheduler: Scheduler, registry: CollectorRegistry, client: Client
) -> None:
    if not options.secure_port:
        return

    def informers() -> str | None:
        both = scheduler.pods.has_synced and scheduler.nodes.has_synced
        return None if both else "not synced"

    try:
        await serve_health(
            options.bind_address,
            options.secure_port,
            {},
            registry,
            ssl=await _tls(options),
            ready_checks={"informer-sync": informers},
            admit=guard_of(options, client),
        )
    except OSError as error:
        raise process.StartError(
            f"cannot serve on {options.bind_address}:{options.secure_port}: {error}",
            "choose another --secure-port",
        ) from error


async def _tls(options: Namespace) -> ssl.SSLContext:
    authority = Path(options.client_ca_file) if options.client_ca_file else None
    certificate = Path(options.tls_cert_file)
    try:
        if not options.tls_cert_file:
            names = ["localhost", "127.0.0.1", COMPONENT]
            return await self_signed_context(names, authority)
        key = Path(options.tls_private_key_file or certificate)
        return followed_server_context(certificate, key, authority)
    except (OSError, ValueError) as error:
        raise process.StartError(
            f"cannot set up TLS for health and metrics: {error}",
            "check --tls-cert-file, --tls-private-key-file and --client-ca-file",
        ) from error


async def _freeze_when_synced(scheduler: Scheduler) -> None:
    await scheduler.nodes.synced()
    await scheduler.pods.synced()
    process.freeze_after_start()


def main() -> None:
    options = flags().parse()
    logs.configure(COMPONENT, logs.level_of(options.v))
    process.run(lambda: serve(options), component=COMPONENT)


if __name__ == "__main__":
    main()
