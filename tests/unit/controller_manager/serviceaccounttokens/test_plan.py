"""Secrets of service accounts: filled, kept, thrown away."""

import base64

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from controller_manager.plan import NOTHING, Delete, Update
from controller_manager.serviceaccounttokens.plan import plan_secret, read_signer
from wherry.api.core_v1 import Secret, ServiceAccount

KIND = "kubernetes.io/service-account-token"


def secret(kind=KIND, data=None, uid="", **metadata):
    notes = {"kubernetes.io/service-account.name": "bot"}
    if uid:
        notes["kubernetes.io/service-account.uid"] = uid
    encoded = {k: base64.b64encode(v.encode()).decode() for k, v in (data or {}).items()}
    named = {"name": "s", "namespace": "ns", "uid": "s-uid", "annotations": notes, **metadata}
    return Secret.from_wire({"metadata": named, "type": kind, "data": encoded})


def account(uid="a-uid"):
    return ServiceAccount.from_wire({"metadata": {"name": "bot", "namespace": "ns", "uid": uid}})


def planned(found, owner, ca="CA"):
    return plan_secret(found, owner, ca, lambda account, secret: f"token of {account.metadata.uid}")


def held(plan):
    (action,) = plan.actions
    assert isinstance(action, Update)
    return {k: v.decode() for k, v in action.object.data.items()}, action.object


def test_an_empty_one_is_filled():
    data, after = held(planned(secret(), account()))
    assert data == {"token": "token of a-uid", "ca.crt": "CA", "namespace": "ns"}
    assert after.metadata.annotations["kubernetes.io/service-account.uid"] == "a-uid"
    assert planned(after, account()) == NOTHING


def test_a_token_stays_and_a_new_ca_comes():
    found = secret(
        data={"token": "t", "ca.crt": "old", "namespace": "ns", "more": "m"}, uid="a-uid"
    )
    data, _ = held(planned(found, account()))
    assert data == {"token": "t", "ca.crt": "CA", "namespace": "ns", "more": "m"}
    assert planned(found, account(), ca="") == NOTHING


@pytest.mark.parametrize("owner", [None, account("another")])
def test_without_its_account_it_goes(owner):
    (action,) = planned(secret(uid="a-uid"), owner).actions
    assert action == Delete(Secret, "ns", "s", "s-uid")


@pytest.mark.parametrize(
    "found",
    [
        secret(kind="Opaque"),
        secret(annotations={}),
        secret(deletionTimestamp="2026-11-21T12:00:00Z"),
    ],
)
def test_what_is_not_ours(found):
    assert planned(found, None) == NOTHING


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (rsa.generate_private_key(public_exponent=65537, key_size=2048), "RS256"),
        (ec.generate_private_key(ec.SECP384R1()), "ES384"),
        (ed25519.Ed25519PrivateKey.generate(), None),
    ],
)
def test_tokens_are_signed(key, algorithm, tmp_path):
    file = tmp_path / "key"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    if algorithm is None:
        with pytest.raises(ValueError, match="neither"):
            read_signer(file)
        return
    token = read_signer(file).token(account(), secret())
    claims = jwt.decode(token, key.public_key(), algorithms=[algorithm])
    assert claims["sub"] == "system:serviceaccount:ns:bot"
    assert claims["kubernetes.io/serviceaccount/secret.name"] == "s"
    assert "exp" not in claims
