"""The composition root: every room is made and joined here, and nowhere else.

`Server.run` serves until it is cancelled: then it ends watches, lets what is being answered finish,
and stops. It listens before etcd answers; /readyz says when it is of use.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import platform
import socket
import ssl
import sys
import uuid
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, Gauge

from apiserver.admission.chain import Chain, Settings, plugins
from apiserver.authn.authenticator import Authenticator, TokenAuthenticator
from apiserver.authn.keys import PublicKey, jwks, parse_signing_key, read_public_keys
from apiserver.authn.service_account import LEGACY_ISSUER, ServiceAccountTokens
from apiserver.authn.token_file import TokenFile
from apiserver.authn.token_file import parse as parse_token_file
from apiserver.authz.authorizer import authorizer
from apiserver.bootstrap import Bootstrap, Identity
from apiserver.config import GIT_VERSION, AuthConfig, Config
from apiserver.discovery.openapi_service import OpenApi
from apiserver.discovery.service import Discovery
from apiserver.handlers.resource import ResourceHandlers
from apiserver.http import health
from apiserver.http.app import Front, Pages, build
from apiserver.http.dispatcher import Dispatcher, Gate, Rooms
from apiserver.http.metrics import RequestMetrics
from apiserver.http.respond import Responder
from apiserver.http.server import HttpServer, listen
from apiserver.http.tls import ensure_self_signed, server_context
from apiserver.registry.store import Registry
from apiserver.registry.strategies import STRATEGIES
from apiserver.request import User
from apiserver.storage.cache import WatchCache
from apiserver.storage.etcd import EtcdStorage, EtcdTls
from apiserver.storage.interface import Storage, StorageError
from apiserver.subresources.endpoints import endpoints
from apiserver.subresources.kubelets import Kubelets
from apiserver.subresources.pods import PodEndpoints
from apiserver.subresources.reviews import ReviewEndpoints
from apiserver.subresources.streams import StreamEndpoints
from apiserver.subresources.tokens import Issuer, TokenEndpoints
from wherry.api.scheme import RESOURCES
from wherry.daemon.clock import SystemClock
from wherry.daemon.process import StartError, freeze_after_start

log = logging.getLogger(__name__)

ETCD_CHECK_SECONDS_MAX = 2.0
LAG_PERIOD_SECONDS = 1.0
T = TypeVar("T")
# An address of a documentation network: routing to it says which address this machine would use.
_ELSEWHERE = ("192.0.2.1", 9)


def version_info() -> dict[str, str]:
    """The answer of /version; tools parse it."""
    return {
        "major": "1",
        "minor": "36",
        "emulationMajor": "1",
        "emulationMinor": "36",
        "minCompatibilityMajor": "1",
        "minCompatibilityMinor": "35",
        "gitVersion": GIT_VERSION,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": f"python{platform.python_version()}",
        "compiler": sys.implementation.name,
        "platform": f"{platform.system().lower()}/{platform.machine()}",
    }


def advertised(bind_address: str, advertise_address: str, default_route: str) -> str:
    """The address others reach this server by; "" when there is none. Never loopback."""
    for choice in (advertise_address, bind_address, default_route):
        if not choice:
            continue
        address = ipaddress.ip_address(choice)
        if not address.is_unspecified and not address.is_loopback:
            return choice
    return ""


def default_route_address() -> str:
    """The address this machine speaks to others from; "" when it has no route. Sends nothing."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect(_ELSEWHERE)
        except OSError:
            return ""
        address: str = probe.getsockname()[0]
        return address


class Server:
    """One API server. Make it inside the event loop that runs it."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._clock = SystemClock()
        self._metrics = CollectorRegistry()
        self._lag = Gauge(
            "wherry_event_loop_lag_seconds", "How late timers are.", registry=self._metrics
        )
        self._stopping = False

    async def run(self) -> None:
        """Serve until cancelled. StartError when a person has to change something first."""
        config = self._config
        auth = config.auth
        allowed = _checked("--authorization-mode", lambda: authorizer(auth.modes))
        keys = _checked("--service-account-key-file", lambda: read_public_keys(auth.key_files))
        issuer = _issuer(auth)
        users = _token_users(auth)
        tls = self._tls()
        sock = self._listen()
        etcd = config.etcd
        storage = EtcdStorage(
            list(etcd.servers), tls=EtcdTls(etcd.ca_file, etcd.cert_file, etcd.key_file)
        )
        try:
            cache = WatchCache(
                storage, RESOURCES, {r: s.selectable_fields for r, s in STRATEGIES.items()}
            )
            registry = self._registry(storage, cache)
            tokens: list[TokenAuthenticator] = [TokenFile(users, auth.api_audiences)]
            if keys:
                issuers = (*auth.issuers, LEGACY_ISSUER)
                lister = cache.lister()
                tokens.append(ServiceAccountTokens(keys, issuers, auth.api_audiences, lister))
            gate = Gate(Authenticator(tokens, anonymous=auth.anonymous), allowed)
            bootstrap = self._bootstrap(registry)
            responder = Responder()
            discovery = Discovery(RESOURCES, self._public_address())
            rooms = self._rooms(registry, storage, gate, discovery, issuer)
            dispatcher = Dispatcher(rooms, responder, RequestMetrics(self._metrics))
            pages = self._pages(storage, cache, bootstrap, discovery, keys)
            app = Front(build(dispatcher, gate, pages), dispatcher)
            await self._serve(HttpServer(app, responder, tls), sock, cache, bootstrap)
        finally:
            await storage.close()

    async def _serve(
        self, http: HttpServer, sock: socket.socket, cache: WatchCache, bootstrap: Bootstrap
    ) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(cache.run())
            group.create_task(bootstrap.run(self._on_ready))
            group.create_task(self._watch_lag())
            serving = group.create_task(http.serve([sock]))
            log.info("serving on https://%s:%d", *sock.getsockname()[:2])
            try:
                await asyncio.shield(serving)
            except asyncio.CancelledError:
                self._stopping = True
                await asyncio.sleep(self._config.serving.shutdown_seconds)
                http.should_exit = True
                await serving  # bounded by DRAIN_SECONDS_MAX
                raise
            raise StartError("the HTTP server ended by itself")

    def _on_ready(self) -> None:
        freeze_after_start()
        log.info("ready")

    async def _watch_lag(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LAG_PERIOD_SECONDS
            await asyncio.sleep(LAG_PERIOD_SECONDS)
            self._lag.set(max(0.0, loop.time() - due))

    def _listen(self) -> socket.socket:
        serving = self._config.serving
        try:
            return listen(serving.bind_address, serving.port)
        except OSError as error:
            cause = f"cannot listen on {serving.bind_address}:{serving.port}: {error.strerror}"
            raise StartError(cause, "choose another --bind-address or --secure-port") from error

    def _tls(self) -> ssl.SSLContext:
        serving = self._config.serving
        certificate, key = serving.cert_file, serving.key_file
        try:
            if certificate is None or key is None:
                certificate, key = ensure_self_signed(serving.cert_dir, self._names())
            return server_context(certificate, key, serving.client_ca_file)
        except (OSError, ValueError) as error:
            cause = f"cannot set up TLS: {error}"
            fix = "check --tls-cert-file, --tls-private-key-file, --client-ca-file and --cert-dir"
            raise StartError(cause, fix) from error

    def _names(self) -> list[str]:
        """What a self-signed certificate is good for."""
        names = [self._address() or "localhost", "localhost", "127.0.0.1", "::1"]
        names += ["kubernetes", "kubernetes.default", "kubernetes.default.svc"]
        names += ["kubernetes.default.svc.cluster.local", self._service_ip()]
        bind = self._config.serving.bind_address
        return names if ipaddress.ip_address(bind).is_unspecified else [*names, bind]

    def _address(self) -> str:
        serving = self._config.serving
        return advertised(serving.bind_address, serving.advertise_address, default_route_address())

    def _public_address(self) -> str:
        return f"{self._address() or '127.0.0.1'}:{self._config.serving.port}"

    def _service_ip(self) -> str:
        return str(self._config.service_networks[0][1])

    def _registry(self, storage: Storage, cache: WatchCache) -> Registry:
        admission = self._config.admission
        settings = Settings(
            admission.not_ready_toleration_seconds, admission.unreachable_toleration_seconds
        )
        chosen = _checked(
            "admission plug-ins", lambda: plugins(admission.enable, admission.disable, settings)
        )
        return Registry(storage, cache, STRATEGIES, Chain(chosen, cache.lister()))

    def _bootstrap(self, registry: Registry) -> Bootstrap:
        hostname = socket.gethostname()
        holder = f"{hostname}_{uuid.uuid4()}"
        identity = Identity(hostname, self._address(), self._config.serving.port, holder)
        authority = self._config.serving.client_ca_file
        client_ca = authority.read_text() if authority is not None else ""
        return Bootstrap(
            registry, self._clock, identity, service_ip=self._service_ip(), client_ca=client_ca
        )

    def _rooms(
        self,
        registry: Registry,
        storage: Storage,
        gate: Gate,
        discovery: Discovery,
        issuer: Issuer | None,
    ) -> Rooms:
        table = endpoints(
            PodEndpoints(registry),
            StreamEndpoints(registry, Kubelets(self._config.kubelet)),
            TokenEndpoints(registry, gate.authenticator, issuer),
            ReviewEndpoints(gate.authorizer),
        )
        return Rooms(gate, ResourceHandlers(registry, storage), discovery, table)

    def _pages(
        self,
        storage: Storage,
        cache: WatchCache,
        bootstrap: Bootstrap,
        discovery: Discovery,
        keys: Sequence[PublicKey],
    ) -> Pages:
        live = {"ping": health.well, "log": health.well}
        ready = {
            **live,
            "etcd": _etcd_check(storage, self._config.etcd.servers),
            "informer-sync": _set_check(cache.ready, "the cache is not filled yet"),
            "poststarthook/bootstrap-controller": _set_check(bootstrap.done, "not finished"),
            "shutdown": self._shutdown_check,
        }
        issuer = self._config.auth.issuers[0]
        return Pages(
            version=version_info(),
            liveness=live,
            readiness=ready,
            metrics=self._metrics,
            openapi=OpenApi(RESOURCES, GIT_VERSION),
            resource_paths=discovery.paths,
            issuer=_issuer_document(issuer),
            jwks=jwks(keys),
        )

    async def _shutdown_check(self) -> str | None:
        return "process is shutting down" if self._stopping else None


def _set_check(event: asyncio.Event, otherwise: str) -> health.Check:
    async def check() -> str | None:
        return None if event.is_set() else otherwise

    return check


def _etcd_check(storage: Storage, endpoints_: Sequence[str]) -> health.Check:
    where = f"etcd at {', '.join(endpoints_)} does not answer"

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


def _checked(what: str, make: Callable[[], T]) -> T:
    """The value, or a StartError that names the flag it came from."""
    try:
        return make()
    except (OSError, ValueError) as error:
        raise StartError(f"{what}: {error}") from error


def _token_users(auth: AuthConfig) -> dict[str, User]:
    path = auth.token_file
    if path is None:
        return {}
    return _checked(f"--token-auth-file {path}", lambda: parse_token_file(path.read_text()))


def _issuer(auth: AuthConfig) -> Issuer | None:
    path = auth.signing_key_file
    if path is None:
        return None
    key = _checked(
        f"--service-account-signing-key-file {path}", lambda: parse_signing_key(path.read_bytes())
    )
    return Issuer(
        key, auth.issuers[0], auth.api_audiences, auth.extend_tokens, auth.max_token_seconds
    )


def _issuer_document(issuer: str) -> dict[str, Any]:
    return {
        "issuer": issuer,
        "jwks_uri": f"{issuer.rstrip('/')}/openid/v1/jwks",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }
