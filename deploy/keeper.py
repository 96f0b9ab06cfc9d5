"""Keeps a cluster's certificates and keys good: reads what is on disk, asks `rotation.plan`, does it.

Every step may be cut short at any point and is done again whole. Two keepers (the supervisor's and a
person's `wherry certs renew`) take turns by a lock file. Run by the supervisor now and then as
`python -m deploy.keeper INVENTORY`, so that what it loads does not stay in memory.
"""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from deploy import kubeconfig, token_keys
from deploy.files import write_private, write_public
from deploy.inventory import AuthoritySpec, CertificateSpec, Inventory, KeySpec, life_of
from deploy.pki import (
    Authority,
    KeyPair,
    certificate_pem,
    is_for,
    key_pem,
    load_bundle,
    load_key,
    new_authority,
    new_certificate,
)
from deploy.rotation import (
    Announce,
    HeldCertificate,
    HeldSigner,
    Issue,
    Make,
    Phase,
    Promote,
    Retire,
    Step,
    plan,
)
from wherry.daemon.certificate import issued_by

_PHASES = {
    Make: Phase.STEADY, Announce: Phase.ANNOUNCED, Promote: Phase.SIGNING, Retire: Phase.STEADY,
}  # fmt: skip
ROUNDS_MAX = 5  # make an authority or promote one, then issue; the rest is slack
LOCK, STATE = ".lock", "rotation.json"

Say = Callable[[str], None]


def advance(
    inventory: Inventory,
    now: datetime,
    asked: Collection[str] = (),
    say: Say = lambda text: None,
    ended: Collection[str] = (),
) -> list[Step]:
    """Do what is due (and what is asked for by name, see `plan`); the steps done, in order."""
    Path(inventory.directory).mkdir(parents=True, exist_ok=True)
    done: list[Step] = []
    with _locked(inventory):
        for _ in range(ROUNDS_MAX):
            steps = plan(inventory, signers(inventory), certificates(inventory), now, asked, ended)
            if not steps:
                break
            for step in steps:
                _do(inventory, step, now)
                say(_words(inventory, step))
            done += steps
            asked = ended = ()
        for authority in inventory.authorities:
            _own(authority.key, authority.owner)
        for key in inventory.keys:
            token_keys.own(key)
        for spec in inventory.certificates:
            _own(spec.key, spec.owner)
            _follow(inventory, spec)
    return done


@contextmanager
def _locked(inventory: Inventory) -> Iterator[None]:
    with (Path(inventory.directory) / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# --- what is there


def signer_of(spec: AuthoritySpec) -> Authority | None:
    """The certificate of the bundle that the key belongs to; None when there is none."""
    try:
        bundle, key = load_bundle(spec.bundle), load_key(spec.key)
    except (OSError, ValueError):
        return None
    for one in bundle:
        if one.public_key() == key.public_key():
            return Authority(one, key, spec.bundle)
    return None


def _state(inventory: Inventory) -> dict[str, dict[str, str]]:
    try:
        found: dict[str, dict[str, str]] = json.loads(
            (Path(inventory.directory) / STATE).read_text()
        )
    except FileNotFoundError:
        return {}
    return found


def signers(inventory: Inventory) -> dict[str, HeldSigner]:
    """The authorities and keys of tokens on disk, and how far each is in being replaced."""
    state = _state(inventory)

    def held(name: str, not_after: datetime | None) -> HeldSigner:
        said = state.get(name)
        if not said:
            return HeldSigner(not_after)
        return HeldSigner(not_after, Phase(said["phase"]), datetime.fromisoformat(said["since"]))

    found = {
        spec.name: held(spec.name, None) for spec in inventory.keys if token_keys.is_there(spec)
    }
    for spec in inventory.authorities:
        signer = signer_of(spec)
        if signer is not None:
            found[spec.name] = held(spec.name, signer.certificate.not_valid_after_utc)
    return found


def certificates(inventory: Inventory) -> dict[str, HeldCertificate]:
    """The certificates on disk. One that cannot be read is missing."""
    signing = {spec.name: signer_of(spec) for spec in inventory.authorities}
    held = {}
    for spec in inventory.certificates:
        try:
            certificate, key = load_bundle(spec.certificate)[0], load_key(spec.key)
        except (OSError, ValueError):
            continue
        signer = signing[spec.authority]
        held[spec.name] = HeldCertificate(
            certificate.not_valid_after_utc,
            fits=is_for(certificate, spec.subject) and key.public_key() == certificate.public_key(),
            current=signer is not None and issued_by(certificate, signer.certificate),
        )
    return held


# --- what is done


def _do(inventory: Inventory, step: Step, now: datetime) -> None:
    if isinstance(step, Issue):
        _issue(inventory, inventory.certificate(step.name), now)
        return
    spec = inventory.signer(step.name)
    if isinstance(spec, KeySpec):
        _do_with_key(spec, step)
    else:
        _do_with_authority(inventory, spec, step, now)
    _set_phase(inventory, spec.name, _PHASES[type(step)], now)
    for left in (f"{spec.stem}.next.key", f"{spec.stem}.next.crt"):
        if not isinstance(step, Announce):
            Path(left).unlink(missing_ok=True)


def _do_with_key(spec: KeySpec, step: Step) -> None:
    match step:
        case Make():
            token_keys.make(spec)
        case Announce():
            token_keys.announce(spec)
        case Promote():
            token_keys.promote(spec)
        case Retire():
            token_keys.retire(spec)


def _do_with_authority(
    inventory: Inventory, spec: AuthoritySpec, step: Step, now: datetime
) -> None:
    life = life_of(inventory.lifetimes.authority)
    match step:
        case Make():
            certificate, key = new_authority(spec.common_name, now, life)
            write_private(spec.key, key_pem(key), spec.owner)
            write_public(spec.bundle, certificate_pem(certificate))
        case Announce():
            successor, old = _next(spec), _signer(spec).certificate
            certificate, key = new_authority(spec.common_name, now, life)
            write_private(successor.key, key_pem(key))
            write_public(successor.certificate, certificate_pem(certificate))
            write_public(spec.bundle, certificate_pem(old, certificate))
        case Promote():
            _promote(spec)
        case Retire():
            write_public(spec.bundle, certificate_pem(_signer(spec).certificate))


def _signer(spec: AuthoritySpec) -> Authority:
    signer = signer_of(spec)
    if signer is None:
        raise ValueError(f"{spec.key} is not the key of {spec.bundle}")
    return signer


def _next(spec: AuthoritySpec) -> KeyPair:
    return KeyPair(Path(f"{spec.stem}.next.crt"), Path(f"{spec.stem}.next.key"))


def _promote(spec: AuthoritySpec) -> None:
    """The key decides who signs, so the moment it is replaced the successor does."""
    successor, bundle = _next(spec), load_bundle(spec.bundle)
    if successor.key.exists():
        write_private(spec.key, successor.key.read_bytes(), spec.owner)
    signer = _signer(spec).certificate
    others: list[x509.Certificate] = [one for one in bundle if one != signer]
    write_public(spec.bundle, certificate_pem(signer, *others))


def _set_phase(inventory: Inventory, name: str, phase: Phase, now: datetime) -> None:
    state = _state(inventory)
    state.pop(name, None)
    if phase is not Phase.STEADY:
        state[name] = {"phase": phase.value, "since": now.isoformat()}
    write_public(Path(inventory.directory) / STATE, json.dumps(state, indent=1).encode())


def _issue(inventory: Inventory, spec: CertificateSpec, now: datetime) -> None:
    authority = _signer(inventory.authority(spec.authority))
    certificate, key = new_certificate(
        authority, spec.subject, now, life_of(inventory.lifetimes.certificate)
    )
    write_private(spec.key, key_pem(key), spec.owner)
    write_public(spec.certificate, certificate_pem(certificate))


def _own(key: Path, owner: str) -> None:
    """A key that was made for another user goes to the one who needs it now."""
    if os.geteuid() != 0:
        return
    uid = pwd.getpwnam(owner).pw_uid if owner else 0
    if key.stat().st_uid != uid:
        write_private(key, key.read_bytes(), owner)


def _follow(inventory: Inventory, spec: CertificateSpec) -> None:
    """The kubeconfig that goes with the certificate."""
    if spec.kubeconfig is None:
        return
    write = kubeconfig.embedding if spec.kubeconfig.embedded else kubeconfig.referring
    bundle, pair = inventory.authority(spec.authority).bundle, KeyPair(spec.certificate, spec.key)
    text = write(spec.kubeconfig.server, bundle, spec.common_name, pair)
    path = Path(spec.kubeconfig.path)
    owner = spec.owner if os.geteuid() == 0 else ""
    uid = pwd.getpwnam(owner).pw_uid if owner else os.geteuid()
    if not path.exists() or path.read_bytes() != text or path.stat().st_uid != uid:
        write_private(path, text, owner)


def _words(inventory: Inventory, step: Step) -> str:
    name, lifetimes = step.name, inventory.lifetimes
    if isinstance(step, Issue):
        return f"{name}: issued"
    of_tokens = isinstance(inventory.signer(name), KeySpec)
    overlap = f"{lifetimes.token / 86400:g} days" if of_tokens else f"{lifetimes.settle:.0f} s"
    match step:
        case Make():
            return f"{name}: made"
        case Announce():
            return f"{name}: a successor is trusted beside it; in {lifetimes.settle:.0f} s it will sign"
        case Promote():
            return f"{name}: the successor signs; in {overlap} the old one is trusted no longer"
        case Retire():
            return f"{name}: the old one is trusted no longer"


def main(file: Path) -> None:
    def say(text: str) -> None:
        sys.stderr.write(f"certificates: {text}\n")

    advance(Inventory.read(file), datetime.now(UTC), say=say)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
