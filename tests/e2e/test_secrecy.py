"""A cluster as it comes: Secrets lie sealed in etcd's files, and no key or token shows anywhere."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path

import pytest
import yaml

from tests.e2e.support import Cluster

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]
CHUNK_BYTES = 1 << 20


def holds(path: Path, needles: list[bytes]) -> bool:
    """Whether a file holds one of them; read in pieces that overlap."""
    overlap = max(map(len, needles))
    if not path.exists():  # etcd has put it away since
        return False
    with path.open("rb") as file:
        tail = b""
        while chunk := file.read(CHUNK_BYTES):
            if any(needle in tail + chunk for needle in needles):
                return True
            tail = chunk[-overlap:]
    return False


def forms(text: str) -> list[bytes]:
    """A secret, plain and as JSON of a Secret has it."""
    return [text.encode(), base64.b64encode(text.encode())]


def test_secrets_are_sealed_and_nothing_is_shown(cluster: Cluster, namespace: str):
    value = f"value-{secrets.token_hex(12)}"
    cluster.kubectl(
        "create", "secret", "generic", "s", "-n", namespace, f"--from-literal=password={value}"
    )
    read = cluster.kubectl("get", "secret", "s", "-n", namespace, "-o", "jsonpath={.data.password}")
    assert base64.b64decode(read).decode() == value
    config = yaml.safe_load((cluster.directory / "pki" / "encryption.yaml").read_text())
    (key,) = config["resources"][0]["providers"][0]["secretbox"]["keys"]
    control = [one for one in (cluster.directory / "control-plane").rglob("*") if one.is_file()]
    assert any("etcd" in one.parts for one in control), "etcd's files are among them"
    for path in control:
        assert not holds(path, [*forms(value), key["secret"].encode()]), path
    for log in cluster.directory.rglob("*.log"):
        assert not holds(log, [*forms(value), key["secret"].encode()]), log
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            shown = line.read_bytes()
        except OSError:
            continue  # it ended meanwhile
        assert key["secret"].encode() not in shown
        assert b"PRIVATE KEY" not in shown
