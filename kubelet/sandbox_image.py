"""The sandbox ("pause") image, made on the node: no registry is needed to run the first pod.

One static busybox in an otherwise empty root. Its first process waits for ever, reaps orphans (with
a shared process namespace they are re-parented to it) and leaves at once on SIGTERM. The tag is a
digest of the content, so a changed image is another image and a present one is never made again.
"""

from __future__ import annotations

import hashlib
import io
import logging
import tarfile
from pathlib import Path

from kubelet.runtime.protocol import Runtime
from wherry.daemon.process import StartError

log = logging.getLogger(__name__)

REPOSITORY = "wherry/sandbox"
BUSYBOX_PATHS = (Path("/bin/busybox"), Path("/usr/bin/busybox"))
# ash collects every child that ends while it waits, also those it did not start.
SCRIPT = "trap 'exit 0' TERM INT; while :; do sleep 2147483647 & wait $!; done"
CHANGES = (f'ENTRYPOINT ["/bin/sh", "-c", "{SCRIPT}"]',)


def root_tar(busybox: bytes) -> bytes:
    """The root file system; equal input gives equal bytes."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for folder in ("bin", "dev", "etc", "proc", "sys", "tmp"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        binary = tarfile.TarInfo("bin/busybox")
        binary.mode, binary.size = 0o755, len(busybox)
        tar.addfile(binary, io.BytesIO(busybox))
        for name in ("sh", "sleep"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return target.getvalue()


def reference(tar: bytes) -> str:
    """The image's name and tag, from its content and its start command."""
    digest = hashlib.sha256(tar + "\n".join(CHANGES).encode()).hexdigest()
    return f"{REPOSITORY}:{digest[:12]}"


def read_busybox(paths: tuple[Path, ...] = BUSYBOX_PATHS) -> bytes:
    """The node's busybox; StartError when there is none."""
    for path in paths:
        if path.is_file():
            return path.read_bytes()
    raise StartError(
        "no busybox to make the sandbox image of",
        "apt-get install busybox-static, or name an image with --pod-infra-container-image",
    )


async def ensure(runtime: Runtime) -> str:
    """Make the sandbox image unless it is there; its reference."""
    tar = root_tar(read_busybox())
    name = reference(tar)
    if await runtime.image(name) is None:
        await runtime.import_image(tar, name, CHANGES)
        log.info("made sandbox image %s", name)
    return name
