"""The composition root: every room is made and joined here, and nowhere else.

`Server.run` serves until it is cancelled: then it ends watches, lets what is being answered finish,
and stops. It listens before etcd answers; /readyz says when it is of use.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import uuid
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry, Histogram

from apiserver import allocator_metrics, store_metrics
from apiserver.admission import configuration
from apiserver.admission.chain import ALL_NAMES, Chain, Settings, chosen, plugins
from apiserver.admission.interface import Plugin
from apiserver.admission.resource_quota import ResourceQuota
from apiserver.admission.times import AdmissionTimes
from apiserver.audit.auditor import Auditor
from apiserver.audit.make import make_auditor
from apiserver.audit.webhook_config import read_target
from apiserver.authn import credentials
from apiserver.authn.credentials import Credentials, checked
from apiserver.authn.token_labels import label_writer
from apiserver.authn.token_uses import TokenUses
from apiserver.authz.attempts import Attempts
from apiserver.authz.authorizer import Authorizer
from apiserver.authz.modes import Makers, of_modes
from apiserver.authz.node import NodeAuthorizer
from apiserver.authz.rbac import Policy
from apiserver.authz.reload import FollowedAuthorizers
from apiserver.authz.webhook import WebhookAuthorizer, WebhookConfig
from apiserver.authz.webhook_post import Poster
from apiserver.bootstrap import Bootstrap
from apiserver.bootstrap_policy.keeper import DefaultRoles
from apiserver.config import Config
from apiserver.discovery.openapi_service import OpenApi
from apiserver.discovery.service import Discovery
from apiserver.fairness.dump import dumps
from apiserver.fairness.fairness import Fairness
from apiserver.fairness.metrics import FairnessMetrics
from apiserver.fairness.objects import CachedObjects
from apiserver.fairness.status import FlowStatus
from apiserver.handlers.views import AllHandlers
from apiserver.http import health
from apiserver.http.app import Front, Pages, build
from apiserver.http.dispatcher import Dispatcher, Rooms
from apiserver.http.fair import InFlight, Turns
from apiserver.http.gate import Gate
from apiserver.http.metrics import RequestMetrics
from apiserver.http.respond import Responder
from apiserver.http.server import HttpServer
from apiserver.http.tls import ServingTls
from apiserver.memory import trim_for_ever
from apiserver.quota.ledger import Ledger
from apiserver.registry.rbac.guard import Guard, set_guard
from apiserver.registry.store import Registry
from apiserver.registry.strategies import strategies
from apiserver.resource_metrics.endpoint import MetricsEndpoints
from apiserver.resource_metrics.scraper import Scraper
from apiserver.serving import address_of, listening_socket, serving_tls
from apiserver.storage.cache import WatchCache
from apiserver.storage.compactor import compact_for_ever
from apiserver.storage.encryption import config as encryption
from apiserver.storage.encryption.metrics import EncryptionMetrics
from apiserver.storage.encryption.storage import EncryptedStorage
from apiserver.storage.etcd import EtcdStorage, EtcdTls
from apiserver.storage.interface import Storage, StorageError
from apiserver.storage.prefixed import PrefixedStorage
from apiserver.store_metrics import StoreCalls, watch_status
from apiserver.subresources.components import ComponentEndpoints
from apiserver.subresources.endpoints import endpoints
from apiserver.subresources.eviction import EvictionEndpoint
from apiserver.subresources.kubelets import Kubelets
from apiserver.subresources.pods import PodEndpoints
from apiserver.subresources.proxy import ProxyEndpoints
from apiserver.subresources.reviews import ReviewEndpoints
from apiserver.subresources.streams import StreamEndpoints
from apiserver.subresources.tokens import Issuer, TokenEndpoints
from apiserver.system_objects import SERVICE_CIDRS, Identity
from apiserver.version import GIT_VERSION, version_info
from wherry.api.scheme import RESOURCES
from wherry.daemon.clock import SystemClock
from wherry.daemon.files import Followed
from wherry.daemon.process import StartError, freeze_after_start

log = logging.getLogger(__name__)

ETCD_CHECK_SECONDS_MAX = 2.0
LAG_PERIOD_SECONDS = 1.0
LAG_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
ROOT = "/registry"


@dataclass(frozen=True, slots=True)
class Store:
    """Everything below the handlers."""

    storage: Storage
    cache: WatchCache
    registry: Registry
    chain: Chain
    ledger: Ledger | None  # without the plug-in ResourceQuota nothing is counted
    allowed: Authorizer
    roles: DefaultRoles


class Server:
    """One API server. `run` makes it inside the event loop that runs it."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._clock = SystemClock()
        self._metrics = CollectorRegistry()
        self._calls = StoreCalls(config.etcd.prefix, RESOURCES)
        self._stopping = False
        self._encryption: Followed[encryption.EncryptionRules] | None = None  # with the storage
        self._fairness: Fairness | None = None  # made with the rooms, if it is on
        self._followed: FollowedAuthorizers | None = None  # made with the store
        self._posters: list[Poster] = []  # to webhooks that authorize
        self._sealed: EncryptedStorage | None = None  # made with the store, if anything is sealed

    async def run(self) -> None:
        """Serve until cancelled. StartError when a person has to change something first."""
        config = self._config
        known = credentials.read(config.auth)
        tls = serving_tls(config.serving, self._service_ip, known.authorities)
        self._metrics.register(store_metrics.handshake_errors(lambda: tls.errors.count))
        with listening_socket(config.serving) as sock:
            await self._run(sock, known, tls)

    async def _run(self, sock: socket.socket, known: Credentials, tls: ServingTls) -> None:
        auditor = self._auditor()
        storage = self._storage()
        try:
            store = self._store(storage)
            uses = TokenUses(self._metrics)
            authn = known.authentication(store.cache, self._clock, uses)
            gate = Gate(authn.chain, store.allowed, Attempts(self._metrics))
            bootstrap = self._bootstrap(store.registry)
            discovery = Discovery(RESOURCES, self._public_address)
            responder = Responder()
            rooms = self._rooms(store, gate, discovery, known, auditor)
            dispatcher = Dispatcher(rooms, responder, RequestMetrics(self._metrics))
            pages = self._pages(store, bootstrap, discovery, known)
            app = Front(build(dispatcher, gate, pages), dispatcher)
            http = HttpServer(app, responder, tls.context)
            labels = partial(uses.run, label_writer(store.registry, self._clock))
            follow = partial(tls.run, self._clock)
            await self._serve(http, sock, store, bootstrap, (follow, labels, *authn.tasks))
        finally:
            await storage.close()
            for poster in self._posters:
                poster.close()
            if auditor is not None:
                await auditor.close()

    def _auditor(self) -> Auditor | None:
        auditor = checked("--audit-policy-file", lambda: make_auditor(self._config.audit))
        if auditor is not None:
            auditor.register(self._metrics)
            auditor.start()
        return auditor

    async def _serve(
        self,
        http: HttpServer,
        sock: socket.socket,
        store: Store,
        bootstrap: Bootstrap,
        beside: Sequence[Callable[[], Coroutine[Any, Any, None]]],
    ) -> None:
        async with asyncio.TaskGroup() as group:
            for task in beside:
                group.create_task(task())
            group.create_task(store.cache.run())
            if self._followed is not None:
                group.create_task(self._followed.run(self._clock))
            if store.ledger is not None:
                group.create_task(store.ledger.run())
                group.create_task(store.ledger.recount())
            seconds = self._config.etcd.compaction_seconds
            group.create_task(compact_for_ever(store.storage, self._clock, seconds))
            if self._fairness is not None:
                group.create_task(self._fairness.run())
                objects = CachedObjects(store.cache)
                group.create_task(FlowStatus(store.registry, objects, self._clock).run())
            if self._encryption and self._sealed and self._config.etcd.encryption_reload:
                take = self._sealed.reconfigure
                follow = self._encryption.follow
                group.create_task(follow(self._clock, encryption.LOOK_SECONDS, take))
            group.create_task(watch_status(store.storage, self._calls, self._clock))
            group.create_task(bootstrap.run(self._on_ready))
            group.create_task(store.roles.run(bootstrap.namespaces))
            group.create_task(self._watch_lag())
            group.create_task(trim_for_ever(self._clock))
            serving = group.create_task(http.serve([sock]))
            log.info("serving on https://%s:%d", *sock.getsockname()[:2])
            try:
                await asyncio.shield(serving)
            except asyncio.CancelledError:
                self._stopping = True
                await bootstrap.withdraw()
                await asyncio.sleep(self._config.serving.shutdown_seconds)
                http.should_exit = True
                await serving  # bounded by DRAIN_SECONDS_MAX
                raise
            raise StartError("the HTTP server ended by itself")

    def _on_ready(self) -> None:
        freeze_after_start()
        log.info("ready")

    async def _watch_lag(self) -> None:
        words = "How late timers are: how long something else held the event loop."
        lag = Histogram(
            "wherry_event_loop_lag_seconds", words, buckets=LAG_BUCKETS, registry=self._metrics
        )
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LAG_PERIOD_SECONDS
            await asyncio.sleep(LAG_PERIOD_SECONDS)
            lag.observe(max(0.0, loop.time() - due))

    # --- the parts ---

    @property
    def _service_ip(self) -> str:
        """The first Service address: that of default/kubernetes."""
        return str(self._config.service_networks[0][1])

    @property
    def _public_address(self) -> str:
        serving = self._config.serving
        return f"{address_of(serving) or '127.0.0.1'}:{serving.port}"

    def _storage(self) -> Storage:
        etcd = self._config.etcd
        tls = EtcdTls(etcd.ca_file, etcd.cert_file, etcd.key_file)
        storage: Storage = checked(
            "--etcd-cafile, --etcd-certfile, --etcd-keyfile",
            lambda: EtcdStorage(list(etcd.servers), tls=tls, observe=self._calls.observe),
        )
        if (file := etcd.encryption_file) is not None:
            rules = checked("--encryption-provider-config", lambda: encryption.rules_of(file))
            self._encryption = rules
            storage = self._sealed = EncryptedStorage(storage, rules.value, RESOURCES, etcd.prefix)
            EncryptionMetrics(self._sealed, self._metrics)
        return storage if etcd.prefix == ROOT else PrefixedStorage(storage, etcd.prefix)

    def _store(self, storage: Storage) -> Store:
        kinds = strategies(
            self._config.service_networks,
            self._config.node_ports,
            lambda: cache.lister().list(SERVICE_CIDRS),
        )
        fields = {resource: one.selectable_fields for resource, one in kinds.items()}
        cache = WatchCache(storage, RESOURCES, fields)
        store_metrics.register(self._metrics, cache, RESOURCES, self._calls)
        policy = Policy(cache.window)
        nodes = partial(NodeAuthorizer, cache.window, cache.lister())

        def ready() -> bool:
            return roles.done.is_set()

        allowed = self._authorizer(Makers(policy, nodes, self._webhook, ready))
        set_guard(kinds, Guard(allowed, policy))
        on = self._plugins(allowed)
        chain = Chain(on, cache.lister(), AdmissionTimes(self._metrics))
        registry = Registry(
            storage, cache, kinds, chain,
            event_seconds=self._config.event_ttl_seconds,
            outdated=None if self._sealed is None else self._sealed.outdated,
        )  # fmt: skip
        allocator_metrics.register(self._metrics, cache, kinds, registry.holdings)
        ledger = None
        if any(one.name == ResourceQuota.name for one in on):
            ledger = registry.quota = Ledger(registry, self._clock)
        roles = DefaultRoles(registry, self._clock)
        return Store(storage, cache, registry, chain, ledger, allowed, roles)

    def _authorizer(self, makers: Makers) -> Authorizer:
        auth, file = self._config.auth, self._config.auth.authorization_file
        if file is None:
            modes = checked("--authorization-mode", lambda: of_modes(auth.modes, auth.webhook))
            return checked("--authorization-webhook-config-file", lambda: makers.all(modes))
        followed = checked(
            "--authorization-config", lambda: FollowedAuthorizers(file, makers.one, makers.ready)
        )
        self._followed = followed
        return followed.union

    def _webhook(self, webhook: WebhookConfig) -> WebhookAuthorizer:
        """ValueError and OSError when its kubeconfig makes no sense."""
        poster = Poster(read_target(webhook.kubeconfig), webhook.timeout_seconds)
        self._posters.append(poster)
        return WebhookAuthorizer(webhook, poster.post)

    def _plugins(self, allowed: Authorizer) -> list[Plugin]:
        flags = self._config.admission
        names = checked("--enable-admission-plugins", lambda: chosen(flags.enable, flags.disable))
        file, what = flags.config_file, "--admission-control-config-file"
        found = {} if file is None else checked(what, lambda: configuration.read(file, ALL_NAMES))
        settings = Settings(
            flags.not_ready_toleration_seconds,
            flags.unreachable_toleration_seconds,
            allowed,
            found,
            self._metrics,
        )
        return checked(what, lambda: plugins(names, settings))

    def _bootstrap(self, registry: Registry) -> Bootstrap:
        serving = self._config.serving
        hostname = socket.gethostname()
        holder = f"{hostname}_{uuid.uuid4()}"
        identity = Identity(hostname, address_of(serving), serving.port, holder)
        return Bootstrap(
            registry,
            self._clock,
            identity,
            service_networks=[str(one) for one in self._config.service_networks],
            service_ip=self._service_ip,
            trusted=lambda: credentials.published(self._config.auth),
        )

    def _turns(self, store: Store) -> Turns | InFlight:
        config = self._config.fairness
        if not config.enabled:
            return InFlight(config.reading_max, config.writing_max)
        self._fairness = Fairness(
            CachedObjects(store.cache), self._clock, total=config.total,
            wait_seconds_max=config.wait_seconds_max,
        )  # fmt: skip
        FairnessMetrics(self._fairness, self._metrics)
        cache = store.cache
        return Turns(self._fairness, lambda one: len(cache.window(one)) if one.stored else 0)

    def _rooms(
        self,
        store: Store,
        gate: Gate,
        discovery: Discovery,
        known: Credentials,
        auditor: Auditor | None,
    ) -> Rooms:
        auth, registry = self._config.auth, store.registry
        issuer = None
        if known.keys.signing is not None:
            issuer = Issuer(
                known.keys, auth.issuers[0], auth.api_audiences, auth.extend_tokens,
                auth.max_token_seconds,
            )  # fmt: skip
        kubelets = Kubelets(self._config.kubelet)
        table = endpoints(
            PodEndpoints(registry, store.chain),
            EvictionEndpoint(registry, store.chain),
            StreamEndpoints(registry, kubelets, store.chain, gate.authorizer),
            ProxyEndpoints(registry, kubelets, store.chain),
            TokenEndpoints(registry, gate.authenticator, issuer, store.chain),
            ReviewEndpoints(gate.authorizer),
            ComponentEndpoints(store.storage, self._clock),
            MetricsEndpoints(store.cache.lister(), Scraper(kubelets, self._clock), self._clock),
        )
        return Rooms(
            gate,
            AllHandlers(registry, store.storage),
            discovery,
            table,
            auditor,
            self._turns(store),
        )

    def _pages(
        self, store: Store, bootstrap: Bootstrap, discovery: Discovery, known: Credentials
    ) -> Pages:
        live = {"ping": health.well, "log": health.well}
        ready = {
            **live,
            "etcd": _etcd_check(store.storage, self._config.etcd.servers),
            "informer-sync": _set_check(store.cache.ready, "the cache is not filled yet"),
            "poststarthook/bootstrap-controller": _set_check(bootstrap.done, "not finished"),
            "poststarthook/rbac/bootstrap-roles": _set_check(store.roles.done, "not finished"),
            "shutdown": self._shutdown_check,
        }
        return Pages(
            version=version_info(),
            liveness=live,
            readiness=ready,
            metrics=self._metrics,
            openapi=OpenApi(RESOURCES, GIT_VERSION),
            resource_paths=discovery.paths,
            issuer=known.issuer_document,
            jwks=known.jwks,
            dumps={} if self._fairness is None else dumps(self._fairness),
        )

    async def _shutdown_check(self) -> str | None:
        return "process is shutting down" if self._stopping else None


def _set_check(event: asyncio.Event, otherwise: str) -> health.Check:
    async def check() -> str | None:
        return None if event.is_set() else otherwise

    return check


def _etcd_check(storage: Storage, servers: Sequence[str]) -> health.Check:
    where = f"etcd at {', '.join(servers)} does not answer"

    async def check() -> str | None:
        try:
            async with asyncio.timeout(ETCD_CHECK_SECONDS_MAX):
                await storage.revision()
        except StorageError as error:
            return f"{where}: {error}"
        except TimeoutError:
            return f"{where} within {ETCD_CHECK_SECONDS_MAX:g}s"
        return None

    return check
