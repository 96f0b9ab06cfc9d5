"""The key that signs service-account tokens, and its successor: how they lie on disk.

`<stem>.key` signs. `<stem>.pub` holds the public halves that verify, first that of the key that signs.
When each step is due: `rotation.py`.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization

from deploy.files import write_atomic, write_private, write_public
from deploy.inventory import KeySpec
from deploy.pki import PEM, key_pem, new_key

_END = b"-----END PUBLIC KEY-----\n"


def is_there(spec: KeySpec) -> bool:
    """Whether there is a key that signs, of whatever kind, and that it is verified by its public half."""
    try:
        return _public(spec.key.read_bytes()) in _halves(spec)
    except (OSError, ValueError):
        return False


def make(spec: KeySpec) -> None:
    """A first key, or the lost public half of the one that is there."""
    if not spec.key.exists():
        _write(spec, key_pem(new_key()))
    write_public(spec.public, _public(spec.key.read_bytes()))


def announce(spec: KeySpec) -> None:
    """Make a successor, whose tokens will be believed."""
    pem = key_pem(new_key())
    write_private(_next(spec), pem)
    write_public(spec.public, _public(spec.key.read_bytes()) + _public(pem))


def promote(spec: KeySpec) -> None:
    """Let the successor sign; the old one's tokens are still believed."""
    successor = _next(spec)
    if successor.exists():
        _write(spec, successor.read_bytes())
    signing = _public(spec.key.read_bytes())
    others = [one for one in _halves(spec) if one != signing]
    write_public(spec.public, b"".join((signing, *others)))
    successor.unlink(missing_ok=True)


def retire(spec: KeySpec) -> None:
    """Believe the old one's tokens no longer."""
    write_public(spec.public, _public(spec.key.read_bytes()))


def own(spec: KeySpec) -> None:
    """The key goes to who needs it now."""
    if os.geteuid() != 0:
        return
    found = spec.key.stat()
    wanted = (
        pwd.getpwnam(spec.owner).pw_uid if spec.owner else 0,
        pwd.getpwnam(spec.reader).pw_gid if spec.reader else found.st_gid,
    )
    if (found.st_uid, found.st_gid) != wanted:
        _write(spec, spec.key.read_bytes())


def _next(spec: KeySpec) -> Path:
    return Path(f"{spec.stem}.next.key")


def _write(spec: KeySpec, pem: bytes) -> None:
    write_atomic(spec.key, pem, 0o640 if spec.reader else 0o600, spec.owner, spec.reader)


def _halves(spec: KeySpec) -> list[bytes]:
    return [one + _END for one in spec.public.read_bytes().split(_END) if one.strip()]


def _public(pem: bytes) -> bytes:
    """The public half of a private key."""
    key: Any = serialization.load_pem_private_key(pem, None)
    half: bytes = key.public_key().public_bytes(
        PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return half
