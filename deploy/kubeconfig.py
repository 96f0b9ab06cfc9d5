"""Kubeconfig files: where a client finds the API server and how it says who it is.

Source of the format: kubernetes.io/docs/reference/config-api/kubeconfig.v1.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import yaml

from deploy.files import write_private
from deploy.pki import Authority, KeyPair, ensure_certificate


def _data(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def _config(server: str, cluster: dict[str, str], user: str, who: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "wherry", "cluster": {"server": server, **cluster}}],
        "users": [{"name": user, "user": who}],
        "contexts": [{"name": "wherry", "context": {"cluster": "wherry", "user": user}}],
        "current-context": "wherry",
    }


def embedding(server: str, ca: Path, user: str, pair: KeyPair) -> bytes:
    """A kubeconfig with everything inside, so that it can be carried to another machine."""
    cluster = {"certificate-authority-data": _data(ca)}
    who = {
        "client-certificate-data": _data(pair.certificate), "client-key-data": _data(pair.key),
    }  # fmt: skip
    return yaml.safe_dump(_config(server, cluster, user, who), sort_keys=False).encode()


def referring(server: str, ca: Path, user: str, pair: KeyPair) -> bytes:
    """A kubeconfig that names files, which a daemon takes up again when they change."""
    cluster = {"certificate-authority": str(ca.absolute())}
    who = {
        "client-certificate": str(pair.certificate.absolute()),
        "client-key": str(pair.key.absolute()),
    }
    return yaml.safe_dump(_config(server, cluster, user, who), sort_keys=False).encode()


def ensure_client(
    authority: Authority,
    directory: Path,
    stem: str,
    server: str,
    common_name: str,
    organizations: tuple[str, ...] = (),
) -> Path:
    """`<stem>.kubeconfig` with a client certificate of that name and those groups."""
    pair = ensure_certificate(authority, directory / "pki", stem, common_name, organizations)
    path = directory / f"{stem}.kubeconfig"
    write_private(path, embedding(server, authority.path, common_name, pair))
    return path
