"""A kubelet's first client certificate: asked for with a bootstrap token, kept from then on.

Source: upstream's pkg/kubelet/certificate/bootstrap.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import yaml

from kubelet.certificates.child import Held, Wanted, describe
from kubelet.certificates.rotation import CLIENT_SIGNER, Kind, Refused, obtain
from kubelet.certificates.store import PairFile, write_private
from wherry.api.errors import ApiError
from wherry.client import kubeconfig
from wherry.client.kubeconfig import ClientConfig
from wherry.client.rest import ApiUnavailable, Client
from wherry.daemon.backoff import Backoff
from wherry.daemon.clock import Clock

log = logging.getLogger(__name__)

NODES = "system:nodes"
BACKOFF_SECONDS_MAX = 30.0


def identity(node_name: str) -> Wanted:
    """Who a node is to the API server."""
    return Wanted(f"system:node:{node_name}", (NODES,))


def client_kind(folder: Path, node_name: str, authorities: Path | None = None) -> Kind:
    """The client certificate of a node."""
    wanted = identity(node_name)
    file = PairFile(folder, "kubelet-client")
    return Kind(file, CLIENT_SIGNER, "client auth", lambda: wanted, authorities)


def is_usable(held: Held | None, wanted: Wanted, clock: Clock) -> bool:
    """Whether the certificate still proves to be this node."""
    return (
        held is not None
        and held.key_fits
        and held.common_name == wanted.common_name
        and clock.now() < held.not_after
    )


def _is_there(path: Path) -> bool:
    return path.exists()


async def ensure_kubeconfig(
    path: Path, bootstrap: Path, folder: Path, node_name: str, clock: Clock
) -> None:
    """Return once `path` leads to the API server with a certificate of this node's own.

    ConfigError when the bootstrap kubeconfig is unusable; else it tries for ever.
    """
    kind = client_kind(folder, node_name)
    held = await describe(kind.file.read() if _is_there(path) else b"")
    if is_usable(held, identity(node_name), clock):
        return
    first = kubeconfig.load(bootstrap)
    backoff = Backoff(initial=0.5, factor=2.0, maximum=BACKOFF_SECONDS_MAX, jitter=0.2)
    async with Client(first, user_agent="kubelet-bootstrap") as client:
        while True:
            log.info("asking for this node's certificate with %s", bootstrap)
            try:
                await obtain(client, kind, clock)
                break
            except (Refused, ApiError, ApiUnavailable, TimeoutError, OSError) as error:
                log.warning("no client certificate yet: %s", error)
                await clock.sleep(backoff.next())
    write_private(path, yaml.safe_dump(_kubeconfig(first, folder, kind.file.path)).encode())


def _kubeconfig(first: ClientConfig, folder: Path, pair: Path) -> dict[str, Any]:
    """The bootstrap's cluster with the node's own certificate, by reference: it will be renewed."""
    ca = Path(first.ca_file) if first.ca_file and not first.ca_data else folder / "ca.crt"
    if first.ca_data:
        write_private(ca, first.ca_data)
    cluster: dict[str, Any] = {"server": first.server, "certificate-authority": str(ca.absolute())}
    user = {"client-certificate": str(pair.absolute()), "client-key": str(pair.absolute())}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "default", "cluster": cluster}],
        "users": [{"name": "default", "user": user}],
        "contexts": [{"name": "default", "context": {"cluster": "default", "user": "default"}}],
        "current-context": "default",
    }
