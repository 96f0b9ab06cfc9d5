"""Make a small image without any registry or builder: static busybox and links to its applets.

    python -m deploy.image NAME:TAG [ARCHIVE.tar]

With a file it writes an archive for `wherry lab load` or `docker load`; without, it loads the image
into this machine's engine.

Source of the format: the image archive of `docker save` (github.com/moby/moby, image/spec/v1.2).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path

from deploy import engine

BUSYBOX = Path("/bin/busybox")
DIRECTORIES = ("bin", "dev", "etc", "proc", "root", "sys", "tmp", "var", "var/run", "www")
FILES = {"etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/group": "root:x:0:\n"}
LIST_TIMEOUT_SECONDS = 5


def _add(tar: tarfile.TarFile, name: str, data: bytes, mode: int = 0o644) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), mode
    tar.addfile(member, io.BytesIO(data))


def layer(busybox: bytes, applets: Iterable[str]) -> bytes:
    """The root file system as a tar: the same bytes for the same busybox."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in DIRECTORIES:
            member = tarfile.TarInfo(name)
            member.type, member.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            tar.addfile(member)
        _add(tar, "bin/busybox", busybox, 0o755)
        for applet in applets:
            if applet != "busybox":
                member = tarfile.TarInfo(f"bin/{applet}")
                member.type, member.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(member)
        for name, text in FILES.items():
            _add(tar, name, text.encode())
    return buffer.getvalue()


def archive(name: str, root: bytes) -> bytes:
    """An image archive of one layer, tagged `name`."""
    diff = "sha256:" + hashlib.sha256(root).hexdigest()
    config = json.dumps(
        {
            "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, ""),
            "os": "linux",
            "config": {"Env": ["PATH=/bin"], "Cmd": ["sh"]},
            "rootfs": {"type": "layers", "diff_ids": [diff]},
            "history": [{"created_by": "wherry"}],
        }
    ).encode()
    file = hashlib.sha256(config).hexdigest() + ".json"
    manifest = [{"Config": file, "RepoTags": [name], "Layers": ["layer.tar"]}]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        _add(tar, file, config)
        _add(tar, "layer.tar", root)
        _add(tar, "manifest.json", json.dumps(manifest).encode())
    return buffer.getvalue()


def busybox_archive(name: str) -> bytes:
    """The archive of an image with this machine's static busybox."""
    applets = subprocess.run(
        (str(BUSYBOX), "--list"),
        capture_output=True,
        text=True,
        check=True,
        timeout=LIST_TIMEOUT_SECONDS,
    ).stdout.split()
    return archive(name, layer(BUSYBOX.read_bytes(), applets))


def main(name: str, target: str = "") -> None:
    data = busybox_archive(name)
    if target:
        Path(target).write_bytes(data)
        return
    socket = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
    client = engine.connect(Path(socket))
    client.images.load(data)
    client.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
