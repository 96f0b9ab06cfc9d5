"""Makes the system's objects when the API server starts, and keeps them true while it runs.

Several servers may run: each renews its own Lease, and the endpoints of `default/kubernetes` are the
addresses of those whose Lease is fresh; who stops takes its Lease away, and Leases of servers that are
gone for good are collected. Objects that exist are left as they are; only endpoints and
the ConfigMap by which extension servers learn whom to trust follow reality.

What the objects are: `system_objects.py`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from apiserver import system_objects
from apiserver.registry.failures import FAILURES, api_error
from apiserver.registry.store import Registry
from apiserver.request import RequestContext, RequestInfo, User
from apiserver.system_objects import (
    CONFIG_MAPS,
    ENDPOINTS,
    FLOW_SCHEMAS,
    LEASES,
    NAMESPACES,
    PRIORITY_CLASSES,
    PRIORITY_LEVELS,
    SERVICE_CIDRS,
    SERVICES,
    SLICES,
    Identity,
    Tree,
)
from wherry.api.errors import ApiError
from wherry.api.scheme import Resource
from wherry.daemon.backoff import Backoff
from wherry.daemon.clock import Clock

log = logging.getLogger(__name__)

USER = User("system:apiserver", groups=("system:masters", "system:authenticated"))
USER_AGENT = "kube-apiserver"
RENEW_SECONDS = 10.0
REPAIR_SECONDS = 180.0
WITHDRAW_SECONDS_MAX = 2.0


class Bootstrap:
    """Makes it all, then keeps Lease and endpoints true."""

    def __init__(
        self,
        registry: Registry,
        clock: Clock,
        identity: Identity,
        *,
        service_networks: Sequence[str],
        service_ip: str,
        trusted: Callable[[], Mapping[str, str]],
    ) -> None:
        self.done = asyncio.Event()
        self.namespaces = asyncio.Event()  # set once the system's namespaces are there
        self._registry = registry
        self._clock = clock
        self._identity = identity
        self._service_networks = service_networks
        self._service_ip = service_ip
        self._trusted = trusted
        self._told: Mapping[str, str] | None = None
        self._leaving = False

    async def run(self, on_done: Callable[[], None]) -> None:
        """Run for ever. What fails is tried again: the store may be away for a while."""
        await self._registry.cache.ready.wait()
        backoff = Backoff(initial=0.1, maximum=5.0)
        while not self.done.is_set():
            try:
                await self._make_all()
            except ApiError as error:
                log.warning("making the system's objects: %s", error)
                await self._clock.sleep(backoff.next())
                continue
            self.done.set()
            on_done()
        repaired = self._clock.monotonic()
        while not self._leaving:
            await self._clock.sleep(RENEW_SECONDS)
            try:
                await self._renew()
                if self._clock.monotonic() - repaired >= REPAIR_SECONDS:
                    await self._repair()
                    await self._make_service_cidr()
                    await self._make_flow_control()
                    await self._track_old_tokens()
                    repaired = self._clock.monotonic()
            except ApiError as error:
                log.warning("renewing this server's lease: %s", error)

    async def withdraw(self) -> None:
        """This server stops: nobody shall come to it any more."""
        self._leaving = True
        if not self.done.is_set():
            return
        try:
            async with asyncio.timeout(WITHDRAW_SECONDS_MAX):
                await self._remove_lease(self._identity.lease_name)
                await self._registry.fresh()
                await self._set_endpoints(self._clock.now())
        except ApiError as error:
            log.warning("taking this server out of the endpoints: %s", error)
        except TimeoutError:
            log.warning("taking this server out of the endpoints: the store does not answer")

    async def _make_all(self) -> None:
        if not self._identity.address:
            log.warning(
                "this machine has no address but loopback: endpoints default/kubernetes stay "
                "empty; give --advertise-address to fill them"
            )
        for tree in system_objects.namespaces():
            await self._ensure(NAMESPACES, tree)
        self.namespaces.set()
        for tree in system_objects.priority_classes():
            await self._ensure(PRIORITY_CLASSES, tree)
        await self._make_flow_control()
        await self._track_old_tokens()
        await self._make_service_cidr()
        service = system_objects.kubernetes_service(self._service_ip, self._identity.port)
        await self._ensure(SERVICES, service)
        await self._repair()
        await self._renew()

    async def _make_flow_control(self) -> None:
        """What somebody deleted comes back, and what is to follow the defaults does, as upstream's."""
        for tree in system_objects.priority_levels():
            if not await self._ensure(PRIORITY_LEVELS, tree):
                await self._revise(PRIORITY_LEVELS, tree)
        for tree in system_objects.flow_schemas():
            await self._make_flow_schema(tree)

    async def _revise(self, resource: Resource, tree: Tree) -> None:
        name = tree["metadata"]["name"]
        found = self._registry.cache.lister().get(resource, "", name)
        if found is None or not system_objects.is_outdated(found, tree):
            return
        context = self._context("update", resource)
        await self._registry.update(
            resource, "", name, lambda now: system_objects.bring_up_to_date(now, tree), context
        )

    async def _track_old_tokens(self) -> None:
        """Say since when the uses of old tokens are noted, for who collects unused ones."""
        tree = system_objects.token_tracking(self._clock.now())
        if await self._ensure(CONFIG_MAPS, tree):
            return
        metadata = tree["metadata"]
        found = self._registry.cache.lister().get(
            CONFIG_MAPS, metadata["namespace"], metadata["name"]
        )
        if found is not None and not system_objects.says_since(found):
            await self._follow(CONFIG_MAPS, tree, ("data",))

    async def _make_flow_schema(self, tree: Tree) -> None:
        if not await self._ensure(FLOW_SCHEMAS, tree):
            await self._revise(FLOW_SCHEMAS, tree)
            return
        status = system_objects.level_found(tree, self._clock.now())
        await self._registry.update(
            FLOW_SCHEMAS,
            "",
            tree["metadata"]["name"],
            lambda found: found.update(status=status),
            self._context("update", FLOW_SCHEMAS),
            "status",
        )

    async def _make_service_cidr(self) -> None:
        """The default networks are ready as soon as they are there; the flag may add a family later."""
        networks = [*self._service_networks]
        tree = system_objects.service_cidr(networks)
        await self._ensure(SERVICE_CIDRS, tree)
        status = system_objects.service_cidr_status(self._clock.now())

        def widen(found: Tree) -> None:
            if found["spec"]["cidrs"] == networks[:1]:
                found["spec"]["cidrs"] = networks

        def fill(found: Tree) -> None:
            if not found["status"]:
                found["status"] = status

        name = tree["metadata"]["name"]
        ctx = self._context("update", SERVICE_CIDRS)
        await self._registry.update(SERVICE_CIDRS, "", name, widen, ctx)
        await self._registry.update(SERVICE_CIDRS, "", name, fill, ctx, "status")

    async def _repair(self) -> None:
        """Service addresses and what holds them. ApiError when the store is away."""
        try:
            await self._registry.holdings.repair(self._clock.now())
        except FAILURES as error:
            raise api_error(error) from error

    async def _renew(self) -> None:
        if self._leaving:
            return
        now = self._clock.now()
        await self._tell_whom_to_trust()
        await self._follow(LEASES, system_objects.lease(self._identity, now), ("spec",))
        await self._registry.fresh()
        for name in system_objects.expired(self._leases(), now):
            log.info("collecting the lease %s of an API server that is gone", name)
            await self._remove_lease(name)
        await self._set_endpoints(now)

    async def _tell_whom_to_trust(self) -> None:
        """Say who signs client certificates, and how front proxies speak; files may change."""
        try:
            data = self._trusted()
        except OSError as error:
            log.warning("reading the client authority: %s", error)
            return
        if data != self._told:
            await self._follow(CONFIG_MAPS, system_objects.authentication_config(data), ("data",))
            self._told = data

    def _leases(self) -> list[Mapping[str, Any]]:
        return self._registry.cache.lister().list(LEASES, "kube-system")

    async def _remove_lease(self, name: str) -> None:
        try:
            context = self._context("delete", LEASES)
            await self._registry.delete(LEASES, "kube-system", name, context)
        except ApiError as error:
            if error.reason != "NotFound":
                raise

    async def _set_endpoints(self, now: datetime) -> None:
        addresses = system_objects.live_addresses(self._leases(), now)
        port = self._identity.port
        await self._follow(ENDPOINTS, system_objects.endpoints(addresses, port), ("subsets",))
        await self._follow(
            SLICES, system_objects.endpoint_slice(addresses, port), ("endpoints", "ports")
        )

    async def _ensure(self, resource: Resource, tree: Tree) -> bool:
        """Make the object unless it is there; whether it was made."""
        metadata = tree["metadata"]
        lister = self._registry.cache.lister()
        if lister.get(resource, metadata.get("namespace", ""), metadata["name"]) is not None:
            return False
        try:
            await self._registry.create(resource, tree, self._context("create", resource))
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
            return False
        return True

    async def _follow(self, resource: Resource, tree: Tree, fields: tuple[str, ...]) -> None:
        """Make the object, or set these of its fields."""
        if await self._ensure(resource, tree):
            return
        metadata = tree["metadata"]

        def set_fields(found: Tree) -> None:
            for field in fields:
                if field in tree:
                    found[field] = tree[field]
                else:
                    found.pop(field, None)

        await self._registry.update(
            resource,
            metadata["namespace"],
            metadata["name"],
            set_fields,
            self._context("update", resource),
        )

    def _context(self, verb: str, resource: Resource) -> RequestContext:
        return RequestContext(
            info=RequestInfo(verb, "", resource),
            user=USER,
            query={},
            accept="",
            content_type="",
            user_agent=USER_AGENT,
            now=self._clock.now(),
        )
