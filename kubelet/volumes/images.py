"""Image volumes: an image's files, read-only, as a folder of a pod.

The engine's own layers are mounted on each other (overlay), so nothing is copied. A container that is
never started holds the image as long as the volume is there; its name is made of pod and volume, so
that it is found again whatever happens.

Source: kubernetes.io/docs/concepts/storage/volumes (image); upstream leaves the mounting to the runtime.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path

from kubelet.runtime import labels
from kubelet.runtime.protocol import ImageRecord, NotFound, Runtime, RuntimeFailure
from kubelet.volumes import linux
from kubelet.volumes.interface import VolumeError

OPTIONS_BYTES_MAX = 4095  # what mount(2) takes
HOLD_COMMAND = ["/never-started"]


def hold_name(uid: str, volume: str) -> str:
    return f"k8s-image-volume_{volume}_{uid}"


def overlay_options(layers: Sequence[str]) -> str:
    """Options of the mount, the topmost layer first; VolumeError when they are too many."""
    options = f"lowerdir={':'.join(layers)}"
    if len(options) > OPTIONS_BYTES_MAX:
        raise VolumeError("FailedMount", f"the image has too many layers ({len(layers)})")
    return options


class ImageVolumes:
    """Mounts and lets go. `ImageRecord.layers` are folders of this machine."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def mount(self, uid: str, volume: str, image: ImageRecord, folder: Path) -> None:
        """Make the volume; idempotent."""
        if await asyncio.to_thread(linux.mounted, folder):
            return
        if not image.layers:
            raise VolumeError("FailedMount", "image volumes need an engine that stores overlay2")
        await self._hold(uid, volume, image)
        await asyncio.to_thread(_mount, image.layers, folder)

    async def release(self, uid: str, volumes: Iterable[str]) -> None:
        """Let go of the images; the folders have been unmounted. RuntimeFailure: do it again."""
        for volume in volumes:
            try:
                await self._runtime.remove(hold_name(uid, volume))
            except NotFound:
                continue

    async def _hold(self, uid: str, volume: str, image: ImageRecord) -> None:
        name = hold_name(uid, volume)
        # The pod's, but not one that the kubelet would run: it carries no node's name.
        config = {
            "Image": image.id, "Cmd": HOLD_COMMAND, "Labels": {labels.POD_UID: uid},
            "HostConfig": {"NetworkMode": "none"},
        }  # fmt: skip
        try:
            await self._runtime.create(name, config)
        except RuntimeFailure as error:
            if "is already in use" not in str(error):
                raise VolumeError("FailedMount", f"failed to hold the image: {error}") from error


def _mount(layers: Sequence[str], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    flags = linux.MS_RDONLY | linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
    if len(layers) > 1:
        linux.mount("overlay", folder, "overlay", flags, overlay_options(layers))
        return
    # Overlay wants two layers at least. A bind mount takes its flags in a second step.
    linux.mount(layers[0], folder, flags=linux.MS_BIND)
    linux.mount(layers[0], folder, flags=linux.MS_BIND | linux.MS_REMOUNT | flags)
