"""The `proxy` subresource of pods, services and nodes: any HTTP request, passed on and back.

A service means one of its ready pods. A node means its kubelet, unless another port is named. Redirects
and the links of HTML pages are changed so that a browser stays within the proxy; upgrades become tunnels.

Source: kubernetes/pkg/registry/core/{pod,service,node}/rest; k8s.io/apimachinery/pkg/util/proxy.
"""

from __future__ import annotations

import asyncio
import random
import zlib
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any

from apiserver.admission.chain import Chain
from apiserver.http.backend import SWITCHING_PROTOCOLS, Answer, Ask, BrokenAnswer, exchange
from apiserver.http.exchange import ClientGone, Exchange
from apiserver.http.protocol import Connection
from apiserver.http.relay import Relay
from apiserver.http.request_info import proxied
from apiserver.http.tunnel import Tunnel
from apiserver.registry.store import Registry
from apiserver.request import RequestContext, Response
from apiserver.subresources.connect import proxy_options
from apiserver.subresources.kubelets import Kubelets
from apiserver.subresources.proxy_backends import NODES, Backend, Backends
from apiserver.subresources.proxy_rewrite import (
    HtmlRewriter,
    request_headers,
    response_headers,
    rewrite_url,
)
from apiserver.subresources.proxy_target import (
    Wanted,
    ready_pods,
    service_port_name,
    split_name,
    unavailable,
)
from wherry.api.errors import ApiError
from wherry.api.scheme import BY_PLURAL

PODS = BY_PLURAL["", "v1", "pods"]
SERVICES = BY_PLURAL["", "v1", "services"]
SLICES = BY_PLURAL["discovery.k8s.io", "v1", "endpointslices"]
# Whoever is behind may think for long; a client that has gone ends it earlier.
HEAD_SECONDS_MAX = 3600.0

Tree = Mapping[str, Any]
Reply = Response | Relay | Tunnel


class ProxyEndpoints:
    """Every method on pods/proxy, services/proxy, nodes/proxy and what lies below."""

    def __init__(self, registry: Registry, kubelets: Kubelets, chain: Chain) -> None:
        self._registry = registry
        self._chain = chain
        self._backends = Backends(registry, kubelets)
        self._random = random.Random()

    async def pod(self, ctx: RequestContext, exchange: Exchange) -> Reply:
        wanted = split_name("pod", ctx.info.name)
        passage = self._admitted(ctx, exchange, "PodProxyOptions")
        await self._registry.fresh()
        pod = self._registry.get(PODS, ctx.info.namespace, wanted.name)
        return await _pass(passage, self._backends.pod(pod, wanted))

    async def service(self, ctx: RequestContext, exchange: Exchange) -> Reply:
        wanted = split_name("service", ctx.info.name)
        passage = self._admitted(ctx, exchange, "ServiceProxyOptions")
        await self._registry.fresh()
        namespace = ctx.info.namespace
        service = self._registry.get(SERVICES, namespace, wanted.name)
        port_name = service_port_name(service, wanted)
        slices = self._registry.cache.lister().list(SLICES, namespace)
        choices = list(ready_pods(slices, wanted.name, port_name))
        self._random.shuffle(choices)
        for pod_name, port in choices:
            try:
                pod = self._registry.get(PODS, namespace, pod_name)
            except ApiError:
                continue  # the slice is behind: the pod has gone
            one = Wanted(pod_name, wanted.scheme, str(port))
            return await _pass(passage, self._backends.pod(pod, one))
        raise unavailable(f'no endpoints available for service "{ctx.info.name}"')

    async def node(self, ctx: RequestContext, exchange: Exchange) -> Reply:
        wanted = split_name("node", ctx.info.name)
        passage = self._admitted(ctx, exchange, "NodeProxyOptions")
        await self._registry.fresh()
        node = self._registry.get(NODES, "", wanted.name)
        return await _pass(passage, self._backends.node(node, wanted))

    def _admitted(self, ctx: RequestContext, exchange: Exchange, kind: str) -> Passage:
        passage = Passage.of(exchange)
        self._chain.ask(ctx, "CONNECT", proxy_options(kind, passage.rest))
        return passage


@dataclass(frozen=True, slots=True)
class Passage:
    """A request as it is passed on. prefix: its path up to and with `proxy`; rest: what follows."""

    exchange: Exchange
    method: str
    prefix: str
    rest: str
    query: str

    @classmethod
    def of(cls, exchange: Exchange) -> Passage:
        cut = proxied(exchange.scope["raw_path"])
        assert cut is not None, "called for a path below `proxy`"
        prefix, rest = (part.decode("latin-1") for part in cut)
        query = exchange.raw_query.decode("latin-1")
        return cls(exchange, exchange.scope["method"], prefix, rest, f"?{query}" if query else "")

    @property
    def host(self) -> str:
        return self.exchange.headers.get(b"host", b"").decode("latin-1")

    @property
    def upgrades(self) -> bool:
        return b"upgrade" in self.exchange.headers

    def ask(self) -> Ask:
        fields = [
            (n.decode("latin-1"), v.decode("latin-1")) for n, v in self.exchange.scope["headers"]
        ]
        headers = request_headers(fields, upgrade=self.upgrades)
        headers.append(("x-forwarded-uri", self.prefix + self.rest))
        client = self.exchange.scope.get("client")
        if client:
            headers.append(("x-forwarded-for", client[0]))
        body = None if self.upgrades else self._body()
        return Ask(self.method, (self.rest or "/") + self.query, headers, body, HEAD_SECONDS_MAX)

    async def _body(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self.exchange.receive()
            if message["type"] != "http.request":
                return
            if message.get("body"):
                yield message["body"]
            more = message.get("more_body", False)


async def _pass(passage: Passage, connecting: Awaitable[Backend]) -> Reply:
    """Connect, send the request, and make what comes back ours."""
    if not passage.rest and passage.method in ("GET", "HEAD") and not passage.upgrades:
        connecting.close()  # type: ignore[attr-defined]  # a coroutine that is not needed
        # So that relative links of the page at the root lead below it.
        headers = {"Location": f"{passage.prefix}/{passage.query}"}
        return Response(301, b"", "text/plain", headers)
    with _given_up_when_the_client_goes(passage.exchange.connection):
        try:
            backend = await connecting
        except OSError as error:
            raise unavailable(f"error trying to reach service: {_why(error)}") from error
        try:
            answer = await exchange(backend.streams, passage.ask())
        except BrokenAnswer as error:
            raise unavailable(f"error trying to reach service: {backend.why(error)}") from error
    if answer.status == SWITCHING_PROTOCOLS:
        return Tunnel(answer.head, answer.reader, answer.writer)
    return _relayed(passage, backend, answer)


@contextmanager
def _given_up_when_the_client_goes(connection: Connection) -> Iterator[None]:
    """An answer may take an hour to begin: nobody waits for it when nobody wants it."""
    task = connection.streaming = asyncio.current_task()
    try:
        yield
    except asyncio.CancelledError:
        if task is None or not connection.transport.is_closing():
            raise
        task.uncancel()
        raise ClientGone from None
    finally:
        connection.streaming = None


def _why(error: OSError) -> str:
    return str(error) or "i/o timeout"


def _relayed(passage: Passage, backend: Backend, answer: Answer) -> Relay:
    own_hosts = (backend.host, passage.host)
    headers = response_headers(answer.fields)
    location = answer.headers.get("location")
    if location:
        moved = ("location", rewrite_url(location, passage.prefix, own_hosts))
        headers = [moved if name == "location" else (name, value) for name, value in headers]
    elif _is_html(answer):
        dropped = ("content-length", "content-encoding")
        headers = [(name, value) for name, value in headers if name not in dropped]
        return Relay(answer.status, headers, _rewritten(passage.prefix, own_hosts, answer))
    return Relay(answer.status, headers, answer.chunks())


def _is_html(answer: Answer) -> bool:
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    packed = answer.headers.get("content-encoding", "identity").lower()
    readable = packed in ("identity", "gzip")
    return kind == "text/html" and readable and not answer.bodiless


async def _rewritten(
    prefix: str, own_hosts: tuple[str, ...], answer: Answer
) -> AsyncIterator[bytes]:
    """The page with its links changed; what came compressed goes on plain."""
    gzipped = answer.headers.get("content-encoding", "").lower() == "gzip"
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 16) if gzipped else None
    page = HtmlRewriter(prefix, own_hosts)
    async with aclosing(answer.chunks()) as chunks:  # type: ignore[type-var]  # a generator
        async for chunk in chunks:
            yield page.feed(unpack.decompress(chunk) if unpack is not None else chunk)
    yield page.finish()
