"""Where the parts of a cluster are: machines, folders, addresses, users."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Final

from deploy.inventory import Lifetimes
from deploy.reveal import Reveal
from deploy.users import user_of

DNS_PLACE: Final = 10  # of the DNS service in a range of Services
ANYWHERE, ANYWHERE6 = "0.0.0.0", "::"


def endpoint(address: str, port: int) -> str:
    """An address with a port as URLs and flags take it: IPv6 in brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


@dataclass(frozen=True)
class Network:
    """The cluster's address ranges (CIDR; of a dual-stack cluster one of each family, with a comma
    between) and the DNS service's address and domain.

    mode: how nodes reach each other's pods (the proxy's --pod-network)
    """

    services: str = "10.96.0.0/16"
    pods: str = "10.244.0.0/16"
    first_service: str = "10.96.0.1"
    dns: str = "10.96.0.10"
    domain: str = "cluster.local"
    mode: str = "auto"

    @property
    def dns_addresses(self) -> tuple[str, ...]:
        """Of Service kube-dns: one of each IP family. Pods are told the first, as upstream has it."""
        further = [str(ip_network(one)[DNS_PLACE]) for one in self.services.split(",")[1:]]
        return (self.dns, *further)

    @property
    def is_dual(self) -> bool:
        """Whether pods get an address of each IP family."""
        return "," in self.pods


@dataclass(frozen=True)
class ControlPlane:
    """Where the control plane runs: its address, files and (in the lab) network namespace.

    address6:     its address of the other family, in a dual-stack cluster
    unprivileged: whether its daemons run as users of their own, which must exist
    reveal:       what those have to be shown of closed folders
    """

    address: str
    config_dir: Path
    data_dir: Path
    log_dir: Path
    namespace: str = ""
    port: int = 6443
    etcd_port: int = 2379
    network: Network = Network()
    address6: str = ""
    unprivileged: bool = False
    reveal: Reveal = ()
    lifetimes: Lifetimes = field(default_factory=Lifetimes)

    @property
    def url(self) -> str:
        return f"https://{endpoint(self.address, self.port)}"

    @property
    def anywhere(self) -> str:
        """What listens on every address: of both families as soon as there is an IPv6 one."""
        return ANYWHERE6 if ":" in self.address + self.address6 else ANYWHERE

    @property
    def pki(self) -> Path:
        return self.config_dir / "pki"

    @property
    def ca(self) -> Path:
        return self.pki / "ca.crt"

    def user(self, daemon: str) -> str:
        """Who runs a daemon; "" = root."""
        return user_of(daemon) if self.unprivileged else ""

    def kubeconfig(self, name: str) -> Path:
        return self.config_dir / f"{name}.kubeconfig"


@dataclass(frozen=True)
class Machine:
    """A node: where its kubelet keeps things and which Docker Engine it drives.

    own_engine: whether the supervisor runs its dockerd (else it is the machine's own)
    address6:   its address of the other family, in a dual-stack cluster
    resolv_conf: whose resolvers pods with the node's DNS are given; "": the usual file's
    """

    name: str
    address: str
    directory: Path
    log_dir: Path
    run_dir: Path
    docker_socket: Path
    own_engine: bool
    namespace: str = ""
    address6: str = ""
    resolv_conf: str = ""

    @property
    def anywhere(self) -> str:
        """As ControlPlane's."""
        return ANYWHERE6 if ":" in self.addresses else ANYWHERE

    @property
    def addresses(self) -> str:
        """What --node-ip takes: one address, or one of each family."""
        return f"{self.address},{self.address6}" if self.address6 else self.address

    def kubeconfig(self, daemon: str) -> Path:
        return self.directory / f"{daemon}-{self.name}.kubeconfig"

    def stem(self, name: str) -> Path:
        """Of a certificate's files."""
        return self.directory / "pki" / name


def daemon_name(node: Machine, daemon: str) -> str:
    """In the lab several machines' daemons share a supervisor."""
    return f"{node.name}/{daemon}" if node.namespace else daemon
