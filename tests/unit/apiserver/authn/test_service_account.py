"""Service-account tokens: signed, verified, bound."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from prometheus_client import CollectorRegistry

from apiserver.authn.account_tokens import AccountTokens
from apiserver.authn.authenticator import BadToken
from apiserver.authn.keys import SigningKey, jwks, parse_public_keys, parse_signing_key
from apiserver.authn.service_account import claims_of, sign
from apiserver.authn.token_uses import TokenUses
from wherry.api.errors import ApiError
from wherry.api.model import format_time
from wherry.api.scheme import Resource

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ISSUER = "https://kubernetes.default.svc"


def pem(key: Any) -> bytes:
    encoded: bytes = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return encoded


@pytest.fixture(scope="module", params=["rsa", "ec"])
def key(request: pytest.FixtureRequest) -> bytes:
    if request.param == "rsa":
        return pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    return pem(ec.generate_private_key(ec.SECP256R1()))


class Objects:
    """A lister over a dict."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, str, str], Mapping[str, Any]] = {}

    def put(
        self, plural: str, namespace: str, name: str, uid: str, **metadata: Any
    ) -> dict[str, Any]:
        tree = {"metadata": {"name": name, "namespace": namespace, "uid": uid, **metadata}}
        self.found[plural, namespace, name] = tree
        return tree

    def get(self, resource: Resource, namespace: str, name: str) -> Mapping[str, Any] | None:
        return self.found.get((resource.plural, namespace, name))

    def list(self, resource: Resource, namespace: str = "") -> list[Mapping[str, Any]]:
        return [tree for (plural, _, _), tree in self.found.items() if plural == resource.plural]


@pytest.fixture
def objects() -> Objects:
    objects = Objects()
    objects.put("serviceaccounts", "ns", "bot", "sa-uid")
    objects.put("pods", "ns", "p", "pod-uid")
    return objects


def token(key: bytes, objects: Objects, **changes: Any) -> str:
    settings: dict[str, Any] = {
        "account": objects.found["serviceaccounts", "ns", "bot"],
        "pod": objects.found["pods", "ns", "p"],
        "issuer": ISSUER,
        "audiences": [ISSUER],
        "seconds": 3600,
        "warn_after": 0,
        "now": NOW,
        "token_id": "id",
        **changes,
    }
    return sign(claims_of(**settings), parse_signing_key(key))


def tokens(key: bytes, objects: Objects) -> AccountTokens:
    return AccountTokens(parse_public_keys(key), (ISSUER,), (ISSUER,), objects)


def test_a_good_token(key: bytes, objects: Objects) -> None:
    found = tokens(key, objects).authenticate(token(key, objects), (), NOW)
    assert found is not None
    user = found.user
    assert user.name == "system:serviceaccount:ns:bot"
    assert user.uid == "sa-uid"
    assert user.groups == ("system:serviceaccounts", "system:serviceaccounts:ns")
    assert user.extra == {
        "authentication.kubernetes.io/credential-id": ("JTI=id",),
        "authentication.kubernetes.io/pod-name": ("p",),
        "authentication.kubernetes.io/pod-uid": ("pod-uid",),
    }


def test_claims_are_upstreams(objects: Objects) -> None:
    account, pod = objects.found["serviceaccounts", "ns", "bot"], objects.found["pods", "ns", "p"]
    node = objects.put("nodes", "", "n1", "node-uid")
    claims = claims_of(
        account=account, pod=pod, node=node, issuer=ISSUER, audiences=["a"], seconds=100,
        warn_after=50, now=NOW, token_id="id",
    )  # fmt: skip
    at = int(NOW.timestamp())
    assert claims == {
        "aud": ["a"], "exp": at + 100, "iat": at, "iss": ISSUER, "jti": "id",
        "kubernetes.io": {
            "namespace": "ns",
            "node": {"name": "n1", "uid": "node-uid"},
            "pod": {"name": "p", "uid": "pod-uid"},
            "serviceaccount": {"name": "bot", "uid": "sa-uid"},
            "warnafter": at + 50,
        },
        "nbf": at, "sub": "system:serviceaccount:ns:bot",
    }  # fmt: skip


def test_audiences(key: bytes, objects: Objects) -> None:
    other = token(key, objects, audiences=["vault"])
    with pytest.raises(BadToken):
        tokens(key, objects).authenticate(other, (), NOW)
    found = tokens(key, objects).authenticate(other, ("vault", "x"), NOW)
    assert found is not None
    assert found.audiences == ("vault",)


def test_expiry_is_looked_at_every_time(key: bytes, objects: Objects) -> None:
    verifier, text = tokens(key, objects), token(key, objects)
    assert verifier.authenticate(text, (), NOW + timedelta(seconds=3599))
    with pytest.raises(BadToken):
        verifier.authenticate(text, (), NOW + timedelta(seconds=3661))  # a minute for clocks
    with pytest.raises(BadToken):
        verifier.authenticate(text, (), NOW - timedelta(seconds=61))


@pytest.mark.parametrize(
    ("plural", "name"), [("serviceaccounts", "bot"), ("pods", "p")], ids=["account", "pod"]
)
def test_binding(key: bytes, objects: Objects, plural: str, name: str) -> None:
    verifier, text = tokens(key, objects), token(key, objects)
    assert verifier.authenticate(text, (), NOW)
    before = objects.found.pop((plural, "ns", name))
    with pytest.raises(BadToken):
        verifier.authenticate(text, (), NOW)
    objects.put(plural, "ns", name, "another-uid")
    with pytest.raises(BadToken):
        verifier.authenticate(text, (), NOW)
    uid = before["metadata"]["uid"]
    objects.put(plural, "ns", name, uid, deletionTimestamp=format_time(NOW))
    assert verifier.authenticate(text, (), NOW + timedelta(seconds=30))
    with pytest.raises(BadToken):
        verifier.authenticate(text, (), NOW + timedelta(seconds=90))


def test_another_key(key: bytes, objects: Objects) -> None:
    foreign = pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    with pytest.raises(BadToken):
        tokens(key, objects).authenticate(token(foreign, objects), (), NOW)


@pytest.mark.parametrize("text", ["", "abc", "a.b.c", "é.é.é", "x" * 20_000])
def test_what_is_no_token_of_ours(key: bytes, objects: Objects, text: str) -> None:
    assert tokens(key, objects).authenticate(text, (), NOW) is None


def test_another_issuer_is_not_ours(key: bytes, objects: Objects) -> None:
    foreign = token(key, objects, issuer="https://elsewhere")
    assert tokens(key, objects).authenticate(foreign, (), NOW) is None


def test_keys_know_their_algorithm_and_show_themselves(key: bytes) -> None:
    signing: SigningKey = parse_signing_key(key)
    (public,) = parse_public_keys(key)
    assert public.id == signing.id
    (shown,) = jwks([public])["keys"]
    assert (shown["kid"], shown["alg"]) == (public.id, public.algorithm)
    assert {"n", "e"} <= shown.keys() or {"x", "y", "crv"} <= shown.keys()


def test_several_keys_in_one_file(key: bytes) -> None:
    second = pem(ec.generate_private_key(ec.SECP384R1()))
    assert len(parse_public_keys(key + second)) == 2
    with pytest.raises(ValueError, match="no PEM key"):
        parse_public_keys(b"nothing")


def legacy(key: bytes, **changes: Any) -> str:
    prefix = "kubernetes.io/serviceaccount"
    claims = {
        "iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:ns:bot",
        f"{prefix}/namespace": "ns", f"{prefix}/service-account.name": "bot",
        f"{prefix}/service-account.uid": "sa-uid", f"{prefix}/secret.name": "s", **changes,
    }  # fmt: skip
    signing = parse_signing_key(key)
    return jwt.encode(claims, signing.key, algorithm=signing.algorithm)


def hold(objects: Objects, text: str, **metadata: Any) -> None:
    tree = objects.put("secrets", "ns", "s", "secret-uid", **metadata)
    tree["data"] = {"token": base64.b64encode(text.encode()).decode()}


def test_a_token_that_a_secret_holds(key: bytes, objects: Objects) -> None:
    verifier, text = tokens(key, objects), legacy(key)
    with pytest.raises(BadToken):
        verifier.authenticate(text, (), NOW)
    hold(objects, text)
    found = verifier.authenticate(text, (), NOW + timedelta(days=4000))
    assert found is not None
    assert (found.user.name, found.audiences) == ("system:serviceaccount:ns:bot", (ISSUER,))
    assert found.user.extra == {}
    for change in ({"labels": {"kubernetes.io/legacy-token-invalid-since": "2026-11-01"}},
                   {"deletionTimestamp": format_time(NOW - timedelta(seconds=1))}):  # fmt: skip
        hold(objects, text, **change)
        with pytest.raises(BadToken):
            verifier.authenticate(text, (), NOW)
    hold(objects, "another")
    with pytest.raises(BadToken, match="does not match server's copy"):
        verifier.authenticate(text, (), NOW)


@pytest.mark.parametrize(
    "changes",
    [{"sub": "system:serviceaccount:ns:other"}, {"kubernetes.io/serviceaccount/secret.name": ""},
     {"sub": None}, {"kubernetes.io/serviceaccount/namespace": "kube-system"}],
)  # fmt: skip
def test_claims_that_contradict_themselves(
    key: bytes, objects: Objects, changes: dict[str, Any]
) -> None:
    text = legacy(key, **changes)
    hold(objects, text)
    with pytest.raises(BadToken):
        tokens(key, objects).authenticate(text, (), NOW)


def test_without_lookup_secrets_do_not_matter(key: bytes, objects: Objects) -> None:
    keys = parse_public_keys(key)
    believing = AccountTokens(keys, (ISSUER,), (ISSUER,), objects, lookup=False)
    assert believing.authenticate(legacy(key), (), NOW)


def test_bound_to_a_node(key: bytes, objects: Objects) -> None:
    node = objects.put("nodes", "", "n1", "node-uid")
    verifier, text = tokens(key, objects), token(key, objects, pod=None, node=node)
    found = verifier.authenticate(text, (), NOW)
    assert found is not None
    assert found.user.extra["authentication.kubernetes.io/node-name"] == ("n1",)
    objects.put("nodes", "", "n1", "another")
    with pytest.raises(BadToken, match="node UID"):
        verifier.authenticate(text, (), NOW)
    beside = token(key, objects, node=node)  # of a pod: its node may come and go
    assert verifier.authenticate(beside, (), NOW)
    del objects.found["nodes", "", "n1"]
    assert verifier.authenticate(beside, (), NOW)
    with pytest.raises(BadToken):
        verifier.authenticate(text, (), NOW)


def test_an_object_is_read_once_for_each_of_its_states(key: bytes, objects: Objects) -> None:
    read: list[str] = []

    class Counting(Objects):
        def get(self, resource: Resource, namespace: str, name: str) -> Mapping[str, Any] | None:
            read.append(resource.plural)
            return objects.get(resource, namespace, name)

    revision = 1
    verifier = AccountTokens(
        parse_public_keys(key), (ISSUER,), (ISSUER,), Counting(),
        state=lambda resource, namespace, name: revision,
    )  # fmt: skip
    text = token(key, objects)
    for _ in range(3):
        assert verifier.authenticate(text, (), NOW)
    assert read == ["serviceaccounts", "pods"]
    revision = 2
    assert verifier.authenticate(text, (), NOW)
    assert len(read) == 4


def test_keys_are_named(key: bytes, objects: Objects) -> None:
    signing = parse_signing_key(key)
    claims = jwt.decode(token(key, objects), options={"verify_signature": False})
    for headers, good in (({}, True), ({"kid": signing.id}, True), ({"kid": "other"}, False)):
        text = jwt.encode(claims, signing.key, algorithm=signing.algorithm, headers=headers)
        if good:
            assert tokens(key, objects).authenticate(text, (), NOW)
        else:
            with pytest.raises(BadToken, match="no keys found"):
                tokens(key, objects).authenticate(text, (), NOW)


def test_nothing_is_gone_before_everything_is_there(key: bytes) -> None:
    keys, empty = parse_public_keys(key), Objects()
    filled = Objects()
    filled.put("serviceaccounts", "ns", "bot", "sa-uid")
    filled.put("pods", "ns", "p", "pod-uid")
    starting = AccountTokens(keys, (ISSUER,), (ISSUER,), empty, ready=lambda: False)
    with pytest.raises(ApiError) as refusal:
        starting.authenticate(token(key, filled), (), NOW)
    assert refusal.value.code == 503


def counted(registry: CollectorRegistry, name: str) -> float:
    return registry.get_sample_value(f"serviceaccount_{name}_total") or 0.0


async def test_uses_are_counted(key: bytes, objects: Objects) -> None:
    registry = CollectorRegistry()
    uses = TokenUses(registry)
    verifier = AccountTokens(parse_public_keys(key), (ISSUER,), (ISSUER,), objects, uses=uses)
    watched = token(key, objects, warn_after=600)
    verifier.authenticate(watched, (), NOW + timedelta(seconds=599))
    verifier.authenticate(watched, (), NOW + timedelta(seconds=601))
    assert (counted(registry, "valid_tokens"), counted(registry, "stale_tokens")) == (1, 1)
    text = legacy(key)
    hold(objects, text)
    written: list[tuple[str, str, str]] = []
    done = asyncio.Event()

    async def write(namespace: str, name: str, day: str) -> None:
        written.append((namespace, name, day))
        done.set()

    running = asyncio.create_task(uses.run(write))
    for _ in range(3):
        verifier.authenticate(text, (), NOW)
    await done.wait()
    hold(objects, text, labels={"kubernetes.io/legacy-token-last-used": "2026-11-22"})
    verifier.authenticate(text, (), NOW + timedelta(days=1))
    assert written == [("ns", "s", "2026-11-21")]
    assert counted(registry, "legacy_manual_token_uses") == 4
    hold(objects, text, labels={"kubernetes.io/legacy-token-invalid-since": "2026-11-01"})
    with pytest.raises(BadToken):
        verifier.authenticate(text, (), NOW)
    assert counted(registry, "invalid_legacy_auto_token_uses") == 1
    running.cancel()
