"""The key of encryption at rest that `up` makes."""

from __future__ import annotations

from pathlib import Path

from apiserver.storage.encryption.config import parse_encryption
from deploy.encryption import configuration, ensure_encryption
from wherry.api.scheme import BY_PLURAL

SECRETS, PODS = BY_PLURAL["", "v1", "secrets"], BY_PLURAL["", "v1", "pods"]


def test_secrets_are_sealed_and_what_was_there_before_is_read():
    rules = parse_encryption(configuration(bytes(32)).decode())
    ciphers = rules.of(SECRETS)
    assert ciphers is not None
    assert ciphers.seal(b"v", b"k").startswith(b"k8s:enc:secretbox:v1:key1:")
    assert ciphers.open(b"v", b"k") == (b"v", True)
    assert rules.of(PODS) is None


def test_the_key_is_made_once_and_its_owner_s_alone(tmp_path: Path):
    path = ensure_encryption(tmp_path)
    made = path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    assert ensure_encryption(tmp_path).read_bytes() == made
    assert ensure_encryption(tmp_path / "other").read_bytes() != made
