"""Keeps ConfigMap `kube-root-ca.crt` in each namespace, with the CA of the API server.

The file is looked at now and then (upstream reads it once): while an authority is exchanged it holds
the old one and the new, and pods are to trust both in time.

Source of the rules: upstream's pkg/controller/certificates/rootcacertpublisher.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from controller_manager.context import Context, keys_of
from controller_manager.informers import ROOT_CA_CONFIGMAP
from controller_manager.plan import NOTHING, Create, Plan, Update
from controller_manager.serviceaccount.controller import is_active
from wherry.api.core_v1 import ConfigMap, Namespace
from wherry.api.meta_v1 import ObjectMeta
from wherry.client.kubeconfig import ClientConfig
from wherry.client.workqueue import WorkQueue
from wherry.daemon.process import StartError

log = logging.getLogger(__name__)

CA_KEY = "ca.crt"
LOOK_SECONDS = 5.0
DESCRIPTION_KEY = "kubernetes.io/description"
DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal "
    "endpoints such as the internal service IP or kubernetes.default.svc. No other usage is "
    "guaranteed across distributions of Kubernetes clusters."
)


def plan_root_ca(namespace: Namespace | None, current: ConfigMap | None, ca: str) -> Plan:
    """The ConfigMap as it should be in a live namespace."""
    if namespace is None or not is_active(namespace):
        return NOTHING
    data, notes = {CA_KEY: ca}, {DESCRIPTION_KEY: DESCRIPTION}
    if current is None:
        metadata = ObjectMeta(
            name=ROOT_CA_CONFIGMAP, namespace=namespace.metadata.name, annotations=notes
        )
        return Plan((Create(ConfigMap(metadata=metadata, data=data)),))
    held = current.metadata.annotations
    if current.data == data and held.get(DESCRIPTION_KEY):
        return NOTHING
    metadata = current.metadata.with_(annotations={**held, **notes})
    return Plan((Update(current.with_(metadata=metadata, data=data)),))


def read_ca(file: str, config: ClientConfig) -> str:
    """The CA to publish: the flag's, else the one we verify the server by."""
    path = file or ("" if config.ca_data else config.ca_file)
    if not path:
        return config.ca_data.decode()
    try:
        return Path(path).read_text()
    except OSError as error:
        raise StartError(
            f"cannot read {path}: {error.strerror}", "correct --root-ca-file"
        ) from error


class RootCaController:
    """Watches namespaces and their published CA."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._executor = context.executor("root-ca-cert-publisher")
        self._ca = read_ca(context.options.root_ca_file, context.client.config)
        self._namespaces = context.informers.namespaces
        self._maps = context.informers.root_ca_maps
        self._queue: WorkQueue[str] = WorkQueue("root_ca_cert_publisher")
        self._namespaces.add_handler(self._on_namespace)
        self._maps.add_handler(self._on_map)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow())
            await self._context.work(
                "root_ca_cert_publisher", self._reconcile, self._queue, 1, keys_of(self._namespaces)
            )

    async def _follow(self) -> None:
        """Publish the file's new content."""
        while True:
            await self._context.clock.sleep(LOOK_SECONDS)
            try:
                now = read_ca(self._context.options.root_ca_file, self._context.client.config)
            except StartError as error:
                log.warning("the root CA stays as it was read: %s", error.cause)
                continue
            if now != self._ca:
                self._ca = now
                for key in keys_of(self._namespaces):
                    self._queue.add(key)

    def _on_namespace(self, before: Namespace | None, after: Namespace | None) -> None:
        if after is not None:
            self._queue.add(after.metadata.name)

    def _on_map(self, before: ConfigMap | None, after: ConfigMap | None) -> None:
        changed = after or before
        if changed is not None:
            self._queue.add(changed.metadata.namespace)

    async def _reconcile(self, name: str) -> float | None:
        current = self._maps.get(name, ROOT_CA_CONFIGMAP)
        plan = plan_root_ca(self._namespaces.get("", name), current, self._ca)
        await self._executor.execute(plan.actions)
        return plan.requeue_after
