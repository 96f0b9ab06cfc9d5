"""The kubelet's certificates as its flags ask for them: files, requests, or of its own making."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

from kubelet.certificates.bootstrap import client_kind, ensure_kubeconfig, identity
from kubelet.certificates.child import Wanted
from kubelet.certificates.rotation import Rotation
from kubelet.certificates.serving import ServingCertificate, serving_kind
from kubelet.certificates.trust import TrustFollower
from kubelet.config import Config
from kubelet.node.address import NodeAddress
from wherry.client import kubeconfig
from wherry.client.kubeconfig import ClientConfig
from wherry.client.rest import Client
from wherry.daemon import certificate
from wherry.daemon.clock import Clock
from wherry.daemon.process import StartError
from wherry.daemon.tls import followed_server_context


async def client_config(config: Config, clock: Clock) -> ClientConfig:
    """How the API server is reached; with a bootstrap kubeconfig, once it has vouched for us."""
    try:
        if config.bootstrap_kubeconfig:
            await ensure_kubeconfig(
                Path(config.kubeconfig), Path(config.bootstrap_kubeconfig), config.cert_dir,
                config.node_name, clock,
            )  # fmt: skip
        return kubeconfig.for_daemon(config.kubeconfig, config.master)
    except kubeconfig.ConfigError as error:
        raise StartError(
            str(error), "name the API server's kubeconfig with --kubeconfig"
        ) from error


def _authorities(config: Config, found: ClientConfig) -> Path | None:
    """The file of the cluster's authorities, whose first one signs."""
    name = config.client_ca_file or found.ca_file
    return Path(name) if name else None


def rotate_client(
    config: Config, found: ClientConfig, client: Client, clock: Clock, tasks: asyncio.TaskGroup
) -> None:
    """Renew the client certificate in time, and follow the authorities, where the files are ours."""
    if not config.rotate_client:
        return
    kind = client_kind(config.cert_dir, config.node_name, _authorities(config, found))
    ca = Path(found.ca_file)
    if found.ca_file and ca.parent == config.cert_dir.absolute():
        tasks.create_task(TrustFollower(client, ca, clock).run(), name="authorities")
    if found.cert_file and Path(found.cert_file) == kind.file.path.absolute():
        tasks.create_task(Rotation(client, kind, clock).run(), name="client-certificate")


async def serving_context(
    config: Config,
    found: ClientConfig,
    client: Client,
    clock: Clock,
    address: NodeAddress,
    tasks: asyncio.TaskGroup,
) -> ssl.SSLContext:
    """What the kubelet's server listens with."""
    ca = Path(config.client_ca_file) if config.client_ca_file else None
    if config.tls_cert_file:
        try:
            return followed_server_context(
                Path(config.tls_cert_file), Path(config.tls_key_file), ca
            )
        except (OSError, ValueError) as error:
            raise StartError(
                f"cannot use the serving certificate {config.tls_cert_file}: {error}",
                "check --tls-cert-file, --tls-private-key-file and --client-ca-file",
            ) from error
    own = await certificate.self_signed_context([config.hostname, *address.all])
    if ca is not None:
        own.load_verify_locations(ca)
        own.verify_mode = ssl.CERT_OPTIONAL
    if not config.rotate_server:
        return own
    node = identity(config.node_name)

    def wanted() -> Wanted:
        names = (config.node_name, *address.all)
        return Wanted(node.common_name, node.organizations, names)

    kind = serving_kind(config.cert_dir, wanted, _authorities(config, found))
    serving = ServingCertificate(kind, ca, own)
    rotation = Rotation(client, kind, clock, serving.take)
    tasks.create_task(rotation.run(), name="serving-certificate")
    return serving.context
