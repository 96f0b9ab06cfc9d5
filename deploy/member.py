"""A machine that has joined a cluster: what it remembers, its files, its daemons.

`member.json` in the folder of configuration is written last and removed last, so a machine is a member
exactly while it is there. Keys are made on the machine and never leave it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from deploy import kubeconfig
from deploy.cluster import member
from deploy.csr import Pair
from deploy.facts import Facts, Membership
from deploy.files import write_private, write_public
from deploy.pki import KeyPair, Subject, load_bundle, load_key
from deploy.places import Machine
from deploy.spec import Daemon, Plan
from wherry.daemon.certificate import issued_by

FILE = "member.json"
PROXY_USER = "system:kube-proxy"
CHECK_SECONDS = 600.0  # between two looks at the proxy's certificate


@dataclass(frozen=True)
class Member:
    """What a machine is to its cluster.

    server: the API server's URL, as the cluster says it
    node:   where the machine keeps its things, under which name and address
    """

    server: str
    node: Machine
    facts: Facts

    def to_json(self) -> str:
        node = {key: str(v) if isinstance(v, Path) else v for key, v in asdict(self.node).items()}
        tree = {"server": self.server, "node": node, "facts": self.facts.to_tree()}
        return json.dumps(tree, indent=1)

    @classmethod
    def read(cls, folder: Path) -> Member | None:
        """The member whose folder of configuration this is; None when it is none."""
        try:
            tree = json.loads((folder / FILE).read_text())
        except FileNotFoundError:
            return None
        node = tree["node"]
        for name in ("directory", "log_dir", "run_dir", "docker_socket"):
            node[name] = Path(node[name])
        return cls(tree["server"], Machine(**node), Facts.from_tree(tree["facts"]))

    def write(self, folder: Path) -> None:
        write_private(folder / FILE, self.to_json().encode())

    # --- files

    @property
    def pki(self) -> Path:
        return self.node.directory / "pki"

    @property
    def ca(self) -> Path:
        return self.pki / "ca.crt"

    @property
    def kubelet_pair(self) -> Path:
        """Certificate and key in one file, which the kubelet renews."""
        return self.pki / "kubelet-client-current.pem"

    @property
    def proxy_pair(self) -> KeyPair:
        return KeyPair(self.pki / "proxy.crt", self.pki / "proxy.key")

    @property
    def kubeconfig(self) -> Path:
        """The node's own."""
        return self.node.kubeconfig("kubelet")

    @property
    def kubelet_subject(self) -> Subject:
        return Subject(f"system:node:{self.node.name}", ("system:nodes",))

    @property
    def proxy_subject(self) -> Subject:
        return Subject(PROXY_USER)

    def write_kubelet(self, pair: Pair, ca: bytes) -> None:
        """The node's identity, where its kubelet looks for it."""
        write_private(self.ca, ca)
        write_private(self.kubelet_pair, pair.certificate.rstrip(b"\n") + b"\n" + pair.key)
        self.write_kubeconfig()

    def write_kubeconfig(self) -> None:
        own, user = KeyPair(self.kubelet_pair, self.kubelet_pair), self.kubelet_subject.common_name
        write_private(self.kubeconfig, kubeconfig.referring(self.server, self.ca, user, own))

    def write_proxy(self, pair: Pair) -> None:
        write_private(self.proxy_pair.key, pair.key)
        write_public(self.proxy_pair.certificate, pair.certificate)
        self.write_proxy_kubeconfig()

    def write_proxy_kubeconfig(self) -> None:
        text = kubeconfig.referring(self.server, self.ca, PROXY_USER, self.proxy_pair)
        write_private(self.node.kubeconfig("proxy"), text)

    # --- what is run

    def daemons(self) -> tuple[Daemon, ...]:
        return member(self.node, Membership(self.facts, self.ca, by_request=True))

    def plan(self, state: Path, folder: Path) -> Plan:
        """folder: of configuration, where the file that is renewed by lies"""
        return Plan(
            self.daemons(), str(state), str(folder / FILE), CHECK_SECONDS, keeper="deploy.renewing"
        )


def is_good(pair: KeyPair, subject: Subject, ca: Path, left: timedelta = timedelta()) -> bool:
    """Whether a certificate with its key still proves to be this user, for some time to come.

    The authority that signs now, the first of the bundle, must have issued it.
    """
    try:
        certificate, key = load_bundle(pair.certificate)[0], load_key(pair.key)
        signer = load_bundle(ca)[0]
    except (OSError, ValueError):
        return False
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return (
        [one.value for one in names] == [subject.common_name]
        and key.public_key() == certificate.public_key()
        and issued_by(certificate, signer)
        and datetime.now(UTC) + left < certificate.not_valid_after_utc
    )
