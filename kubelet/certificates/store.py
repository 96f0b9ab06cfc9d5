"""One certificate with its key in one file, replaced in one step: nobody ever sees half of a pair.

Upstream's names: `kubelet-client-current.pem`, `kubelet-server-current.pem`.
"""

from __future__ import annotations

import os
from pathlib import Path


class PairFile:
    """`<folder>/<name>-current.pem`, its owner's alone."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"{name}-current.pem"

    def read(self) -> bytes:
        """The PEM text; empty when there is none."""
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return b""

    def write(self, certificate: bytes, key: bytes) -> None:
        write_private(self.path, certificate.rstrip(b"\n") + b"\n" + key)


def write_private(path: Path, data: bytes) -> None:
    """Whole or not at all, and nobody else's to read from the first byte on."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)  # a machine that dies now must come back with one of the two
    temporary.replace(path)
