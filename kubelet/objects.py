"""The ConfigMaps and Secrets that this node's pods refer to, and the cluster's Services.

A kubelet may see only the objects its pods name, so each is watched by itself (one single-object
informer per object, shared by all pods that refer to it, closed when the last one goes). A change
calls back with the pods concerned: that is how volumes follow within a second.

Source: upstream's pkg/kubelet/util/manager (watch based).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from kubelet.env import service_environment
from kubelet.pods import containers
from kubelet.static.source import is_static
from kubelet.volumes.interface import VolumeError
from kubelet.volumes.payload import needs
from wherry.api.core_v1 import (
    ConfigMap,
    Container,
    Node,
    PersistentVolume,
    PersistentVolumeClaim,
    Pod,
    Secret,
    Service,
)
from wherry.api.errors import ApiError
from wherry.api.model import TypedModel
from wherry.client.informer import Informer
from wherry.client.rest import ApiUnavailable, Client

_MODELS: dict[str, type[Any]] = {"ConfigMap": ConfigMap, "Secret": Secret}

M = TypeVar("M", bound=TypedModel)


class Reference(NamedTuple):
    """One object a pod needs: `kind` is one of _MODELS."""

    kind: str
    namespace: str
    name: str


def references(pod: Pod) -> frozenset[Reference]:
    """All objects of these kinds that a pod's volumes and containers refer to."""
    found: set[tuple[str, str]] = set()
    for volume in pod.spec.volumes:
        wanted = needs(volume)
        found.update(("ConfigMap", name) for name in wanted.config_maps)
        found.update(("Secret", name) for name in wanted.secrets)
    for container in containers.everyone(pod):
        found.update(_of_container(container))
    found.update(("Secret", secret.name) for secret in pod.spec.image_pull_secrets)
    namespace = pod.metadata.namespace
    return frozenset(Reference(kind, namespace, name) for kind, name in found if name)


def _of_container(container: Container) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for source in container.env_from:
        if source.config_map_ref is not None:
            found.add(("ConfigMap", source.config_map_ref.name))
        if source.secret_ref is not None:
            found.add(("Secret", source.secret_ref.name))
    for variable in container.env:
        if variable.value_from is None:
            continue
        if variable.value_from.config_map_key_ref is not None:
            found.add(("ConfigMap", variable.value_from.config_map_key_ref.name))
        if variable.value_from.secret_key_ref is not None:
            found.add(("Secret", variable.value_from.secret_key_ref.name))
    return found


@dataclass
class _Watched:
    informer: Informer[Any]
    pods: set[str] = field(default_factory=set)
    task: asyncio.Task[None] | None = None


class NodeObjects:
    """`ObjectSource` over the API server. `on_change` gets the uid of each pod concerned."""

    def __init__(
        self,
        client: Client,
        on_change: Callable[[str], None],
        node: Callable[[], Node | None] = lambda: None,
    ) -> None:
        self._client = client
        self._on_change = on_change
        self._node = node
        self._services = Informer(client, Service)
        self._watched: dict[Reference, _Watched] = {}
        self._of_pod: dict[str, frozenset[Reference]] = {}
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Watch, until cancelled. Owns one task per object."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for watched in self._watched.values():
                self._start(watched)
            await self._services.run()

    def register(self, pod: Pod) -> None:
        """The pod is on this node: watch what it refers to. Idempotent; a changed pod replaces."""
        uid, wanted = pod.metadata.uid, references(pod)
        had = self._of_pod.get(uid, frozenset())
        self._of_pod[uid] = wanted
        for reference in wanted - had:
            self._hold(uid, reference)
        for reference in had - wanted:
            self._let_go(uid, reference)

    def unregister(self, pod_uid: str) -> None:
        """The pod is gone: stop watching what no other pod needs."""
        for reference in self._of_pod.pop(pod_uid, frozenset()):
            self._let_go(pod_uid, reference)

    async def config_map(self, namespace: str, name: str) -> ConfigMap | None:
        found: ConfigMap | None = await self._get(Reference("ConfigMap", namespace, name))
        return found

    async def secret(self, namespace: str, name: str) -> Secret | None:
        found: Secret | None = await self._get(Reference("Secret", namespace, name))
        return found

    async def claim(self, namespace: str, name: str) -> PersistentVolumeClaim | None:
        """Asked for each time: a node may get its pods' claims, but watch none."""
        return await self._ask(PersistentVolumeClaim, name, namespace)

    async def persistent_volume(self, name: str) -> PersistentVolume | None:
        """Asked for each time: what a pod uses of it never changes."""
        return await self._ask(PersistentVolume, name)

    async def _ask(self, model: type[M], name: str, namespace: str = "") -> M | None:
        try:
            return await self._client.get(model, name, namespace)
        except ApiError as error:
            if error.code == 404:
                return None
            raise VolumeError("FailedMount", str(error)) from error
        except ApiUnavailable as error:
            raise VolumeError("FailedMount", str(error)) from error

    def node(self) -> Node | None:
        return self._node()

    async def service_env(self, pod: Pod) -> dict[str, str]:
        """The service variables of the pod's containers. Waits for the first list of Services, as
        upstream does: a container that starts without them would never get them."""
        if not is_static(pod):  # which must start without an API server
            await self._services.synced()
        links = pod.spec.enable_service_links is not False
        return service_environment(self._services.list(), pod.metadata.namespace, links=links)

    async def _get(self, reference: Reference) -> Any:
        watched = self._watched.get(reference)
        if watched is None:  # asked for before (or after) its pod is registered
            return None
        await watched.informer.synced()
        return watched.informer.get(reference.namespace, reference.name)

    def _hold(self, uid: str, reference: Reference) -> None:
        watched = self._watched.get(reference)
        if watched is None:
            informer: Informer[Any] = Informer(
                self._client,
                _MODELS[reference.kind],
                namespace=reference.namespace,
                field_selector=f"metadata.name={reference.name}",
            )
            watched = self._watched[reference] = _Watched(informer)
            informer.add_handler(lambda old, new: self._changed(reference))
            self._start(watched)
        watched.pods.add(uid)

    def _let_go(self, uid: str, reference: Reference) -> None:
        watched = self._watched[reference]
        watched.pods.discard(uid)
        if not watched.pods:
            del self._watched[reference]
            if watched.task is not None:
                watched.task.cancel()

    def _start(self, watched: _Watched) -> None:
        if self._group is not None and watched.task is None:
            watched.task = self._group.create_task(watched.informer.run())

    def _changed(self, reference: Reference) -> None:
        watched = self._watched.get(reference)
        for uid in tuple(watched.pods) if watched is not None else ():
            self._on_change(uid)
