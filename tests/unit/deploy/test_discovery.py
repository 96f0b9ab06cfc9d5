"""Whom a machine with a token believes."""

import base64
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import pytest
import yaml

from controller_manager.bootstrap.plan import (
    Token as SigningToken,
)
from controller_manager.bootstrap.plan import (
    cluster_kubeconfig,
    detached_signature,
)
from deploy.discovery import (
    Cluster,
    check_hashes,
    clock_problem,
    is_signed,
    reason,
    server_url,
    verified,
)
from deploy.pki import ensure_authority
from deploy.preflight import Problem
from deploy.tokens import Token, key_hashes

TOKEN = Token("abcdef", "0123456789abcdef")
NOW = datetime(2026, 6, 1, tzinfo=UTC)
SERVER = "https://10.0.0.1:6443"


@pytest.fixture
def ca(tmp_path: Path) -> bytes:
    return ensure_authority(tmp_path).path.read_bytes()


def info(ca: bytes, secret: str = TOKEN.secret, ident: str = TOKEN.ident) -> dict[str, str]:
    """cluster-info as the controller manager writes it."""
    text = cluster_kubeconfig(SERVER, ca.decode())
    signature = detached_signature(text, SigningToken(ident, secret))
    return {"kubeconfig": text, f"jws-kubeconfig-{ident}": signature}


def test_what_the_controller_manager_signs_is_believed(ca: bytes) -> None:
    assert verified(info(ca), TOKEN, key_hashes(ca)) == Cluster(SERVER, ca)
    assert verified(info(ca), TOKEN, ["sha256:" + "0" * 64, *key_hashes(ca)])
    assert verified(info(ca), TOKEN, [])  # allowed by who asked for no check


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda data: data | {"kubeconfig": data["kubeconfig"] + "#"}, "is wrong"),
        (lambda data: data | {"jws-kubeconfig-abcdef": ""}, "is wrong"),
        (lambda data: data | {"jws-kubeconfig-abcdef": "a.b.c"}, "is wrong"),
        (lambda data: data | {"jws-kubeconfig-abcdef": "a..é"}, "is wrong"),
    ],
)
def test_what_was_changed_on_the_way_is_not(ca: bytes, change, cause: str) -> None:
    with pytest.raises(Problem, match=cause):
        verified(change(info(ca)), TOKEN, key_hashes(ca))


def test_a_wrong_secret_and_a_wrong_hash_are_told_apart(ca: bytes, tmp_path: Path) -> None:
    with pytest.raises(Problem, match="secret of token abcdef is wrong"):
        verified(info(ca, "f" * 16), TOKEN, key_hashes(ca))
    other = ensure_authority(tmp_path / "other").path.read_bytes()
    with pytest.raises(Problem, match="a wrong hash, or not your cluster"):
        verified(info(ca), TOKEN, key_hashes(other))


def test_no_algorithm_but_the_one(ca: bytes) -> None:
    text = info(ca)["kubeconfig"]
    good = detached_signature(text, SigningToken(TOKEN.ident, TOKEN.secret))
    assert is_signed(text, good, TOKEN)
    head, _, tail = good.split(".")
    for header in ('{"alg":"none","kid":"abcdef"}', '{"alg":"HS256","kid":"other0"}', "[]"):
        forged = base64.urlsafe_b64encode(header.encode()).rstrip(b"=").decode()
        assert not is_signed(text, f"{forged}..{tail}", TOKEN)
    assert not is_signed(text, f"{head}.e30.{tail}", TOKEN)  # not detached


@pytest.mark.parametrize("content", ["", "a: b", "clusters: [{cluster: {server: x}}]", ":"])
def test_signed_nonsense_is_a_problem(content: str) -> None:
    signature = detached_signature(content, SigningToken(TOKEN.ident, TOKEN.secret))
    data = {"kubeconfig": content, "jws-kubeconfig-abcdef": signature}
    with pytest.raises(Problem, match="names no API server"):
        verified(data, TOKEN, [])


def test_an_authority_that_is_none(ca: bytes) -> None:
    tree = yaml.safe_load(info(ca)["kubeconfig"])
    tree["clusters"][0]["cluster"]["certificate-authority-data"] = "YQ=="
    text = yaml.safe_dump(tree)
    data = {
        "kubeconfig": text,
        "jws-kubeconfig-abcdef": detached_signature(text, SigningToken("abcdef", TOKEN.secret)),
    }
    with pytest.raises(Problem, match="names no API server and authority"):
        verified(data, TOKEN, [])


def test_a_clock_an_hour_off_is_named() -> None:
    def at(**off: float) -> Problem | None:
        return clock_problem(format_datetime(NOW, usegmt=True), NOW + timedelta(**off))

    assert at(minutes=4) is None
    assert at(minutes=-4) is None
    ahead, behind = at(hours=1), at(hours=-1)
    assert ahead is not None
    assert ahead.cause == "this machine's clock is 3600 s ahead of the API server's"
    assert behind is not None
    assert behind.cause == "this machine's clock is 3600 s behind the API server's"
    assert clock_problem("", NOW) is None


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("10.0.0.1:6443", "https://10.0.0.1:6443"),
        ("cp.example.com", "https://cp.example.com:6443"),
        ("[fd00::1]:443", "https://[fd00::1]:443"),
        ("[fd00::1]", "https://[fd00::1]:6443"),
        ("https://cp:6443/", "https://cp:6443"),
    ],
)
def test_where_the_server_is(text: str, url: str) -> None:
    assert server_url(text) == url


@pytest.mark.parametrize("text", ["", "a b", "host:port", "host:0", "host:70000", "fd00::1", "a/b"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(Problem, match="no address of an API server"):
        server_url(text)


def test_without_a_hash_nobody_is_believed_unless_that_is_said() -> None:
    check_hashes(["sha256:" + "0" * 64], unsafe=False)
    check_hashes([], unsafe=True)
    with pytest.raises(Problem, match="nothing says which authority"):
        check_hashes([], unsafe=False)
    with pytest.raises(Problem, match="is no hash"):
        check_hashes(["md5:00"], unsafe=True)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"kind":"Status","message":"etcd is away\\nsee"}', "etcd is away"),
        (b"<html>", "status 503 Service Unavailable"),
    ],
)
def test_a_refusal_is_one_line(content: bytes, words: str) -> None:
    answer = httpx.Response(503, content=content, request=httpx.Request("GET", SERVER))
    with pytest.raises(httpx.HTTPStatusError) as caught:
        answer.raise_for_status()
    assert reason(caught.value) == words
