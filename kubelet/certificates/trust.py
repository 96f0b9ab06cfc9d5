"""The cluster's authorities on a machine that joined: followed while they are exchanged.

Where the control plane cannot write a machine's files, `kube-public/cluster-info` says whom to trust. It
is read over a connection that the authorities trusted until now vouch for, and few may write it.
"""

from __future__ import annotations

import base64
import binascii
import logging
import ssl
from collections.abc import Mapping
from pathlib import Path

import yaml

from kubelet.certificates.store import write_private
from wherry.api.core_v1 import ConfigMap
from wherry.api.errors import ApiError
from wherry.client.rest import ApiUnavailable, Client
from wherry.daemon.clock import Clock

log = logging.getLogger(__name__)

NAMESPACE, NAME, KEY = "kube-public", "cluster-info", "kubeconfig"
LOOK_SECONDS = 120.0  # the old and the new authority overlap for two hours


def published_authorities(data: Mapping[str, str]) -> bytes:
    """The authorities (PEM) in cluster-info's data. ValueError when there is nothing sound."""
    try:
        tree = yaml.safe_load(data.get(KEY, ""))
        (cluster,) = tree["clusters"]
        found = base64.b64decode(cluster["cluster"]["certificate-authority-data"], validate=True)
        # An empty text would be taken for "this machine's authorities".
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=found.decode())
    except (yaml.YAMLError, KeyError, TypeError, binascii.Error, ssl.SSLError) as error:
        raise ValueError(f"cluster-info holds no authorities: {error}") from error
    return found


class TrustFollower:
    """Keeps a CA file as cluster-info says."""

    def __init__(self, client: Client, file: Path, clock: Clock) -> None:
        self._client, self._file, self._clock = client, file, clock

    async def run(self) -> None:
        while True:
            await self.look()
            await self._clock.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Take up what is published now; whatever is wrong with it, the file stays as it is."""
        try:
            found = await self._client.get(ConfigMap, NAME, NAMESPACE)
            published = published_authorities(found.data)
            if published != self._file.read_bytes():
                write_private(self._file, published)
                log.info("the cluster's authorities have changed: %s is new", self._file)
        except ApiError as error:
            if error.code != 404:  # a cluster that publishes none
                log.warning("cluster-info cannot be read: %s", error.message)
        except (ApiUnavailable, OSError, ValueError) as error:
            log.warning("the cluster's authorities stay as they were read: %s", error)
