"""Ciphers: what upstream sealed is opened, what was tampered with is not."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from nacl.secret import SecretBox

from apiserver.storage.encryption.ciphers import (
    AesCbc,
    AesGcm,
    Cipher,
    Ciphers,
    Identity,
    Secretbox,
    Unopened,
)

KEY = b"/registry/secrets/default/a"
SECRET, OTHER = bytes(range(32)), bytes(range(1, 33))
MAKERS = {"aesgcm": AesGcm, "aescbc": AesCbc, "secretbox": Secretbox}


@pytest.fixture(params=MAKERS)
def cipher(request: pytest.FixtureRequest) -> Cipher:
    return MAKERS[request.param]("key1", SECRET)


@given(st.binary(max_size=100))
def test_what_is_sealed_is_opened(value: bytes):
    for name, make in MAKERS.items():
        cipher = make("key1", SECRET)
        stored = cipher.seal(value, KEY)
        assert stored.startswith(b"k8s:enc:%b:v1:key1:" % name.encode())
        assert value not in stored[len(cipher.prefix) :] or len(value) < 4
        assert cipher.open(stored, KEY) == value


def test_no_two_seals_are_alike(cipher: Cipher):
    assert cipher.seal(b"value", KEY) != cipher.seal(b"value", KEY)


def test_other_keys_and_changed_bytes_open_nothing(cipher: Cipher):
    stored = cipher.seal(b"a value that is longer than a block", KEY)
    wrong = type(cipher)("key1", OTHER)  # type: ignore[call-arg]
    for broken in (stored[: len(cipher.prefix) + 3], cipher.prefix):
        with pytest.raises(Unopened) as caught:
            cipher.open(broken, KEY)
        assert "key1" not in str(caught.value)
    if not isinstance(cipher, AesCbc):  # nothing authenticates CBC; garbage is noticed later
        for broken in (stored[:-1] + bytes([stored[-1] ^ 1]), stored + b"x"):
            with pytest.raises(Unopened):
                cipher.open(broken, KEY)
        with pytest.raises(Unopened):
            wrong.open(stored, KEY)


def test_a_value_is_bound_to_its_key_in_the_store():
    stored = AesGcm("key1", SECRET).seal(b"value", KEY)
    with pytest.raises(Unopened):
        AesGcm("key1", SECRET).open(stored, b"/registry/secrets/default/b")


def test_upstreams_layout():
    """nonce | ciphertext | tag; IV | blocks; nonce | box: made here by hand with other libraries."""
    nonce = bytes(12)
    sealed = b"k8s:enc:aesgcm:v1:k:" + nonce + AESGCM(SECRET).encrypt(nonce, b"v", KEY)
    assert AesGcm("k", SECRET).open(sealed, KEY) == b"v"
    boxed = b"k8s:enc:secretbox:v1:k:" + bytes(SecretBox(SECRET).encrypt(b"v", bytes(24)))
    assert Secretbox("k", SECRET).open(boxed, KEY) == b"v"
    # AES-128-CBC with IV 0 of "v" and fifteen times 0x0f, by `openssl enc -aes-128-cbc`.
    assert AesCbc("k", bytes(16)).open(
        b"k8s:enc:aescbc:v1:k:" + bytes(16) + bytes.fromhex(CBC_BY_OPENSSL), KEY
    ) == b"v"  # fmt: skip


CBC_BY_OPENSSL = "d9432e88858587e9b6141394115dc887"


def test_the_first_seals_all_open_and_what_others_sealed_is_outdated():
    old, new = AesCbc("key1", OTHER), AesGcm("key2", SECRET)
    ciphers = Ciphers([new, old, Identity()])
    assert ciphers.seal(b"v", KEY).startswith(b"k8s:enc:aesgcm:v1:key2:")
    assert ciphers.open(new.seal(b"v", KEY), KEY) == (b"v", False)
    assert ciphers.open(old.seal(b"v", KEY), KEY) == (b"v", True)
    assert ciphers.open(b"v", KEY) == (b"v", True)
    with pytest.raises(Unopened, match="identity transformer tried to read encrypted data"):
        ciphers.open(b"k8s:enc:kms:v1:x", KEY)


def test_two_providers_with_keys_of_one_name_and_leaving_encryption():
    first, second = AesGcm("key1", SECRET), AesGcm("key1", OTHER)
    assert Ciphers([first, second]).open(second.seal(b"v", KEY), KEY) == (b"v", True)
    leaving = Ciphers([Identity(), first])
    assert leaving.open(first.seal(b"v", KEY), KEY) == (b"v", True)
    assert leaving.open(b"v", KEY) == (b"v", False)
    assert leaving.seal(b"v", KEY) == b"v"
    with pytest.raises(Unopened, match="no matching prefix found"):
        Ciphers([first]).open(b"plain", KEY)
