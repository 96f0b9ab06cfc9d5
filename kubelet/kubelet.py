"""The composition root: makes every part of the kubelet once and runs them together.

Ending it ends no container; starting it again finds everything by labels and files.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from kubelet import sandbox_image
from kubelet.certificates import compose as certificates
from kubelet.config import Config
from kubelet.eviction.manager import EvictionManager, Reclaim
from kubelet.eviction.manager import look as levels
from kubelet.garbage import GarbageCollector, disk_of
from kubelet.gauges import Gauges
from kubelet.metrics import Metrics
from kubelet.network.cni import Cni
from kubelet.network.keeper import NetworkKeeper
from kubelet.network.podrange import PodRange
from kubelet.node import kernel_log, machine
from kubelet.node.address import NodeAddress
from kubelet.node.fencing import Fencing
from kubelet.node.health import NodeHealth
from kubelet.node.lease import NodeLease
from kubelet.node.reporter import NodeReporter
from kubelet.node.status import Identity
from kubelet.objects import NodeObjects
from kubelet.pods.bounding import Bounding
from kubelet.pods.cache import ContainerCache
from kubelet.pods.cgroups import Bounds, NodeFacts, shares
from kubelet.pods.dns import Resolver, parse_resolver
from kubelet.pods.images import Images
from kubelet.pods.manager import PodManager
from kubelet.pods.privileged import lacking
from kubelet.pods.services import NodeSettings, Services
from kubelet.probes.manager import ProbeManager
from kubelet.probes.prober import Prober
from kubelet.runtime.docker import DockerRuntime
from kubelet.runtime.protocol import EngineInfo, Runtime, RuntimeFailure
from kubelet.server.app import Server, metrics_route
from kubelet.server.auth import Gate
from kubelet.server.configz import configz_routes
from kubelet.server.serve import serve
from kubelet.server.stats import stats_routes
from kubelet.static.source import Manifests
from kubelet.stats.cadvisor import Cadvisor
from kubelet.stats.collector import StatsCollector
from kubelet.volumes.images import ImageVolumes
from kubelet.volumes.manager import VolumeManager
from kubelet.volumes.tokens import TokenManager
from wherry import KUBERNETES_VERSION, __version__
from wherry.api import quantity
from wherry.api.core_v1 import Node, Pod
from wherry.client.events import EventRecorder
from wherry.client.informer import Informer
from wherry.client.kubeconfig import ClientConfig
from wherry.client.rest import Client
from wherry.daemon.clock import Clock, SystemClock
from wherry.daemon.health import serve_health
from wherry.daemon.process import StartError, freeze_after_start

log = logging.getLogger(__name__)

KUBELET_VERSION = f"{KUBERNETES_VERSION}+wherry.{__version__}"


class Bells:
    """Late-bound calls between parts that need each other; rung before they are hung, they are silent."""

    def __init__(self) -> None:
        self.pods: PodManager | None = None
        self.reporter: NodeReporter | None = None
        self.evictions: EvictionManager | None = None

    def pressure(self) -> frozenset[str]:
        return self.evictions.conditions if self.evictions is not None else frozenset()

    def engine_changed(self) -> None:
        if self.reporter is not None:
            self.reporter.poke()

    def containers_changed(self, pod_uid: str) -> None:
        if self.pods is not None:
            self.pods.containers_changed(pod_uid)

    def objects_changed(self, pod_uid: str) -> None:
        if self.pods is not None:
            self.pods.objects_changed(pod_uid)


async def run(config: Config) -> None:
    """Run the kubelet until cancelled; StartError when it can't work here."""
    if os.geteuid() != 0:
        raise StartError("the kubelet must run as root", "start it with sudo")
    try:
        address = NodeAddress(config.node_ip)
    except ValueError as error:
        raise StartError(f"--node-ip: {error}", "correct the address") from error
    if not address.current:
        raise StartError("this machine has no default route", "name its address with --node-ip")
    _make_root(config.root_dir)
    client_config = await certificates.client_config(config, SystemClock())
    metrics = Metrics(config.node_name)
    runtime = DockerRuntime(config.docker_socket, config.node_name, metrics.called)
    try:
        engine = await _engine(runtime, config)
        async with Client(client_config, user_agent="kubelet") as client:
            await _run_with(config, client_config, client, runtime, engine, address, metrics)
    finally:
        await runtime.close()


def _make_root(folder: Path) -> None:
    """StartError when nothing can be written there: without it no pod can be run."""
    probe = folder / ".writable"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise StartError(
            f"{folder} can't be written: {error}", "make room there, or name another by --root-dir"
        ) from error


async def _engine(runtime: DockerRuntime, config: Config) -> EngineInfo:
    try:
        return await runtime.info()
    except RuntimeFailure as error:
        raise StartError(
            f"Docker Engine does not answer at {config.docker_socket}: {error}",
            "start it (systemctl start docker) or name its socket with --container-runtime-endpoint",
        ) from error


async def _run_with(
    config: Config,
    client_config: ClientConfig,
    client: Client,
    runtime: Runtime,
    engine: EngineInfo,
    address: NodeAddress,
    metrics: Metrics,
) -> None:
    clock = SystemClock()
    bells = Bells()
    facts = machine.look(config.root_dir)
    node_informer = Informer(client, Node, field_selector=f"metadata.name={config.node_name}")
    pod_informer = Informer(client, Pod, field_selector=f"spec.nodeName={config.node_name}")
    services = await _services(
        config, client, runtime, engine, facts, address, clock, bells, node_informer, metrics
    )
    identity = _identity(config, facts, engine, address)
    reporter = bells.reporter = _reporter(config, services, identity, bells)
    manager = bells.pods = PodManager(
        services, pod_informer, lambda: node_informer.get("", config.node_name),
        Manifests(config.manifests, config.node_name), bells.pressure, lambda: fences.is_overdue,
    )  # fmt: skip
    fences = _fencing(config, services, manager)
    images_dir = Path(engine.root_dir or config.root_dir)
    stats = StatsCollector(
        manager, services.node.facts, clock, root_dir=config.root_dir, images_dir=images_dir
    )
    garbage = _garbage(config, runtime, images_dir, services, manager, clock)
    evictions = bells.evictions = EvictionManager(
        config.eviction, manager, stats, Reclaim(garbage.unused_images, garbage.containers), clock,
        levels=lambda: levels(config.root_dir, images_dir), say=_telling(services),
        changed=reporter.poke, evicted=metrics.evicted,
    )  # fmt: skip
    cadvisor = Cadvisor(manager, services.node.facts, facts, clock, stats.folders, images_dir)

    def address_changed(now: str) -> None:
        reporter.moved(now)
        manager.address_changed()

    pod_range = _pod_range(config, services, reporter, address)
    node_informer.add_handler(_following(reporter, manager, pod_range))
    networks = NetworkKeeper(services.cni, services.cache, runtime, clock, manager.say)
    lease = _lease(config, client_config, fences, (pod_informer, node_informer))
    lease.start()
    try:
        async with asyncio.TaskGroup() as tasks:
            for part in (
                services.recorder, services.cache, services.objects, services.probes, reporter,
                node_informer, pod_informer, manager, garbage, evictions, networks, fences, pod_range,
            ):  # fmt: skip
                tasks.create_task(part.run(), name=type(part).__name__)
            tasks.create_task(address.run(clock, address_changed), name="address")
            tasks.create_task(kernel_log.watch(_on_oom_kill(services)), name="kernel-log")
            certificates.rotate_client(config, client_config, client, clock, tasks)
            await _serve(config, services, manager, stats, cadvisor, address, tasks)
            freeze_after_start()
    finally:
        lease.stop()


def _identity(
    config: Config, facts: machine.Machine, engine: EngineInfo, address: NodeAddress
) -> Identity:
    return Identity(
        config.node_name, config.hostname, address.current, config.port, facts, engine, KUBELET_VERSION,
        config.pods_max, config.reserved, config.node_labels, config.register_taints,
        config.eviction, address.all[1:],
    )  # fmt: skip


def _fencing(config: Config, services: Services, manager: PodManager) -> Fencing:
    return Fencing(
        config.fences_after, config.root_dir / "self-fencing.json", services.clock,
        pods=manager.fenced_pods, stop=manager.fence,
        say=lambda reason, message: services.node_event(reason, message, "Warning"),
    )  # fmt: skip


def _pod_range(
    config: Config, services: Services, reporter: NodeReporter, address: NodeAddress
) -> PodRange:
    def known(cidrs: Sequence[str], mtu: int, conflict: str) -> None:
        services.cni.set_pod_cidr(*cidrs, mtu=mtu, conflict=conflict)
        if not reporter.is_ready:
            reporter.poke()

    pod_range = PodRange(config.pod_network, lambda: address.all, known)
    pod_range.set(tuple(filter(None, config.pod_cidr.split(","))))
    return pod_range


def _following(
    reporter: NodeReporter, manager: PodManager, pod_range: PodRange
) -> Callable[[Node | None, Node | None], None]:
    """What a change of our own Node means here."""

    def changed(before: Node | None, after: Node | None) -> None:
        if after is not None:
            reporter.seen(after)
            manager.node_changed()
            pod_range.set(after.spec.pod_cidrs or tuple(filter(None, (after.spec.pod_cidr,))))
        elif before is not None:
            reporter.deleted(before)

    return changed


def _lease(
    config: Config, client_config: ClientConfig, fences: Fencing,
    informers: tuple[Informer[Pod], Informer[Node]],
) -> NodeLease:  # fmt: skip
    loop = asyncio.get_running_loop()

    def reachable() -> None:
        """The Lease is renewed again, so the network has healed: hear at once what was missed."""
        for informer in informers:
            loop.call_soon_threadsafe(informer.reconnect)

    return NodeLease(
        client_config, config.node_name, config.lease_seconds, fences_after=config.fences_after,
        renewed=fences.renewed, recovered=reachable,
    )  # fmt: skip


def _telling(services: Services) -> Callable[[str, str, str], None]:
    """Tells of the node: the event's type, reason and message."""
    return lambda type, reason, message: services.node_event(reason, message, type)


def _on_oom_kill(services: Services) -> Callable[[kernel_log.OomKill], None]:
    def killed(one: kernel_log.OomKill) -> None:
        services.cache.out_of_memory(one.container_id)
        if one.of_machine:
            message = f"System OOM encountered, victim process: {one.process}, pid: {one.pid}"
            services.node_event("SystemOOM", message, "Warning")

    return killed


def _reporter(config: Config, services: Services, identity: Identity, bells: Bells) -> NodeReporter:
    health = NodeHealth(
        services.runtime, services.cache, services.cni, services.clock, bells.pressure
    )
    return NodeReporter(
        services.client, services.clock, identity, health.look,
        update_seconds=config.status_update_seconds,
        report_seconds=config.status_report_seconds,
        say=services.node_event,
        register=config.register_node,
    )  # fmt: skip


def _garbage(
    config: Config, runtime: Runtime, images_dir: Path, services: Services, pods: PodManager,
    clock: Clock,
) -> GarbageCollector:  # fmt: skip
    return GarbageCollector(
        runtime, services.cache, config.garbage, clock,
        disk=lambda: disk_of(images_dir),
        finished=pods.finished_uids,
        sandbox_image=services.node.sandbox_image,
        say=_telling(services),
    )  # fmt: skip


async def _serve(
    config: Config, services: Services, pods: PodManager, stats: StatsCollector,
    cadvisor: Cadvisor, address: NodeAddress, tasks: asyncio.TaskGroup,
) -> None:  # fmt: skip
    """The kubelet's own server, and its health port."""
    registry = services.metrics.registry
    Gauges(services.cache, pods.count_workers, lambda: services.recorder.waiting).register(registry)
    server = Server(
        pods, services.runtime, registry, services.clock,
        more=[
            *stats_routes(stats, cadvisor, config.node_name),
            metrics_route("/metrics/probes", services.probes.records.registry),
            *configz_routes(config, services.node.facts.cgroup_driver),
        ],
    )  # fmt: skip
    app = server.app(Gate(services.client, config.node_name, services.clock))
    context = await certificates.serving_context(
        config, services.client.config, services.client, services.clock, address, tasks
    )
    tasks.create_task(serve(app, config.address, config.port, context), name="server")
    if config.healthz_port:
        checks = {"container-runtime": lambda: services.cache.failure or None}
        tasks.create_task(
            serve_health(config.healthz_address, config.healthz_port, checks, registry),
            name="healthz",
        )


async def _services(
    config: Config, client: Client, runtime: Runtime, engine: EngineInfo, facts: machine.Machine,
    address: NodeAddress, clock: Clock, bells: Bells, node_informer: Informer[Node],
    metrics: Metrics,
) -> Services:  # fmt: skip
    objects = NodeObjects(
        client, bells.objects_changed, lambda: node_informer.get("", config.node_name)
    )
    image = config.sandbox_image or await sandbox_image.ensure(runtime)
    settings = _settings(config, engine, facts, address, image)
    prober = Prober(runtime)

    def unhealthy(pod: Pod, container: str, message: str) -> None:
        services.event(pod, "Warning", "Unhealthy", message, container)

    services = Services(
        node=settings,
        client=client,
        runtime=runtime,
        cache=ContainerCache(
            runtime, clock, bells.containers_changed, bells.engine_changed, metrics.relisted
        ),
        cni=Cni(
            conf_dir=config.cni_conf_dir,
            bin_dirs=config.cni_bin_dirs,
            state_dir=config.root_dir / "cni",
            say=lambda reason, message: services.node_event(reason, message, "Warning"),
        ),
        volumes=VolumeManager(
            config.root_dir, objects, TokenManager(client, clock), clock, ImageVolumes(runtime)
        ),
        objects=objects,
        probes=ProbeManager(prober, bells.containers_changed, clock, unhealthy),
        prober=prober,
        images=Images(runtime, clock),
        bounding=Bounding(settings.facts, _all_pods(config, facts)),
        recorder=EventRecorder(client, "kubelet", host=config.node_name),
        clock=clock,
        metrics=metrics,
    )
    return services


def _settings(
    config: Config, engine: EngineInfo, facts: machine.Machine, address: NodeAddress, image: str
) -> NodeSettings:
    return NodeSettings(
        name=config.node_name,
        where=address,
        sandbox_image=image,
        cluster_dns=config.cluster_dns,
        cluster_domain=config.cluster_domain,
        host_resolver=_host_resolver(config.resolv_conf),
        host_hosts=Path("/etc/hosts"),
        facts=NodeFacts(
            memory_bytes=facts.memory_bytes,
            hostname=config.hostname,
            cgroup_driver=engine.cgroup_driver,
            cgroup_root=config.cgroup_root,
            oom_score_min=machine.oom_score_min(),
            seccomp_default=config.seccomp_default,
            lacked_capabilities=lacking(
                machine.read("/proc/self/status"),
                int(machine.read("/proc/sys/kernel/cap_last_cap") or 0),
            ),
            log_limits=config.log_limits,
            cluster_domain=config.cluster_domain,
        ),
        seccomp_root=config.root_dir / "seccomp",
        dead_kept=config.garbage.dead_max_per_container,
        unsafe_sysctls=config.unsafe_sysctls,
    )


def _all_pods(config: Config, facts: machine.Machine) -> Bounds:
    """What the system keeps for itself, pods can't take: their group ends before."""
    kept = quantity.value(config.reserved.get("memory", "0"))
    return Bounds(
        shares(1000 * facts.cpus - quantity.milli(config.reserved.get("cpu", "0"))),
        memory=max(0, facts.memory_bytes - kept),
    )


def _host_resolver(path: Path) -> Resolver:
    try:
        return parse_resolver(path.read_text())
    except OSError as error:
        log.warning("resolver configuration: %s", error)
        return Resolver()
