"""Brings sandboxes and containers into being, and takes sandboxes away.

Each function is one sequence of engine, CNI and file calls for one `plan` action. It raises one
error that says what the container waits for; it decides nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubelet.downward import Addresses
from kubelet.env import ConfigError, env_file_names, make_environment
from kubelet.network.bandwidth import bandwidth
from kubelet.network.cni import Attachment, NetworkError
from kubelet.objects import Reference, references
from kubelet.pods import container_config, containers, files, hooks, privileged, seccomp
from kubelet.pods.images import ImageError, Wish
from kubelet.pods.plan import Start
from kubelet.pods.pull_secrets import credentials
from kubelet.pods.services import Services
from kubelet.runtime.labels import SANDBOX_CONTAINER_NAME
from kubelet.runtime.protocol import (
    ContainerRecord,
    ImageRecord,
    NotFound,
    RuntimeFailure,
    State,
)
from kubelet.volumes.interface import Device, VolumeError
from wherry.api.core_v1 import Container, Pod, Secret
from wherry.api.errors import ApiError
from wherry.api.node_v1 import RuntimeClass
from wherry.client.rest import ApiUnavailable

log = logging.getLogger(__name__)


class StartError(Exception):
    """`reason` is the waiting reason; `pull` when it is the image's back-off that counts."""

    def __init__(self, reason: str, message: str, *, pull: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.pull = pull


@dataclass(frozen=True, slots=True)
class PodNetwork:
    """A sandbox in use and its addresses (the node's own for hostNetwork)."""

    sandbox_id: str
    ips: tuple[str, ...]


class Starter:
    """One pod's comings into being."""

    def __init__(self, services: Services) -> None:
        self._s = services
        self.in_hook: set[str] = set()  # ids of containers whose postStart has not ended
        self.hook_failed: set[str] = set()  # ids of running containers whose postStart failed

    # -- sandboxes

    async def create_sandbox(self, pod: Pod, attempt: int) -> None:
        """Sandbox, network, /etc files; StartError says what failed, and nothing is left of it."""
        s = self._s
        try:
            config = container_config.sandbox(
                pod, attempt, s.node.sandbox_image, s.node.facts, s.node.name,
                await self._handler(pod),
            )  # fmt: skip
        except ConfigError as error:
            raise StartError(
                "FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}"
            ) from error
        name = container_config.identity(pod, SANDBOX_CONTAINER_NAME, attempt).docker_name
        try:
            sandbox_id = await s.runtime.create(name, config)
            with s.cache.starting(sandbox_id):
                await s.runtime.start(sandbox_id)
                s.bounding.settle(pod)
                record = await s.runtime.inspect(sandbox_id)
            if not pod.spec.host_network:
                await s.cni.add(_attachment(record, pod))
            s.cache.put(record)
        except NetworkError as error:
            s.cache.put(record)  # should its removal fail, the next plan knows of it
            await s.runtime.remove(sandbox_id)
            s.cache.drop(sandbox_id)
            raise StartError(
                "FailedCreatePodSandBox",
                "Failed to create pod sandbox: failed to setup network for sandbox "
                f'"{sandbox_id}": {error}',
            ) from error
        except RuntimeFailure as error:
            await s.cache.relist()  # whatever there is of it now, the next plan clears away
            raise StartError(
                "FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}"
            ) from error

    async def _handler(self, pod: Pod) -> str:
        """The engine's runtime that the pod's RuntimeClass names; empty = the engine's own choice."""
        name = pod.spec.runtime_class_name
        if not name:
            return ""
        try:
            return (await self._s.client.get(RuntimeClass, name)).handler
        except ApiError as error:
            raise ConfigError(str(error)) from error
        except ApiUnavailable as error:
            raise ConfigError(f"failed to lookup RuntimeClass {name}: {error}") from error

    def network(self, record: ContainerRecord) -> PodNetwork | None:
        """The network of a running sandbox; None when it was never wired (we died in between)."""
        if record.host_network:
            return PodNetwork(record.id, self._s.node.addresses)
        ips = tuple(self._s.cni.addresses(record.id, record.pid))
        return PodNetwork(record.id, ips) if ips else None

    async def remove_sandbox(self, record: ContainerRecord) -> None:
        """Give the addresses back and end the sandbox. The veth goes with the namespace."""
        s = self._s
        unwire = s.cni.delete(_attachment(record, None))
        results = await asyncio.gather(unwire, s.runtime.remove(record.id), return_exceptions=True)
        for result in results:
            if isinstance(result, NetworkError | RuntimeFailure):
                raise StartError("KillPodSandboxError", str(result)) from result
            if isinstance(result, BaseException):
                raise result
        s.cache.drop(record.id)

    # -- containers

    async def volumes(self, pod: Pod) -> Mapping[str, Path]:
        """The pod's volumes; StartError while one can't be made."""
        images = {
            volume.name: await self._image(pod, volume.image.reference, volume.image.pull_policy)
            for volume in pod.spec.volumes
            if volume.image is not None
        }
        try:
            return await self._s.volumes.prepare(pod, images=images)
        except VolumeError as error:
            self._s.event(pod, "Warning", error.reason, error.message)
            raise StartError("ContainerCreating", "") from error

    async def image(self, pod: Pod, container: Container) -> ImageRecord:
        """The container's image."""
        return await self._image(pod, container.image, container.image_pull_policy, container.name)

    async def _image(
        self, pod: Pod, reference: str, policy: str, container: str = ""
    ) -> ImageRecord:
        secrets = []
        for named in pod.spec.image_pull_secrets:
            secret = await self._s.objects.secret(pod.metadata.namespace, named.name)
            if secret is not None:
                secrets.append(secret)
        wish = Wish(reference, policy, credentials(reference, secrets))
        try:
            return await self._s.images.ensure(
                wish,
                lambda kind, reason, message: self._s.event(pod, kind, reason, message, container),
            )
        except ImageError as error:
            self._s.event(pod, "Warning", "Failed", f"Error: {error.reason}", container=container)
            raise StartError(error.reason, error.message, pull=True) from error
        except RuntimeFailure as error:
            raise StartError("ImageInspectError", str(error)) from error

    async def start(
        self, pod: Pod, start: Start, image: Any, paths: Mapping[str, Path], ips: Sequence[str]
    ) -> None:
        """Create and start one container; it is in the cache when this returns."""
        s, spec = self._s, start.container
        try:
            config = await self._config(pod, start, image, paths, ips)
        except ConfigError as error:
            s.event(pod, "Warning", "Failed", f"Error: {error.message}", container=spec.name)
            raise StartError("CreateContainerConfigError", error.message) from error
        except VolumeError as error:
            s.event(pod, "Warning", "Failed", f"Error: {error.message}", container=spec.name)
            raise StartError("CreateContainerConfigError", error.message) from error
        name = container_config.identity(pod, spec.name, start.attempt).docker_name
        try:
            container_id = await self._create(name, config)
        except RuntimeFailure as error:
            s.event(pod, "Warning", "Failed", f"Error: {error}", container=spec.name)
            s.metrics.not_started(containers.kind(pod, spec.name), "CreateContainerError")
            raise StartError("CreateContainerError", str(error)) from error
        s.event(pod, "Normal", "Created", "Container created", container=spec.name)
        with s.cache.starting(container_id):
            try:
                await s.runtime.start(container_id)
            except RuntimeFailure as error:
                if await self._has_ended(start.sandbox_id):
                    # That was no attempt: the pod needs another sandbox first.
                    await s.runtime.remove(container_id)
                    s.cache.drop(container_id)
                    return
                s.event(pod, "Warning", "Failed", f"Error: {error}", container=spec.name)
                s.metrics.not_started(containers.kind(pod, spec.name), "RunContainerError")
                # The record carries the error: the pod's status and back-off read it from there.
                if await s.cache.look(container_id) is None:
                    raise StartError("RunContainerError", str(error)) from error
                return
            s.event(pod, "Normal", "Started", "Container started", container=spec.name)
            s.metrics.started(containers.kind(pod, spec.name))
            await s.cache.look(container_id)
        await self._post_start(pod, spec, container_id, ips)

    async def _has_ended(self, sandbox_id: str) -> bool:
        record = await self._s.cache.look(sandbox_id)
        return record is None or record.state is not State.RUNNING

    async def _create(self, name: str, config: Mapping[str, Any]) -> str:
        try:
            return await self._s.runtime.create(name, config)
        except RuntimeFailure as error:
            if isinstance(error, NotFound) or "is already in use" not in str(error):
                raise
        # Left by a kubelet that died between create and start.
        await self._s.runtime.remove(name)
        return await self._s.runtime.create(name, config)

    async def _config(
        self, pod: Pod, start: Start, image: Any, paths: Mapping[str, Path], ips: Sequence[str]
    ) -> dict[str, Any]:
        s, spec = self._s, start.container
        env = make_environment(
            pod,
            spec,
            **await self._objects(pod),
            service_env=await s.objects.service_env(pod),
            addresses=Addresses(ips, s.node.addresses),
            node=s.objects.node(),
            env_files=await s.volumes.texts(paths, env_file_names(spec)),
        )
        folder = s.volumes.pod_dir(pod.metadata.uid)
        for reason, message in files.write_names(pod, folder, ips, s.node):
            s.event(pod, "Warning", reason, message)
        given = container_config.Inputs(
            image_id=image.id,
            image_user=image.user,
            image_stop_signal=image.stop_signal,
            devices=[*s.volumes.devices(pod, spec, paths), *await self._host_devices(spec)],
            runtime=await self._handler(pod),
            env=env,
            mounts=await s.volumes.mounts(pod, spec, paths, env),
            files=files.container_files(folder, spec.name, start.attempt),
            node=s.node.facts,
            node_name=s.node.name,
            target_id=self._target(pod, spec.name),
            profiles=await asyncio.to_thread(seccomp.load, s.node.seccomp_root, pod, spec),
        )
        return container_config.container(pod, start, given)

    async def _host_devices(self, spec: Container) -> list[Device]:
        """Those of a privileged container, where the engine can't give them all by itself."""
        if not self._s.node.facts.lacked_capabilities or not container_config.is_privileged(spec):
            return []
        return await asyncio.to_thread(privileged.devices)

    def _target(self, pod: Pod, ephemeral: str) -> str:
        """The running container that an ephemeral one joins; empty when it joins none."""
        name = containers.target_of(pod, ephemeral)
        if not name:
            return ""
        record = self._s.cache.observed(pod.metadata.uid).latest(name)
        if record is None or record.state is not State.RUNNING:
            raise ConfigError(f"unable to find target container {name}")
        return record.id

    async def _objects(self, pod: Pod) -> dict[str, dict[str, Any]]:
        """The ConfigMaps and Secrets that containers' variables may name."""
        config_maps: dict[str, Any] = {}
        secrets: dict[str, Secret | None] = {}
        for reference in references(pod):
            await self._fetch(reference, config_maps, secrets)
        return {"config_maps": config_maps, "secrets": secrets}

    async def _fetch(
        self, reference: Reference, config_maps: dict[str, Any], secrets: dict[str, Secret | None]
    ) -> None:
        if reference.kind == "ConfigMap":
            config_maps[reference.name] = await self._s.objects.config_map(
                reference.namespace, reference.name
            )
        else:
            secrets[reference.name] = await self._s.objects.secret(
                reference.namespace, reference.name
            )

    async def _post_start(
        self, pod: Pod, container: Container, container_id: str, ips: Sequence[str]
    ) -> None:
        handler = container.lifecycle.post_start if container.lifecycle is not None else None
        if handler is None:
            return
        ip = ips[0] if ips else ""
        self.in_hook.add(container_id)  # no await since the start became known: it is not ready
        try:
            await hooks.run(self._s, pod, container, handler, container_id, ip)
        except hooks.HookError as error:
            # What the hook printed stays out of the event: it may be secret.
            log.warning("postStart of %s in pod %s: %s", container.name, pod.metadata.name, error)
            message = "PostStartHook failed"
            self._s.event(pod, "Warning", "FailedPostStartHook", message, container=container.name)
            self.hook_failed.add(container_id)
        finally:
            self.in_hook.discard(container_id)


def _attachment(record: ContainerRecord, pod: Pod | None) -> Attachment:
    identity = record.identity
    mappings = port_mappings(pod) if pod is not None else ()
    return Attachment(
        record.id,
        record.pid if pod is not None else 0,
        identity.pod_namespace,
        identity.pod_name,
        identity.pod_uid,
        mappings,
        bandwidth(pod) if pod is not None else None,
    )


def port_mappings(pod: Pod) -> tuple[Mapping[str, Any], ...]:
    """hostPorts, as the portmap plug-in wants them."""
    return tuple(
        {
            "hostPort": port.host_port,
            "containerPort": port.container_port,
            "protocol": (port.protocol or "TCP").lower(),
            "hostIP": port.host_ip,
        }
        for container in (*pod.spec.init_containers, *pod.spec.containers)
        for port in container.ports
        if port.host_port
    )
