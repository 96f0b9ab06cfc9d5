"""The keys of service-account tokens are exchanged while the server runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from apiserver.authn.account_keys import AccountKeys
from apiserver.authn.account_tokens import AccountTokens
from apiserver.authn.authenticator import BadToken
from apiserver.authn.keys import jwks
from apiserver.authn.service_account import claims_of, sign
from tests.unit.apiserver.authn.test_service_account import ISSUER, NOW, Objects, pem

SPKI = serialization.PublicFormat.SubjectPublicKeyInfo


def put(path: Path, text: bytes) -> None:
    """As the keeper writes files: whole, under a name of their own first."""
    fresh = path.with_suffix(".fresh")
    fresh.write_bytes(text)
    os.replace(fresh, path)


def half(key: Any) -> bytes:
    found: bytes = key.public_key().public_bytes(serialization.Encoding.PEM, SPKI)
    return found


class Site:
    def __init__(self, folder: Path) -> None:
        self.old, self.new = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        self.signing, self.public = folder / "sa.key", folder / "sa.pub"
        put(self.signing, pem(self.old))
        put(self.public, half(self.old))
        self.keys = AccountKeys([self.public], self.signing)
        self.objects = Objects()
        self.account = self.objects.put("serviceaccounts", "ns", "bot", "sa-uid")
        self.verifier = AccountTokens(self.keys.public, (ISSUER,), (ISSUER,), self.objects)

    def token(self) -> str:
        assert self.keys.signing is not None
        claims = claims_of(
            account=self.account, issuer=ISSUER, audiences=[ISSUER], seconds=3600, warn_after=0,
            now=NOW, token_id="id",
        )  # fmt: skip
        return sign(claims, self.keys.signing)

    def look(self) -> None:
        assert self.keys.look()
        self.verifier.trust(self.keys.public)

    def believes(self, token: str) -> bool:
        try:
            return self.verifier.authenticate(token, (), NOW) is not None
        except BadToken:
            return False


def test_an_exchange_with_an_overlap(tmp_path: Path) -> None:
    site = Site(tmp_path)
    before = site.token()
    assert site.believes(before)
    assert not site.keys.look()

    put(site.public, half(site.old) + half(site.new))
    site.look()
    assert len(jwks(site.keys.public)["keys"]) == 2
    put(site.signing, pem(site.new))
    site.look()
    after = site.token()
    assert site.believes(before)
    assert site.believes(after)

    put(site.public, half(site.new))
    site.look()
    assert not site.believes(before), "it was remembered as good"
    assert site.believes(after)
    assert len(jwks(site.keys.public)["keys"]) == 1


def test_nonsense_and_missing_files_change_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path)
    before = site.token()
    for spoil in (lambda: put(site.public, b"nonsense"), site.public.unlink):
        spoil()
        assert not site.keys.look()
        assert site.believes(before)
        assert site.believes(site.token())
    put(site.public, half(site.new) + half(site.old))
    site.look()
    assert len(site.keys.public) == 2


def test_files_that_make_no_sense_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "sa.pub").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="holds no PEM key"):
        AccountKeys([tmp_path / "sa.pub"], None)
