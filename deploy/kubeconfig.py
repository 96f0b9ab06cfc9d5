"""Kubeconfig files: where a client finds the API server and how it says who it is.

Source of the format: kubernetes.io/docs/reference/config-api/kubeconfig.v1.
"""

from __future__ import annotations

import base64
from pathlib import Path

import yaml

from deploy.files import write_private
from deploy.pki import Authority, KeyPair, ensure_certificate


def _embedded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def write_kubeconfig(path: Path, server: str, ca: Path, user: str, pair: KeyPair) -> None:
    """A kubeconfig with everything inside, so that it can be carried to another machine."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "wherry",
                "cluster": {"server": server, "certificate-authority-data": _embedded(ca)},
            }
        ],
        "users": [
            {
                "name": user,
                "user": {
                    "client-certificate-data": _embedded(pair.certificate),
                    "client-key-data": _embedded(pair.key),
                },
            }
        ],
        "contexts": [{"name": "wherry", "context": {"cluster": "wherry", "user": user}}],
        "current-context": "wherry",
    }
    write_private(path, yaml.safe_dump(config, sort_keys=False).encode())


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
    write_kubeconfig(path, server, authority.path, common_name, pair)
    return path
