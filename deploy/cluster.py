"""The daemons of a cluster as a supervisor's plan: pure, from a few facts to command lines.

`up` asks for one machine in the namespace it stands in; the lab for N machines, each in a network
namespace, with the control plane in one of its own. Both get the same daemons and flags.

The *fast profile* is what makes a dead machine's pods run elsewhere within seconds; the daemons'
own defaults are upstream's.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from deploy.kubeconfig import ensure_client
from deploy.pki import Authority, ensure_authority, ensure_certificate, ensure_service_account_key
from deploy.spec import Daemon, Ready

LEADER_ELECTION = (
    "--leader-elect=true",
    "--leader-elect-lease-duration=5s",
    "--leader-elect-renew-deadline=3s",
    "--leader-elect-retry-period=1s",
)
FAST_PROFILE = {
    "apiserver": (
        "--default-not-ready-toleration-seconds=2",
        "--default-unreachable-toleration-seconds=2",
    ),
    "scheduler": LEADER_ELECTION,
    "controller-manager": (
        *LEADER_ELECTION,
        "--node-monitor-period=1s",
        "--node-monitor-grace-period=7s",
        "--node-eviction-rate=1",
    ),
    # A kubelet renews its Lease four times in its duration: every 2 s.
    "kubelet": ("--node-lease-duration-seconds=8",),
}
ENVIRONMENT = {"MALLOC_ARENA_MAX": "2"}  # glibc's arenas cost each daemon 10 MiB or more


@dataclass(frozen=True)
class Network:
    """The cluster's address ranges (CIDR) and the DNS service's address and domain."""

    services: str = "10.96.0.0/16"
    pods: str = "10.244.0.0/16"
    first_service: str = "10.96.0.1"
    dns: str = "10.96.0.10"
    domain: str = "cluster.local"


@dataclass(frozen=True)
class ControlPlane:
    """Where the control plane runs: its address, files and (in the lab) network namespace."""

    address: str
    config_dir: Path
    data_dir: Path
    log_dir: Path
    namespace: str = ""
    port: int = 6443
    etcd_port: int = 2379
    network: Network = Network()

    @property
    def url(self) -> str:
        return f"https://{self.address}:{self.port}"

    @property
    def pki(self) -> Path:
        return self.config_dir / "pki"


@dataclass(frozen=True)
class Machine:
    """A node: where its kubelet keeps things and which Docker Engine it drives.

    own_engine: whether the supervisor runs its dockerd (else it is the machine's own)
    """

    name: str
    address: str
    directory: Path
    log_dir: Path
    run_dir: Path
    docker_socket: Path
    own_engine: bool
    namespace: str = ""


def script(name: str) -> str:
    """A console script beside this Python."""
    return str(Path(sys.executable).parent / name)


def control_plane(place: ControlPlane) -> tuple[Daemon, ...]:
    """Certificates and kubeconfigs are made (when missing); the daemons are returned."""
    authority = ensure_authority(place.pki)
    ensure_client(
        authority, place.config_dir, "admin", place.url, "kubernetes-admin", ("system:masters",)
    )
    return (
        _etcd(place),
        _apiserver(place, authority),
        _client_daemon(place, authority, "scheduler", "system:kube-scheduler", 10259),
        _client_daemon(
            place, authority, "controller-manager", "system:kube-controller-manager", 10257,
            f"--root-ca-file={authority.path}",
            f"--service-account-private-key-file={place.pki / 'sa.key'}",
            f"--cluster-cidr={place.network.pods}",
            "--allocate-node-cidrs=true",
        ),
        _dns(place, authority),
    )  # fmt: skip


def _etcd(place: ControlPlane) -> Daemon:
    client = f"http://127.0.0.1:{place.etcd_port}"
    peer = f"http://127.0.0.1:{place.etcd_port + 1}"
    command = (
        "etcd", "--name=wherry", f"--data-dir={place.data_dir / 'etcd'}",
        f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=wherry={peer}", "--max-request-bytes=3145728",
        "--auto-compaction-mode=periodic", "--auto-compaction-retention=10m",
        "--logger=zap",
    )  # fmt: skip
    # etcd listens on its own namespace's loopback; the API server's readiness speaks for it.
    ready = None if place.namespace else Ready(f"127.0.0.1:{place.etcd_port}", "/health")
    return Daemon("etcd", command, str(place.log_dir / "etcd.log"), {}, place.namespace, ready)


def _apiserver(place: ControlPlane, authority: Authority) -> Daemon:
    domain, pki = place.network.domain, place.pki
    names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"]
    names += [f"kubernetes.default.svc.{domain}", "localhost", "127.0.0.1"]
    names += [place.network.first_service, place.address]
    serving = ensure_certificate(authority, pki, "apiserver", "kube-apiserver", (), names)
    to_kubelets = ensure_certificate(
        authority, pki, "apiserver-kubelet-client", "kube-apiserver-kubelet-client",
        ("system:masters",),
    )  # fmt: skip
    accounts = ensure_service_account_key(pki)
    command = (
        script("wherry-apiserver"),
        f"--etcd-servers=http://127.0.0.1:{place.etcd_port}",
        "--bind-address=0.0.0.0",
        f"--secure-port={place.port}",
        f"--advertise-address={place.address}",
        f"--tls-cert-file={serving.certificate}",
        f"--tls-private-key-file={serving.key}",
        f"--client-ca-file={authority.path}",
        "--kubelet-preferred-address-types=InternalIP,Hostname",
        f"--kubelet-certificate-authority={authority.path}",
        f"--kubelet-client-certificate={to_kubelets.certificate}",
        f"--kubelet-client-key={to_kubelets.key}",
        f"--service-account-key-file={accounts.certificate}",
        f"--service-account-signing-key-file={accounts.key}",
        f"--service-account-issuer=https://kubernetes.default.svc.{domain}",
        f"--service-cluster-ip-range={place.network.services}",
        "--authorization-mode=AlwaysAllow",
        *FAST_PROFILE["apiserver"],
    )
    return Daemon(
        "apiserver", command, str(place.log_dir / "apiserver.log"), ENVIRONMENT, place.namespace,
        Ready(f"{place.address}:{place.port}", "/readyz", str(authority.path)),
    )  # fmt: skip


def _client_daemon(
    place: ControlPlane, authority: Authority, name: str, user: str, port: int, *flags: str
) -> Daemon:
    kubeconfig = ensure_client(authority, place.config_dir, name, place.url, user)
    command = (
        script(f"wherry-{name}"), f"--kubeconfig={kubeconfig}", f"--bind-address={place.address}",
        f"--secure-port={port}", *flags, *FAST_PROFILE[name],
    )  # fmt: skip
    return Daemon(
        name, command, str(place.log_dir / f"{name}.log"), ENVIRONMENT, place.namespace,
        Ready(f"{place.address}:{port}", ca="-"),
    )  # fmt: skip


DNS_HEALTH_PORT = 10254


def _dns(place: ControlPlane, authority: Authority) -> Daemon:
    kubeconfig = ensure_client(authority, place.config_dir, "dns", place.url, "system:dns")
    command = (
        script("wherry-dns"), f"--kubeconfig={kubeconfig}", f"--bind-address={place.address}",
        f"--advertise-address={place.address}", f"--cluster-dns={place.network.dns}",
        f"--cluster-domain={place.network.domain}", f"--health-port={DNS_HEALTH_PORT}",
    )  # fmt: skip
    return Daemon(
        "dns", command, str(place.log_dir / "dns.log"), ENVIRONMENT, place.namespace,
        Ready(f"{place.address}:{DNS_HEALTH_PORT}"),
    )  # fmt: skip


def machine(node: Machine, place: ControlPlane, authority: Authority) -> tuple[Daemon, ...]:
    """The daemons of one node; its certificates and kubeconfigs are made when missing."""
    engine = (_engine(node),) if node.own_engine else ()
    return (*engine, _kubelet(node, place, authority), _proxy(node, place, authority))


def daemon_name(node: Machine, daemon: str) -> str:
    """In the lab several machines' daemons share a supervisor."""
    return f"{node.name}/{daemon}" if node.namespace else daemon


def _engine(node: Machine) -> Daemon:
    run = node.run_dir / "docker"
    command = [
        "dockerd", f"--host=unix://{node.docker_socket}", f"--data-root={node.directory / 'docker'}",
        f"--exec-root={run}", f"--pidfile={run / 'docker.pid'}",
        "--log-driver=json-file", "--storage-driver=overlay2",
    ]  # fmt: skip
    if node.namespace:
        # A containerd that runs on the host already is shared: keep the machines apart in it.
        space = f"moby-{node.namespace}"
        command += [f"--containerd-namespace={space}", f"--containerd-plugins-namespace=p-{space}"]
    return Daemon(
        daemon_name(node, "dockerd"), tuple(command), str(node.log_dir / "dockerd.log"), {},
        node.namespace, Ready(str(node.docker_socket), "/_ping"),
        before_stop=(sys.executable, "-m", "deploy.engine", str(node.docker_socket)),
        stop_seconds=30.0,
    )  # fmt: skip


def _kubelet(node: Machine, place: ControlPlane, authority: Authority) -> Daemon:
    user, group = f"system:node:{node.name}", ("system:nodes",)
    kubeconfig = ensure_client(
        authority, node.directory, f"kubelet-{node.name}", place.url, user, group
    )
    serving = ensure_certificate(
        authority, node.directory / "pki", "kubelet-server", user, group, (node.name, node.address)
    )
    command = (
        script("wherry-kubelet"), f"--kubeconfig={kubeconfig}",
        f"--hostname-override={node.name}", f"--node-ip={node.address}",
        f"--root-dir={node.directory / 'kubelet'}",
        f"--container-runtime-endpoint=unix://{node.docker_socket}",
        f"--cluster-dns={place.network.dns}", f"--cluster-domain={place.network.domain}",
        f"--tls-cert-file={serving.certificate}", f"--tls-private-key-file={serving.key}",
        f"--client-ca-file={authority.path}",
        f"--healthz-bind-address={node.address}",
        *(() if not node.namespace else (f"--cni-conf-dir={node.directory / 'cni'}",)),
        # The images in an engine of the machine's own are not ours to clear away.
        *(() if node.own_engine else ("--image-gc-high-threshold=100",)),
        *FAST_PROFILE["kubelet"],
    )  # fmt: skip
    after = (daemon_name(node, "dockerd"),) if node.own_engine else ()
    return Daemon(
        daemon_name(node, "kubelet"), command, str(node.log_dir / "kubelet.log"), ENVIRONMENT,
        node.namespace, Ready(f"{node.address}:10248"), after,
    )  # fmt: skip


def _proxy(node: Machine, place: ControlPlane, authority: Authority) -> Daemon:
    kubeconfig = ensure_client(
        authority, node.directory, f"proxy-{node.name}", place.url, "system:kube-proxy"
    )
    command = (
        script("wherry-proxy"), f"--kubeconfig={kubeconfig}", f"--hostname-override={node.name}",
        f"--cluster-cidr={place.network.pods}", "--healthz-bind-address=0.0.0.0:10256",
    )  # fmt: skip
    return Daemon(
        daemon_name(node, "proxy"), command, str(node.log_dir / "proxy.log"), ENVIRONMENT,
        node.namespace, Ready(f"{node.address}:10256"),
    )  # fmt: skip
