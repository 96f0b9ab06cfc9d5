"""Client certificates: which authority signed a connection's, whom it names, how long it is good.

TLS has checked that one of our authorities signed the chain and that the client holds the key. Here
is told *which* authority: clients' (the certificate names a user) or the front proxies' (it may say in
headers who asks). Times are looked at here too, per request: a certificate that ran out is 401 as
upstream answers it, also on a connection that stood before. What is worked out is kept on the
connection until the authorities change.

Source: k8s.io/apiserver/pkg/authentication/request/x509.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from apiserver.request import User

CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"
UID_OID = "1.3.6.1.4.1.57683.2"
_DER = 2  # _ssl.ENCODING_DER
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_ALWAYS = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def bundle_of(pem: bytes) -> frozenset[bytes]:
    """The certificates of a PEM text, as DER; ValueError when there is none."""
    found = frozenset(ssl.PEM_cert_to_DER_cert(one.decode("ascii")) for one in _PEM.findall(pem))
    if not found:
        raise ValueError("holds no PEM certificate")
    return found


@dataclass(frozen=True, slots=True)
class Bundles:
    """Who may sign: certificates of clients, and of front proxies."""

    client: frozenset[bytes] = frozenset()
    proxy: frozenset[bytes] = frozenset()


class ClientAuthorities:
    """The authorities of `--client-ca-file` and `--requestheader-client-ca-file`, as last read.

    `generation` moves when they change: what a connection knew of itself is then worked out anew.
    """

    def __init__(self, client: Path | None = None, proxy: Path | None = None) -> None:
        self._client, self._proxy = client, proxy
        self.files = tuple(path for path in (client, proxy) if path is not None)
        self.generation = 0
        self.bundles = self.read()

    def read(self) -> Bundles:
        """What the files hold now. OSError or ValueError when they make no sense."""
        return Bundles(*(_read(path) for path in (self._client, self._proxy)))

    def take(self, bundles: Bundles) -> None:
        """Trust these from now on."""
        if bundles != self.bundles:
            self.bundles = bundles
            self.generation += 1


def _read(path: Path | None) -> frozenset[bytes]:
    return frozenset() if path is None else bundle_of(path.read_bytes())


@dataclass(frozen=True, slots=True)
class Shown:
    """A certificate that TLS let pass. `chain` is DER, leaf first; `subject` as `ssl` spells it."""

    subject: Sequence[Sequence[tuple[str, str]]]
    chain: tuple[bytes, ...]
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Identity:
    """What a connection's certificate is good for.

    user:    whom it names, when the clients' authority signed it
    proxy:   whether headers may say who asks
    problem: why it is no credential; "" when it is one, or none was shown
    """

    generation: int
    user: User | None = None
    proxy: bool = False
    problem: str = ""
    not_before: datetime = _ALWAYS[0]
    not_after: datetime = _ALWAYS[1]

    @property
    def shown(self) -> bool:
        return self.user is not None or self.proxy or bool(self.problem)


def shown_by(tls: Any) -> Shown | None:
    """The certificate of a connection's `ssl` object; None when the client showed none."""
    leaf = tls.getpeercert() if tls is not None else None
    if not leaf:
        return None
    # The ssl module has it since 3.13; before, the object below has it all the same.
    verified = tls._sslobj.get_verified_chain() or ()  # empty when the session was resumed
    infos = [leaf, *(one.get_info() for one in verified[1:])]
    chain = tuple(one.public_bytes(_DER) for one in verified) or (tls.getpeercert(True),)
    return Shown(
        leaf.get("subject", ()),
        chain,
        max(_time(info["notBefore"]) for info in infos),
        min(_time(info["notAfter"]) for info in infos),
    )


def _time(text: str) -> datetime:
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(text), UTC)


def signed_by(chain: Sequence[bytes], bundle: frozenset[bytes]) -> bool:
    """Whether an authority of the bundle stands behind a chain that TLS has verified."""
    if not bundle.isdisjoint(chain):
        return True
    if len(chain) > 1:
        return False
    leaf = x509.load_der_x509_certificate(chain[0])
    for authority in bundle:
        try:
            leaf.verify_directly_issued_by(x509.load_der_x509_certificate(authority))
        except (ValueError, TypeError, InvalidSignature):
            continue
        return True
    return False


def user_named(shown: Shown) -> User | None:
    """The user of a certificate: CN the name, each O a group. None without CN; ValueError for uids."""
    names: dict[str, list[str]] = {}
    for relative in shown.subject:
        for kind, value in relative:
            names.setdefault(kind, []).append(value)
    if not (name := names.get("commonName", [""])[-1]):
        return None
    uids = names.get(UID_OID, [])
    if len(uids) > 1:
        raise ValueError(f"expected 1 UID, but found multiple: {uids}")
    if uids == [""]:
        raise ValueError("UID cannot be an empty string")
    extra: Mapping[str, tuple[str, ...]] = {
        CREDENTIAL_ID: (f"X509SHA256={sha256(shown.chain[0]).hexdigest()}",)
    }
    return User(name, "".join(uids), tuple(names.get("organizationName", ())), extra)


class ClientCertificates:
    """Works out identities. Without `allowed` names every certificate of a front proxy will do."""

    def __init__(self, authorities: ClientAuthorities, allowed: Sequence[str] = ()) -> None:
        self.authorities = authorities
        self._allowed = frozenset(allowed)

    def identify(self, shown: Shown | None) -> Identity:
        """What a certificate is good for while the authorities stay as they are."""
        generation, bundles = self.authorities.generation, self.authorities.bundles
        if shown is None:
            return Identity(generation)
        user, problem = None, ""
        if bundles.client:
            if signed_by(shown.chain, bundles.client):
                try:
                    user = user_named(shown)
                except ValueError as error:
                    problem = str(error)
            else:
                problem = "the certificate is signed by unknown authority"
        proxy = bool(bundles.proxy) and signed_by(shown.chain, bundles.proxy)
        if proxy and self._allowed:
            proxy = _common_name(shown) in self._allowed
        if bundles.proxy and not proxy and user is None:
            problem = problem or "the certificate is not that of a front proxy"
        return Identity(generation, user, proxy, problem, shown.not_before, shown.not_after)


def _common_name(shown: Shown) -> str:
    named = [v for relative in shown.subject for k, v in relative if k == "commonName"]
    return named[-1] if named else ""
