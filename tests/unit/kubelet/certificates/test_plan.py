"""When a kubelet asks for a new certificate, and what it keeps on disk."""

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy.pki import ensure_authority, ensure_certificate
from kubelet.certificates.child import Held, Wanted, describe, make_request, new_request, read
from kubelet.certificates.plan import plan_renewal
from kubelet.certificates.store import PairFile

NOW = datetime(2026, 6, 1, tzinfo=UTC)
WANTED = Wanted("system:node:n1", ("system:nodes",), ("n1",))
HELD = Held(
    "system:node:n1", ("system:nodes",), ("n1",), NOW, NOW + timedelta(hours=10),
    key_fits=True, current=True,
)  # fmt: skip


def plan(held=HELD, hours=0.0, chance=0.0, wanted=WANTED, asked=False):
    at = NOW + timedelta(hours=hours)
    return plan_renewal(held, wanted, at, chance, trust_asked=asked)


def test_it_is_renewed_between_seven_and_nine_tenths_of_its_life():
    assert plan().at == NOW + timedelta(hours=7)
    assert plan(chance=1.0).at == NOW + timedelta(hours=9)
    assert not plan(hours=6.99).reason
    assert plan(hours=7).reason == "most of its life is over"
    assert not plan(hours=8.9, chance=1.0).reason
    assert plan(hours=11, chance=1.0).reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"key_fits": False}, "there is none"),
        ({"common_name": "system:node:n2"}, "it is somebody else's"),
        ({"organizations": ()}, "it is somebody else's"),
        ({"names": ()}, "it is for other names"),
        ({"current": False}, "its authority is being replaced"),
    ],
)
def test_what_does_not_fit_is_replaced_at_once(change, reason):
    assert plan(dataclasses.replace(HELD, **change)).reason == reason
    assert plan(None).reason == "there is none"


def test_another_authority_is_asked_for_once():
    """Who signs need not be the first in the bundle: that is no reason to ask for ever."""
    assert not plan(dataclasses.replace(HELD, current=False), asked=True).reason


def test_more_names_than_needed_are_no_harm():
    assert not plan(dataclasses.replace(HELD, names=("n1", "10.0.0.1"))).reason


async def test_a_child_makes_requests_and_reads_certificates(tmp_path: Path):
    key, request = await new_request(WANTED)
    assert b"PRIVATE KEY" in key
    assert b"CERTIFICATE REQUEST" in request
    authority = ensure_authority(tmp_path)
    other = ensure_authority(tmp_path / "other")
    pair = ensure_certificate(
        authority, tmp_path, "a", "system:node:n1", ("system:nodes",), ("n1", "10.0.0.1")
    )
    pem = pair.certificate.read_bytes() + pair.key.read_bytes()
    held = await describe(pem, authority.path.read_bytes())
    assert held is not None
    assert (held.common_name, held.names) == ("system:node:n1", ("n1", "10.0.0.1"))
    assert held.key_fits
    assert held.current
    bundle = other.path.read_bytes() + authority.path.read_bytes()
    assert not read(pem, bundle)["current"]
    assert not read(pair.certificate.read_bytes() + key, b"")["key_fits"]
    assert await describe(b"nonsense") is None
    assert read(b"", b"") == {}


def test_a_request_names_its_subject():
    from cryptography import x509

    request = x509.load_pem_x509_csr(make_request(WANTED)[1])
    assert request.subject.rfc4514_string() == "CN=system:node:n1,O=system:nodes"
    assert request.is_signature_valid


def test_a_pair_is_one_private_file(tmp_path: Path):
    file = PairFile(tmp_path / "pki", "kubelet-client")
    assert file.read() == b""
    file.write(b"certificate\n", b"key\n")
    assert file.read() == b"certificate\nkey\n"
    assert file.path.name == "kubelet-client-current.pem"
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert file.path.parent.stat().st_mode & 0o777 == 0o700
    assert [one.name for one in file.path.parent.iterdir()] == [file.path.name]
