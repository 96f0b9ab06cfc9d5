"""Which authorities and certificates a cluster has, as values: pure, from a few facts.

`up` and `lab` write the inventory beside the keys (`pki/inventory.json`); what renews certificates
and `wherry certs` read it there. Names, users and groups are kubeadm's where it has them.

Source: kubernetes.io/docs/setup/best-practices/certificates.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from deploy.files import write_public
from deploy.pki import CA_LIFE, CERTIFICATE_LIFE, Subject, Usage

INVENTORY = "inventory.json"
CLUSTER, ETCD, FRONT_PROXY = "ca", "etcd-ca", "front-proxy-ca"
ACCOUNTS = "sa"


@dataclass(frozen=True)
class Lifetimes:
    """How long things are good for, in seconds.

    token:  the longest life of a token that was not asked to live longer: a year, for pods
    settle: after a change of trusted authorities, the time everybody is given to take it up
    check:  time between two looks at what is due
    """

    authority: float = CA_LIFE.total_seconds()
    certificate: float = CERTIFICATE_LIFE.total_seconds()
    token: float = 365 * 86400.0
    settle: float = 3600.0
    check: float = 600.0


@dataclass(frozen=True)
class AuthoritySpec:
    """An authority: `<stem>.crt` (bundle, first signs) and `<stem>.key`, which `owner` may read."""

    name: str
    common_name: str
    stem: str
    owner: str = ""

    @property
    def bundle(self) -> Path:
        return Path(f"{self.stem}.crt")

    @property
    def key(self) -> Path:
        return Path(f"{self.stem}.key")


@dataclass(frozen=True)
class KeySpec:
    """A key that signs tokens: `<stem>.key`, and `<stem>.pub`, the public halves that verify.

    `owner` and the group of the user `reader` may read the key.
    """

    name: str
    stem: str
    owner: str = ""
    reader: str = ""

    @property
    def public(self) -> Path:
        return Path(f"{self.stem}.pub")

    @property
    def key(self) -> Path:
        return Path(f"{self.stem}.key")


@dataclass(frozen=True)
class KubeconfigSpec:
    """A kubeconfig that goes with a client certificate.

    embedded: with certificate and key inside, to be carried away; else it refers to their files,
              which a running daemon takes up again when they change
    """

    path: str
    server: str
    embedded: bool = False


@dataclass(frozen=True)
class CertificateSpec:
    """A certificate: `<stem>.crt` and `<stem>.key`, which `owner` ("": root) may read."""

    name: str
    authority: str
    stem: str
    common_name: str
    organizations: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    usage: Usage = Usage.CLIENT
    owner: str = ""
    kubeconfig: KubeconfigSpec | None = None

    @property
    def certificate(self) -> Path:
        return Path(f"{self.stem}.crt")

    @property
    def key(self) -> Path:
        return Path(f"{self.stem}.key")

    @property
    def subject(self) -> Subject:
        return Subject(self.common_name, self.organizations, self.names, self.usage)


@dataclass(frozen=True)
class Inventory:
    """Everything that is renewed together; `directory` holds the state of a rotation."""

    directory: str
    authorities: tuple[AuthoritySpec, ...] = ()
    certificates: tuple[CertificateSpec, ...] = ()
    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    keys: tuple[KeySpec, ...] = ()

    def authority(self, name: str) -> AuthoritySpec:
        return next(one for one in self.authorities if one.name == name)

    def certificate(self, name: str) -> CertificateSpec:
        return next(one for one in self.certificates if one.name == name)

    @property
    def signers(self) -> tuple[AuthoritySpec | KeySpec, ...]:
        """What is replaced with an overlap."""
        return (*self.authorities, *self.keys)

    def signer(self, name: str) -> AuthoritySpec | KeySpec:
        return next(one for one in self.signers if one.name == name)

    def and_certificates(self, more: Iterable[CertificateSpec]) -> Inventory:
        return replace(self, certificates=(*self.certificates, *more))

    @property
    def file(self) -> Path:
        return Path(self.directory) / INVENTORY

    def write(self) -> None:
        write_public(self.file, json.dumps(asdict(self), indent=1).encode())

    @classmethod
    def read(cls, file: Path) -> Inventory:
        return cls.from_tree(json.loads(file.read_text()))

    @classmethod
    def from_tree(cls, tree: dict[str, Any]) -> Inventory:
        certificates = []
        for one in tree["certificates"]:
            kubeconfig = one.pop("kubeconfig")
            one["organizations"], one["names"] = tuple(one["organizations"]), tuple(one["names"])
            one["usage"] = Usage(one["usage"])
            made = KubeconfigSpec(**kubeconfig) if kubeconfig else None
            certificates.append(CertificateSpec(**one, kubeconfig=made))
        return cls(
            tree["directory"],
            tuple(AuthoritySpec(**one) for one in tree["authorities"]),
            tuple(certificates),
            Lifetimes(**tree["lifetimes"]),
            tuple(KeySpec(**one) for one in tree.get("keys", ())),
        )


def life_of(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)
