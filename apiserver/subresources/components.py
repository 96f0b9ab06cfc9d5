"""ComponentStatus: how etcd, the scheduler and the controller manager are, as seen from this server.

Deprecated upstream since 1.19 but still served: each request asks the three anew. The daemons are asked
where they listen by default on this machine; one that runs elsewhere counts as unhealthy, as upstream's
does.

Source: kubernetes/pkg/registry/core/componentstatus, printComponentStatus.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import orjson

from apiserver.handlers.forms import listed, shower_of
from apiserver.http.exchange import Exchange
from apiserver.registry.printing import NAME
from apiserver.registry.strategy import Column, Strategy
from apiserver.request import RequestContext, Response
from apiserver.storage.interface import Storage, StorageError
from apiserver.storage.window import Cached
from wherry.api.core_v1 import ComponentStatus
from wherry.api.errors import not_found
from wherry.api.scheme import resource_of
from wherry.daemon.clock import Clock

PROBE_SECONDS_MAX: Final = 5.0
ANSWER_BYTES_MAX: Final = 64 * 1024
DAEMONS: Final[Mapping[str, int]] = {"scheduler": 10259, "controller-manager": 10257}
ETCD: Final = "etcd-0"
DEPRECATED: Final = "v1 ComponentStatus is deprecated in v1.19+"


class Health(NamedTuple):
    good: bool
    message: str


class ComponentStatusStrategy(Strategy):
    """Only its columns: it is not stored."""

    resource = resource_of(ComponentStatus)
    columns = (
        NAME,
        Column("Status", description="Healthy or not."),
        Column("Message", description="What it said."),
        Column("Error", description="Why it could not be asked."),
    )

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        healthy = next((one for one in tree["conditions"] if one["type"] == "Healthy"), None)
        name = tree["metadata"]["name"]
        if healthy is None:
            return name, "Unknown", "", ""
        status = "Healthy" if healthy["status"] == "True" else "Unhealthy"
        return name, status, healthy.get("message", ""), healthy.get("error", "")


class ComponentEndpoints:
    """GET componentstatuses."""

    def __init__(
        self, storage: Storage, clock: Clock, daemons: Mapping[str, int] = DAEMONS
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._daemons = daemons
        self._strategy = ComponentStatusStrategy()

    async def read(self, ctx: RequestContext, exchange: Exchange) -> Response:
        """One of them, or all. ApiError 404."""
        ctx.warnings.append(DEPRECATED)
        resource, name = self._strategy.resource, ctx.info.name
        shower = shower_of(ctx.accept, self._strategy, self._clock, listed=not name)
        if not name:
            return Response(body=await listed(shower, await self._all()))
        if name != ETCD and name not in self._daemons:
            raise not_found(resource.qualified_name, name)
        return Response(body=shower.whole((await self._one(name)).item) + b"\n")

    async def _all(self) -> list[Cached]:
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(self._one(name)) for name in (*self._daemons, ETCD)]
        return [task.result() for task in asked]

    async def _one(self, name: str) -> Cached:
        health = await (self._etcd() if name == ETCD else probe(self._daemons[name]))
        item = orjson.dumps(status_of(name, health))
        return Cached("", name, item, 0, {}, {})

    async def _etcd(self) -> Health:
        try:
            async with asyncio.timeout(PROBE_SECONDS_MAX):
                await self._storage.revision()
        except StorageError as error:
            return Health(False, str(error))
        except TimeoutError:
            return Health(False, f"no answer within {PROBE_SECONDS_MAX:g}s")
        return Health(True, "ok")


def status_of(name: str, health: Health) -> dict[str, Any]:
    """The object's fields, without kind and apiVersion."""
    condition = {"type": "Healthy", "status": "True" if health.good else "False"}
    if health.message:
        condition["message"] = health.message
    return {"metadata": {"name": name}, "conditions": [condition]}


async def probe(port: int) -> Health:
    """What a daemon on this machine says of itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # as upstream: it only asks for health
    try:
        async with asyncio.timeout(PROBE_SECONDS_MAX):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            try:
                writer.write(b"GET /healthz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
                await writer.drain()
                answer = await reader.read(ANSWER_BYTES_MAX)
            finally:
                writer.close()
    except TimeoutError:
        return Health(False, f"127.0.0.1:{port}: no answer within {PROBE_SECONDS_MAX:g}s")
    except (OSError, ssl.SSLError) as error:
        return Health(False, f"127.0.0.1:{port}: {error}")
    return read_health(answer)


def read_health(answer: bytes) -> Health:
    """The meaning of an HTTP answer: 2xx and 3xx are good."""
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(None, 2)
    code = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    text = body.decode(errors="replace").strip()
    if 200 <= code < 400:
        return Health(True, text)
    return Health(False, text or f"HTTP probe failed with statuscode: {code}")
