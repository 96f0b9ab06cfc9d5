"""Certificates on disk under a clock that runs ahead: renewed, replaced, always trusted."""

import os
import pwd
import ssl
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy import keeper
from deploy.cluster_pki import inventory
from deploy.inventory import Inventory, Lifetimes
from deploy.pki import load_bundle
from deploy.places import ControlPlane, Machine
from deploy.rotation import Announce, Issue, Make, Phase, Promote, Retire
from wherry.client.kubeconfig import load
from wherry.daemon.certificate import issued_by

NOW = datetime.now(UTC)


@pytest.fixture
def made(tmp_path: Path) -> Inventory:
    # A settling time below the five minutes by which certificates are dated back: OpenSSL asks the
    # machine's clock, not ours.
    lives = Lifetimes(settle=60)
    place = ControlPlane("10.1.2.3", tmp_path, tmp_path, tmp_path, lifetimes=lives)
    node = Machine("n1", "10.1.2.4", tmp_path / "n1", tmp_path, tmp_path, tmp_path / "s", True)
    found = inventory(place, (node,))
    keeper.advance(found, NOW)
    return found


def test_everything_is_made_once_and_keys_are_their_owners_alone(made: Inventory) -> None:
    assert keeper.advance(made, NOW) == []
    for spec in made.certificates:
        assert spec.key.stat().st_mode & 0o777 == 0o600
        assert spec.certificate.stat().st_mode & 0o777 == 0o644
        signer = load_bundle(made.authority(spec.authority).bundle)[0]
        assert issued_by(load_bundle(spec.certificate)[0], signer)
    for authority in made.authorities:
        assert authority.key.stat().st_mode & 0o777 == 0o600


def test_an_inventory_survives_its_file(made: Inventory) -> None:
    made.write()
    assert Inventory.read(made.file) == made


def test_only_the_person_is_in_masters(made: Inventory) -> None:
    masters = [one.name for one in made.certificates if "system:masters" in one.organizations]
    assert masters == ["admin"]
    client = made.certificate("apiserver-kubelet-client")
    assert (client.common_name, client.organizations) == ("kube-apiserver-kubelet-client", ())
    users = [one.common_name for one in made.certificates if one.kubeconfig is not None]
    assert len(set(users)) == len(users)


def test_daemons_refer_to_files_and_the_person_carries_all(made: Inventory) -> None:
    scheduler, admin = made.certificate("scheduler"), made.certificate("admin")
    assert scheduler.kubeconfig is not None
    assert admin.kubeconfig is not None
    config = load(scheduler.kubeconfig.path)
    assert config.cert_file == str(scheduler.certificate)
    assert not config.cert_data
    assert load(admin.kubeconfig.path).cert_data == admin.certificate.read_bytes()


def test_with_three_quarters_of_a_year_gone_certificates_are_new(made: Inventory) -> None:
    assert keeper.advance(made, NOW + timedelta(days=270)) == []
    later = NOW + timedelta(days=275)
    held = {one.name: one.certificate.read_bytes() for one in made.certificates}
    steps = keeper.advance(made, later)
    assert {step.name for step in steps} == set(held)
    for spec in made.certificates:
        certificate = load_bundle(spec.certificate)[0]
        assert certificate.not_valid_after_utc > later + timedelta(days=300)
    admin = made.certificate("admin")
    assert admin.kubeconfig is not None
    assert load(admin.kubeconfig.path).cert_data == admin.certificate.read_bytes()


def test_asked_by_name_one_is_made_anew(made: Inventory) -> None:
    assert keeper.advance(made, NOW, {"dns"}) == [Issue("dns")]


def test_a_certificate_for_other_names_is_made_anew(made: Inventory) -> None:
    place = ControlPlane("10.9.9.9", Path(made.directory).parent, Path("/d"), Path("/l"))
    steps = keeper.advance(inventory(place), NOW)
    assert Issue("apiserver") in steps
    assert Issue("dns") not in steps


def handshake(server: Inventory, spec_name: str, bundle: bytes) -> None:
    """A TLS handshake in memory with the certificate on disk, by one who trusts `bundle`."""
    spec = server.certificate(spec_name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(spec.certificate, spec.key)
    trusting = ssl.create_default_context(cadata=bundle.decode())
    one, two = ssl.MemoryBIO(), ssl.MemoryBIO()
    serving = context.wrap_bio(one, two, server_side=True)
    asking = trusting.wrap_bio(two, one, server_hostname="localhost")
    for _ in range(4):
        for side in (asking, serving):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert asking.version() is not None


def test_a_new_authority_overlaps_with_the_old_one(made: Inventory) -> None:
    ca = made.authority("ca")
    before = ca.bundle.read_bytes()
    assert keeper.advance(made, NOW, {"ca"}) == [Announce("ca")]
    both = ca.bundle.read_bytes()
    assert both.startswith(before)
    handshake(made, "apiserver", before)
    handshake(made, "apiserver", both)
    assert keeper.signers(made)["ca"].phase is Phase.ANNOUNCED

    assert keeper.advance(made, NOW + timedelta(seconds=59)) == []
    steps = keeper.advance(made, NOW + timedelta(seconds=61))
    assert steps[0] == Promote("ca")
    issued = {step.name for step in steps[1:]}
    assert issued == {one.name for one in made.certificates if one.authority == "ca"}
    handshake(made, "apiserver", both)  # who has not looked since trusts it already
    handshake(made, "apiserver", ca.bundle.read_bytes())
    assert len(load_bundle(ca.bundle)) == 2

    assert keeper.advance(made, NOW + timedelta(seconds=122)) == [Retire("ca")]
    (only,) = load_bundle(ca.bundle)
    assert only not in load_bundle_of(before)
    handshake(made, "apiserver", ca.bundle.read_bytes())
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(made, "apiserver", before)
    admin = made.certificate("admin")
    assert admin.kubeconfig is not None
    assert load(admin.kubeconfig.path).ca_data == ca.bundle.read_bytes()
    assert keeper.advance(made, NOW + timedelta(seconds=123)) == []
    assert not list(Path(made.directory).rglob("*.next.*"))


def load_bundle_of(pem: bytes) -> list[object]:
    from cryptography import x509

    return list(x509.load_pem_x509_certificates(pem))


def test_a_promotion_cut_short_goes_on(made: Inventory) -> None:
    """The key was replaced, nothing else: the successor signs, and all is put in order."""
    ca = made.authority("ca")
    keeper.advance(made, NOW, {"ca"})
    ca.key.write_bytes(Path(f"{ca.stem}.next.key").read_bytes())
    steps = keeper.advance(made, NOW + timedelta(hours=2))
    assert steps[0] == Promote("ca")
    signer = keeper.signer_of(ca)
    assert signer is not None
    assert load_bundle(ca.bundle)[0] == signer.certificate
    assert len(load_bundle(ca.bundle)) == 2


def test_a_new_key_of_tokens_overlaps_with_the_old_one(made: Inventory) -> None:
    (accounts,) = made.keys
    old, half = accounts.key.read_bytes(), accounts.public.read_bytes()
    assert keeper.advance(made, NOW + timedelta(days=200)) == []  # it has no end
    assert keeper.advance(made, NOW, {"sa"}) == [Announce("sa")]
    both = accounts.public.read_bytes()
    assert both.startswith(half)
    assert both.count(b"BEGIN") == 2
    assert accounts.key.read_bytes() == old

    assert keeper.advance(made, NOW + timedelta(seconds=61)) == [Promote("sa")]
    assert accounts.key.read_bytes() != old
    assert accounts.key.stat().st_mode & 0o777 == 0o600
    halves = accounts.public.read_bytes()
    assert halves.endswith(half)
    assert sorted(halves.split(b"-----BEGIN")) == sorted(both.split(b"-----BEGIN"))

    # Pods' tokens live for a year; but who knows that the old key has leaked does not wait.
    year = NOW + timedelta(days=200)
    assert Retire("sa") not in keeper.advance(made, year)
    assert keeper.advance(made, year, ended={"sa"}) == [Retire("sa")]
    assert halves.startswith(accounts.public.read_bytes())
    assert accounts.public.read_bytes() != half
    assert not list(Path(made.directory).rglob("*.next.*"))


def test_an_old_key_of_tokens_is_believed_for_a_year(made: Inventory) -> None:
    keeper.advance(made, NOW, {"sa"})
    keeper.advance(made, NOW + timedelta(hours=1))
    assert Retire("sa") not in keeper.advance(made, NOW + timedelta(days=365))
    assert Retire("sa") in keeper.advance(made, NOW + timedelta(days=365, hours=1))


def test_a_key_of_tokens_cut_short_or_half_lost(made: Inventory) -> None:
    (accounts,) = made.keys
    keeper.advance(made, NOW, {"sa"})
    accounts.key.write_bytes(Path(f"{accounts.stem}.next.key").read_bytes())
    assert keeper.advance(made, NOW + timedelta(seconds=61)) == [Promote("sa")]
    held, halves = accounts.key.read_bytes(), accounts.public.read_bytes()
    assert halves.count(b"BEGIN") == 2
    accounts.public.unlink()
    assert keeper.advance(made, NOW + timedelta(seconds=62)) == [Make("sa")]
    assert accounts.key.read_bytes() == held
    assert halves.startswith(accounts.public.read_bytes())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_keys_go_to_who_needs_them_now(made: Inventory) -> None:
    """As when a cluster whose daemons ran as root is started without."""
    daemon = pwd.getpwnam("daemon")
    ca = replace(made.authority("ca"), owner="daemon")
    accounts = replace(made.keys[0], owner="daemon", reader="nobody")
    scheduler = replace(made.certificate("scheduler"), owner="daemon")
    others = tuple(one for one in made.certificates if one.name != "scheduler")
    held = scheduler.certificate.read_bytes()
    given = replace(
        made, authorities=(ca, *made.authorities[1:]), certificates=(*others, scheduler),
        keys=(accounts,),
    )  # fmt: skip
    assert keeper.advance(given, NOW) == []
    for key in (ca.key, scheduler.key):
        assert (key.stat().st_uid, key.stat().st_mode & 0o777) == (daemon.pw_uid, 0o600)
    found, group = accounts.key.stat(), pwd.getpwnam("nobody").pw_gid
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (daemon.pw_uid, group, 0o640)
    assert scheduler.certificate.read_bytes() == held
    assert made.certificate("dns").key.stat().st_uid == 0
    keeper.advance(made, NOW)
    assert ca.key.stat().st_uid == 0


def test_two_keepers_take_turns(made: Inventory) -> None:
    done: list[int] = []

    def renew() -> None:
        done.append(len(keeper.advance(made, NOW, {"dns"})))

    threads = [threading.Thread(target=renew) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert done == [1, 1, 1, 1]
    spec = made.certificate("dns")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_cert_chain(spec.certificate, spec.key)


def test_years_of_short_lives(tmp_path: Path) -> None:
    """Over many rotations, looked at often enough, no certificate on disk ever runs out."""
    lives = Lifetimes(authority=4000, certificate=800, settle=100, check=100)
    place = ControlPlane("10.1.2.3", tmp_path, tmp_path, tmp_path, lifetimes=lives)
    found, now, seen = inventory(place), NOW, set[bytes]()
    for _ in range(70):
        now += timedelta(seconds=100)
        keeper.advance(found, now)
        for held in keeper.certificates(found).values():
            assert held.not_after > now
            assert held.fits
        seen.add(found.authority("ca").bundle.read_bytes())
    assert len(seen) >= 4  # old, old and new, new and old, new
