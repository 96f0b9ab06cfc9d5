"""`wherry-controller-manager`: flags to a running process."""

from __future__ import annotations

import argparse
import asyncio
import logging
import ssl
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector

from controller_manager import options
from controller_manager.context import Attentive, Component, Context
from controller_manager.informers import Informers
from controller_manager.registry import Entry, asked_in_vain, chosen
from wherry.client.delegated import guard_of
from wherry.client.election import Durations
from wherry.client.kubeconfig import ConfigError, for_daemon
from wherry.client.leader import default_identity, run_leading
from wherry.client.metrics import QueueMetrics, RequestMetrics, leader_gauge
from wherry.client.rest import Client
from wherry.daemon import logs
from wherry.daemon.certificate import self_signed_context
from wherry.daemon.clock import SystemClock
from wherry.daemon.health import serve_health
from wherry.daemon.process import StartError, freeze_after_start, run
from wherry.daemon.tls import followed_server_context

log = logging.getLogger(__name__)

COMPONENT = "kube-controller-manager"


def main() -> None:
    """The console script."""
    flags = options.parse()
    logs.configure("controller-manager", logs.level_of(flags.v))
    run(lambda: serve(flags), component="wherry-controller-manager")


async def serve(flags: argparse.Namespace) -> None:
    """Run until cancelled. StartError when the flags cannot work."""
    entries, durations = _checked(flags)
    for sentence in asked_in_vain(flags.controllers):
        log.info("%s", sentence)
    try:
        config = for_daemon(flags.kubeconfig, flags.master)
        client = Client(config, user_agent=COMPONENT)
    except ConfigError as error:
        raise StartError(str(error), "give a valid --kubeconfig") from error
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    client.measure(RequestMetrics(registry, client.host))
    async with client, asyncio.TaskGroup() as tasks:
        tasks.create_task(_health(flags, registry, client), name="health")
        context = Context(
            client, Informers(client), SystemClock(), flags, QueueMetrics(registry), registry
        )
        running = Gauge(
            "running_managed_controllers", "Controllers at work (1) or standing by (0)",
            ["name", "manager"], registry=registry,
        )  # fmt: skip
        components = [entry.make(context) for entry in entries]
        told = [running.labels(entry.name, COMPONENT) for entry in entries]
        if flags.leader_elect:
            told.append(leader_gauge(registry, flags.leader_elect_resource_name))
        for component in components:
            if isinstance(component, Attentive):
                tasks.create_task(component.stand_by(), name=f"{type(component).__name__}-stand-by")
        for informer in context.informers.made:
            tasks.create_task(informer.run(), name="informer")
        for recorder in context.recorders:
            tasks.create_task(recorder.run(), name="events")

        async def lead() -> None:
            for one in told:
                one.set(1)
            try:
                await _lead(context, components)
            finally:
                for one in told:
                    one.set(0)

        if not flags.leader_elect:
            await lead()
            return
        await run_leading(
            client,
            flags.leader_elect_resource_namespace,
            flags.leader_elect_resource_name,
            default_identity(),
            lead,
            durations,
        )


async def _lead(context: Context, components: list[Component]) -> None:
    """Let the controllers work, once the caches have all that an earlier leader wrote."""
    began = asyncio.get_running_loop().time()
    for informer in context.informers.made:
        await informer.synced()
    freeze_after_start()
    await asyncio.gather(*(informer.caught_up(began) for informer in context.informers.made))
    async with asyncio.TaskGroup() as tasks:
        for component in components:
            tasks.create_task(component.run(), name=type(component).__name__)


async def _health(flags: argparse.Namespace, registry: CollectorRegistry, client: Client) -> None:
    if not flags.secure_port:
        return
    tls = await _tls(flags)
    try:
        await serve_health(
            flags.bind_address, flags.secure_port, {}, registry, tls, admit=guard_of(flags, client)
        )
    except OSError as error:
        where = f"{flags.bind_address}:{flags.secure_port}"
        raise StartError(
            f"cannot listen on {where}: {error.strerror}", "choose another --secure-port"
        ) from error


async def _tls(flags: argparse.Namespace) -> ssl.SSLContext:
    authority = Path(flags.client_ca_file) if flags.client_ca_file else None
    certificate = Path(flags.tls_cert_file)
    try:
        if not flags.tls_cert_file:
            return await self_signed_context(["localhost", "127.0.0.1"], authority)
        key = Path(flags.tls_private_key_file or certificate)
        return followed_server_context(certificate, key, authority)
    except (OSError, ValueError) as error:
        raise StartError(
            f"cannot set up TLS for health and metrics: {error}",
            "check --tls-cert-file, --tls-private-key-file and --client-ca-file",
        ) from error


def _checked(flags: argparse.Namespace) -> tuple[list[Entry], Durations]:
    """What can be told to be wrong before anything starts."""
    try:
        entries = chosen(flags.controllers)
    except ValueError as error:
        raise StartError(f"--controllers: {error}", "see --help") from error
    try:
        durations = Durations(
            flags.leader_elect_lease_duration,
            flags.leader_elect_renew_deadline,
            flags.leader_elect_retry_period,
        )
    except ValueError as error:
        raise StartError(str(error), "change the --leader-elect flags") from error
    for flag in ("root_ca_file", "service_account_private_key_file", "tls_cert_file"):
        path = getattr(flags, flag)
        try:
            if path:
                Path(path).read_bytes()
        except OSError as error:
            name = "--" + flag.replace("_", "-")
            raise StartError(f"cannot read {path}: {error.strerror}", f"correct {name}") from error
    return entries, durations


if __name__ == "__main__":
    main()
