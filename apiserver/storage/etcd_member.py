"""One etcd endpoint: its channel, TLS and stubs.

The channel reconnects by itself and notices a silent peer by pings. aetcd gives the generated stubs.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import grpc.aio
from aetcd import rpc

from apiserver.storage.interface import StorageUnavailable

_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.use_local_subchannel_pool", 1),
    # Without the filters for retries, compression and tracing: a tenth of a call.
    ("grpc.minimal_stack", 1),
]


@dataclass(frozen=True, slots=True)
class EtcdTls:
    """Files that prove who we are to etcd and who etcd is to us."""

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""


class Member:
    """One endpoint's channel and stubs."""

    def __init__(self, endpoint: str, tls: EtcdTls) -> None:
        parts = urlsplit(endpoint if "://" in endpoint else f"http://{endpoint}")
        target = f"{parts.hostname}:{parts.port or 2379}"
        if parts.scheme == "https":
            credentials = grpc.ssl_channel_credentials(
                _read(tls.ca_file), _read(tls.key_file), _read(tls.cert_file)
            )
            self.channel = grpc.aio.secure_channel(target, credentials, options=_OPTIONS)
        else:
            self.channel = grpc.aio.insecure_channel(target, options=_OPTIONS)
        self.kv = rpc.KVStub(self.channel)
        self.watch = rpc.WatchStub(self.channel)
        self.lease = rpc.LeaseStub(self.channel)
        self.maintenance = rpc.MaintenanceStub(self.channel)
        self._endpoint = endpoint

    async def connected(self, seconds: float) -> None:
        """Wait for a connection. StorageUnavailable: nothing was sent."""
        if self.channel.get_state(try_to_connect=True) is grpc.ChannelConnectivity.READY:
            return
        try:
            async with asyncio.timeout(seconds):
                await self.channel.channel_ready()
        except TimeoutError:
            raise StorageUnavailable(f"no connection to {self._endpoint}") from None


def _read(path: str) -> bytes | None:
    return Path(path).read_bytes() if path else None
