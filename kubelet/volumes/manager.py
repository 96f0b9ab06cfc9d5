"""The volumes of this node's pods: made before containers start, kept fresh, taken away at the end.

Everything lies below one root as upstream lays it out, so what exists can be read off the disk after
a restart:

    <root>/pods/<uid>/volumes/kubernetes.io~configmap/<volume>/
    <root>/pods/<uid>/volume-subpaths/<volume>/<container>/<index>

What files a volume holds is decided by `payload.py`; this shell fetches, writes and mounts. Blocking
work runs on threads. Nothing here decides when: the pod's worker calls.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from kubelet.downward import Addresses
from kubelet.env import expand, variables_in
from kubelet.pods.amounts import total
from kubelet.runtime.protocol import ImageRecord
from kubelet.volumes import atomic, hostpath, linux, subpath
from kubelet.volumes.claims import check_claim, check_volume, claim_name, is_block, place
from kubelet.volumes.images import ImageVolumes
from kubelet.volumes.interface import Device, Mount, ObjectSource, TokenSource, VolumeError
from kubelet.volumes.ownership import has_group, set_group
from kubelet.volumes.payload import Gathered, Needs, is_made_of_objects, needs, payload
from wherry.api.core_v1 import (
    Container,
    EmptyDirVolumeSource,
    Node,
    PersistentVolume,
    Pod,
    Volume,
)
from wherry.api.quantity import value
from wherry.daemon.clock import Clock

_PROPAGATION = {"HostToContainer": "rslave", "Bidirectional": "rshared"}
_PLUGIN_FOLDERS = {
    "config_map": "kubernetes.io~configmap",
    "secret": "kubernetes.io~secret",
    "downward_api": "kubernetes.io~downward-api",
    "projected": "kubernetes.io~projected",
    "empty_dir": "kubernetes.io~empty-dir",
    "image": "kubernetes.io~image",
}
_NO_IMAGES: Mapping[str, ImageRecord] = {}
_POD_FOLDER_MODE = 0o750
# One pod's objects are fetched together; a server that doesn't answer must not hold the worker.
FETCH_SECONDS_MAX = 30.0
# Of an environment file in a volume.
TEXT_BYTES_MAX = 1024 * 1024


class VolumeManager:
    """Makes, refreshes and removes pods' volumes."""

    def __init__(
        self, root_dir: Path, objects: ObjectSource, tokens: TokenSource, clock: Clock,
        image_volumes: ImageVolumes,
    ) -> None:  # fmt: skip
        self._pods = root_dir / "pods"
        self._objects = objects
        self._tokens = tokens
        self._clock = clock
        self._image_volumes = image_volumes

    def pod_dir(self, pod_uid: str) -> Path:
        """Where everything of one pod lies."""
        return self._pods / pod_uid

    def list_uids(self) -> list[str]:
        """Pods that have something on this disk, dead or alive."""
        if not self._pods.is_dir():
            return []
        return sorted(entry.name for entry in self._pods.iterdir() if entry.is_dir())

    async def prepare(
        self, pod: Pod, addresses: Addresses | None = None,
        images: Mapping[str, ImageRecord] = _NO_IMAGES,
    ) -> dict[str, Path]:  # fmt: skip
        """Make all volumes of the pod (idempotent); volume name → host path.

        images: by volume name, the images of image volumes

        VolumeError says what is wrong with the first that can't be made.
        """
        have = await self._gather(pod, addresses)
        return {
            volume.name: await self._one(pod, volume, have, images.get(volume.name))
            for volume in pod.spec.volumes
        }

    async def refresh(self, pod: Pod, addresses: Addresses | None = None) -> None:
        """Bring files up to date with their objects and tokens; atomic for readers."""
        have = await self._gather(pod, addresses)
        for volume in filter(is_made_of_objects, pod.spec.volumes):
            await self._one(pod, volume, have)

    async def _one(
        self, pod: Pod, volume: Volume, have: Gathered, image: ImageRecord | None = None
    ) -> Path:
        try:
            if image is not None:
                folder = self._folder(pod, volume)
                await self._image_volumes.mount(pod.metadata.uid, volume.name, image, folder)
                return folder
            if claim_name(pod, volume):
                found = await self._claimed(pod, volume)
                return await asyncio.to_thread(_place, pod, volume, found)
            return await asyncio.to_thread(self._make, pod, volume, have)
        except VolumeError as error:
            if error.reason == "FailedMapVolume":
                text = f'MapVolume.SetUpDevice failed for volume "{volume.name}" : {error.message}'
                raise VolumeError(error.reason, text) from error
            text = f'MountVolume.SetUp failed for volume "{volume.name}" : {error.message}'
            raise VolumeError(error.reason, text) from error
        except (OSError, ValueError) as error:
            text = f'MountVolume.SetUp failed for volume "{volume.name}" : {error}'
            raise VolumeError("FailedMount", text) from error

    async def teardown(self, pod_uid: str) -> None:
        """Remove everything of a pod; it must have no running container."""
        self._tokens.forget(pod_uid)
        folder = self.pod_dir(pod_uid)
        held = await asyncio.to_thread(_names_in, folder / "volumes" / _PLUGIN_FOLDERS["image"])
        await asyncio.to_thread(_unmount_below, folder)
        await self._image_volumes.release(pod_uid, held)
        await asyncio.to_thread(_remove, folder)

    async def mounts(
        self,
        pod: Pod,
        container: Container,
        paths: Mapping[str, Path],
        environment: Mapping[str, str],
    ) -> list[Mount]:
        """The container's volume mounts; `environment` is what subPathExpr may use."""
        return await asyncio.to_thread(self._mounts, pod, container, paths, environment)

    def devices(self, pod: Pod, container: Container, paths: Mapping[str, Path]) -> list[Device]:
        """The container's block devices."""
        volumes = {volume.name: volume for volume in pod.spec.volumes}
        found = []
        for wanted in container.volume_devices:
            volume, source = volumes.get(wanted.name), paths.get(wanted.name)
            if volume is None or source is None:
                text = f'container "{container.name}" wants unknown volume "{wanted.name}"'
                raise VolumeError("CreateContainerConfigError", text)
            permissions = "r" if _is_read_only(volume) else "rwm"
            found.append(Device(source, wanted.device_path, permissions))
        return found

    async def texts(
        self, paths: Mapping[str, Path], names: Iterable[tuple[str, str]]
    ) -> dict[tuple[str, str], str | None]:
        """Small files in volumes, by (volume, path below it); None for those that are not there."""
        return {
            (volume, path): await asyncio.to_thread(_text, paths[volume], path)
            for volume, path in names
            if volume in paths
        }

    async def _gather(self, pod: Pod, addresses: Addresses | None) -> Gathered:
        wanted = Needs()
        for volume in pod.spec.volumes:
            wanted |= needs(volume)
        namespace = pod.metadata.namespace
        try:
            async with asyncio.timeout(FETCH_SECONDS_MAX):
                return Gathered(
                    {n: await self._objects.config_map(namespace, n) for n in wanted.config_maps},
                    {n: await self._objects.secret(namespace, n) for n in wanted.secrets},
                    {key: await self._tokens.token(pod, *key) for key in wanted.tokens},
                    addresses or Addresses.of(pod.status),
                    self._objects.node(),
                )
        except TimeoutError as error:
            message = "timed out waiting for the pod's configmaps, secrets or tokens"
            raise VolumeError("FailedMount", message) from error

    async def _claimed(self, pod: Pod, volume: Volume) -> PersistentVolume:
        """The PersistentVolume behind a claim of the pod's, if the pod may use it here."""
        claim = await self._objects.claim(pod.metadata.namespace, claim_name(pod, volume))
        name = check_claim(pod, volume, claim)
        assert claim is not None, "check_claim refuses a claim that is not there"
        found = await self._objects.persistent_volume(name)
        return check_volume(found, name, claim, self._objects.node())

    def _make(self, pod: Pod, volume: Volume, have: Gathered) -> Path:
        if volume.host_path is not None:
            path = Path(volume.host_path.path)
            hostpath.prepare(path, volume.host_path.type or "")
            return path
        folder = self._folder(pod, volume)
        context = pod.spec.security_context
        group = context.fs_group if context is not None else None
        if volume.empty_dir is not None:
            size = _memory_size(pod, volume.empty_dir, have.node)
            if self._make_empty_dir(folder, volume.empty_dir, size) and group is not None:
                set_group(folder, group, read_only=False)
            return folder
        files = payload(pod, volume, have)
        if files is None:
            raise VolumeError("FailedMount", "volumes of this kind are not supported")
        folder.parent.mkdir(mode=_POD_FOLDER_MODE, parents=True, exist_ok=True)
        if atomic.write(folder, files, self._clock.now()) and group is not None:
            set_group(folder, group, read_only=True)
        return folder

    def _folder(self, pod: Pod, volume: Volume) -> Path:
        for field, plugin in _PLUGIN_FOLDERS.items():
            if getattr(volume, field) is not None:
                return self.pod_dir(pod.metadata.uid) / "volumes" / plugin / volume.name
        raise VolumeError("FailedMount", "no volume plugin matched")

    @staticmethod
    def _make_empty_dir(folder: Path, source: EmptyDirVolumeSource, size: int) -> bool:
        """True when it was made now: what a running pod put into it is left alone."""
        if source.medium not in ("", "Memory"):
            text = f'unknown storage medium "{source.medium}" for volume of kind emptyDir'
            raise VolumeError("FailedMount", text)
        fresh = not folder.is_dir()
        folder.mkdir(parents=True, exist_ok=True)
        if source.medium == "Memory" and not linux.mounted(folder):
            options = f"size={size}" if size else ""
            linux.mount("tmpfs", folder, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, options)
            fresh = True
        if fresh:
            folder.chmod(0o777)
        return fresh

    def _mounts(
        self,
        pod: Pod,
        container: Container,
        paths: Mapping[str, Path],
        environment: Mapping[str, str],
    ) -> list[Mount]:
        volumes = {volume.name: volume for volume in pod.spec.volumes}
        found = []
        for index, wanted in enumerate(container.volume_mounts):
            volume, source = volumes.get(wanted.name), paths.get(wanted.name)
            if volume is None or source is None:
                text = f'container "{container.name}" mounts unknown volume "{wanted.name}"'
                raise VolumeError("CreateContainerConfigError", text)
            if wanted.recursive_read_only == "Enabled":
                text = (
                    f'failed to resolve recursive read-only mode: volume "{wanted.name}" requested '
                    "recursive read-only mode, but it is not supported by the runtime"
                )
                raise VolumeError("CreateContainerConfigError", text)
            mount = Mount(
                source,
                wanted.mount_path if wanted.mount_path.startswith("/") else f"/{wanted.mount_path}",
                wanted.read_only or _is_read_only(volume),
                _PROPAGATION.get(wanted.mount_propagation or "", ""),
            )
            sub_path = wanted.sub_path
            if wanted.sub_path_expr:
                missing = sorted(
                    n for n in variables_in(wanted.sub_path_expr) if not environment.get(n)
                )
                if missing:
                    text = f"failed to expand subPath: missing value for {', '.join(missing)}"
                    raise VolumeError("CreateContainerConfigError", text)
                sub_path = expand(wanted.sub_path_expr, environment)
            if sub_path:
                base = self.pod_dir(pod.metadata.uid) / "volume-subpaths"
                place = base / wanted.name / container.name / str(index)
                mount = replace(mount, source=subpath.bind(source, sub_path, place))
            found.append(mount)
        return found


def _memory_size(pod: Pod, source: EmptyDirVolumeSource, node: Node | None) -> int:
    """Bytes a volume in memory may take: no more than the pod, else the node, has. 0: unknown."""
    allocatable = node.status.allocatable.get("memory") if node is not None else None
    sizes = [
        value(allocatable) if allocatable else 0,
        total(pod, "limits", "memory"),
        value(source.size_limit) if source.size_limit else 0,
    ]
    return min((size for size in sizes if size > 0), default=0)


def _text(volume: Path, path: str) -> str | None:
    """A file below the volume, whatever links a container left there."""
    try:
        root = os.open(volume, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with os.fdopen(
                linux.open_beneath(root, path, os.O_RDONLY | os.O_NONBLOCK), "rb"
            ) as file:
                return file.read(TEXT_BYTES_MAX).decode(errors="replace")
        finally:
            os.close(root)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise VolumeError("CreateContainerConfigError", f"{path}: {error.strerror}") from error


def _names_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []


def _unmount_below(folder: Path) -> None:
    for point in linux.mounts_below(folder):
        linux.unmount(point)


def _remove(folder: Path) -> None:
    if not folder.exists():
        return
    left = linux.mounts_below(folder)
    if left:  # deleting through a mount would delete what is the user's
        raise VolumeError("FailedUnmount", f"{os.fspath(left[0])} is still mounted")
    shutil.rmtree(folder)


def _place(pod: Pod, volume: Volume, found: PersistentVolume) -> Path:
    path = place(found)
    if is_block(found):
        return path
    context = pod.spec.security_context
    if found.spec.local is not None and context is not None and context.fs_group is not None:
        only_if_wrong = context.fs_group_change_policy == "OnRootMismatch"
        if not (only_if_wrong and has_group(path, context.fs_group)):
            set_group(path, context.fs_group, read_only=_is_read_only(volume))
    return path


def _is_read_only(volume: Volume) -> bool:
    """Files that the kubelet writes are nobody else's to change; a claim may be for reading only."""
    if volume.persistent_volume_claim is not None:
        return bool(volume.persistent_volume_claim.read_only)
    if volume.image is not None:
        return True
    written = (volume.config_map, volume.secret, volume.downward_api, volume.projected)
    return any(source is not None for source in written)
