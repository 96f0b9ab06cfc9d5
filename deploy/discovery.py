"""How a machine that knows a token finds out whom to trust.

It reads `kube-public/cluster-info` from whoever answers and believes it when it is signed with the
token's secret; the hash of the authority's public key, told by a person, guards against a token that
somebody else knows too. Then it reads the same again from a server that this authority vouches for.

The checks are pure; `discover` does the two reads.

Source: cmd/kubeadm/app/discovery/token, k8s.io/cluster-bootstrap/token/jws.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx
import yaml

from deploy.pki import CLOCK_SKEW
from deploy.preflight import Problem
from deploy.tokens import Token, key_hashes

PORT: Final = 6443
INFO_PATH: Final = "/api/v1/namespaces/kube-public/configmaps/cluster-info"
SIGNATURE: Final = "jws-kubeconfig-"
REQUEST_SECONDS_MAX: Final = 5.0
SIGNING_SECONDS_MAX: Final = 5.0  # a token made this instant is signed with a little later
POLL_SECONDS: Final = 0.2
HASH: Final = re.compile(r"sha256:[0-9a-f]{64}")
NEW_TOKEN: Final = "wherry token create --print-join-command   # on the first machine"


@dataclass(frozen=True)
class Cluster:
    """Where a cluster's API server is and whom to trust (PEM)."""

    server: str
    ca: bytes


def server_url(text: str) -> str:
    """`host`, `host:port` or `[v6]:port` as a URL. Problem when it is none of them."""
    found = re.fullmatch(r"(?:https://)?(\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+)(?::(\d{1,5}))?/?", text)
    port = int(found[2] or PORT) if found is not None else 0
    if found is None or not 0 < port < 65536:
        raise Problem(f'"{text}" is no address of an API server', "wherry join HOST:6443 ...")
    return f"https://{found[1]}:{port}"


def check_hashes(hashes: Sequence[str], *, unsafe: bool) -> None:
    """Problem unless there is something to check the authority by, or that is expressly not wanted."""
    for one in hashes:
        if not HASH.fullmatch(one):
            raise Problem(f'"{one}" is no hash: sha256: and 64 hexadecimal digits', NEW_TOKEN)
    if not hashes and not unsafe:
        raise Problem(
            "nothing says which authority the cluster has",
            "--discovery-token-ca-cert-hash sha256:..., or --discovery-token-unsafe-skip-ca-verification",
        )


def clock_problem(date: str, now: datetime) -> Problem | None:
    """What is wrong with this machine's clock, by the Date of the API server's answer."""
    try:
        theirs = parsedate_to_datetime(date)
    except ValueError:
        return None  # without a date nobody knows
    off = (now - theirs.astimezone(UTC)).total_seconds()
    if abs(off) <= CLOCK_SKEW.total_seconds():
        return None
    way = "ahead of" if off > 0 else "behind"
    return Problem(
        f"this machine's clock is {abs(off):.0f} s {way} the API server's",
        "set the clock: timedatectl set-ntp true",
    )


def is_signed(content: str, signature: str, token: Token) -> bool:
    """Whether a detached JWS (HS256) of the content is the token's."""
    try:
        head, middle, tail = signature.split(".")
        said = json.loads(_decoded(head))
        found = _decoded(tail)
    except ValueError:  # binascii's and json's are such, too
        return False
    if middle or not isinstance(said, dict) or said.get("alg") != "HS256":
        return False
    payload = base64.urlsafe_b64encode(content.encode()).rstrip(b"=").decode()
    message = f"{head}.{payload}".encode()
    wanted = hmac.digest(token.secret.encode(), message, hashlib.sha256)
    return said.get("kid") == token.ident and hmac.compare_digest(found, wanted)


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def verified(data: Mapping[str, str], token: Token, hashes: Sequence[str]) -> Cluster:
    """What cluster-info says, if it may be believed; Problem with the cause if not."""
    content = data.get("kubeconfig", "")
    if not is_signed(content, data.get(SIGNATURE + token.ident, ""), token):
        raise Problem(
            f"the secret of token {token.ident} is wrong: cluster-info is signed with another",
            NEW_TOKEN,
        )
    try:
        (one,) = yaml.safe_load(content)["clusters"]
        ca = base64.b64decode(one["cluster"]["certificate-authority-data"], validate=True)
        cluster = Cluster(str(one["cluster"]["server"]), ca)
        found = key_hashes(ca)
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise Problem("cluster-info names no API server and authority", "wherry up") from error
    if hashes and not set(found) & set(hashes):
        raise Problem(
            f"the cluster's authority is {' '.join(found)}, not the one that was named: "
            "a wrong hash, or not your cluster",
            NEW_TOKEN,
        )
    return cluster


def reason(error: Exception) -> str:
    """In one line: the server's own words, or the operating system's or TLS's, without Python's around."""
    if isinstance(error, httpx.HTTPStatusError):
        return _refusal(error.response)
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"certificate: {cause.verify_message}"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
        cause = cause.__cause__ or cause.__context__
    return "no answer in time" if isinstance(error, httpx.TimeoutException) else str(error)


def _refusal(answer: httpx.Response) -> str:
    """A Status's message, else the HTTP status."""
    try:
        words = str(answer.json()["message"]).splitlines()
    except (ValueError, KeyError, TypeError, httpx.ResponseNotRead):
        words = []
    return words[0] if words else f"status {answer.status_code} {answer.reason_phrase}"


def connection(server: str, ca: bytes, headers: Mapping[str, str] | None = None) -> httpx.Client:
    """A client of a server that the authorities vouch for; b"": of whoever answers."""
    verify: ssl.SSLContext | bool = False
    if ca:
        verify = ssl.create_default_context(cadata=ca.decode())
    return httpx.Client(
        base_url=server, verify=verify, timeout=REQUEST_SECONDS_MAX, trust_env=False,
        headers=dict(headers or {}),
    )  # fmt: skip


def _info(client: httpx.Client, now: Callable[[], datetime]) -> dict[str, str]:
    """cluster-info's data."""
    try:
        answer = client.get(INFO_PATH)
    except httpx.HTTPError as error:
        raise Problem(
            f"the API server at {client.base_url} is not reached: {reason(error)}",
            "check address, port and firewall",
        ) from error
    problem = clock_problem(answer.headers.get("date", ""), now())
    if problem is not None:
        raise problem
    try:
        data: Any = answer.raise_for_status().json()["data"]
    except (httpx.HTTPStatusError, ValueError, KeyError, TypeError) as error:
        raise Problem(
            f"{client.base_url} does not say where the cluster is (status {answer.status_code})",
            "is it the cluster's API server?",
        ) from error
    return dict(data)


def discover(
    server: str,
    token: Token,
    hashes: Sequence[str],
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Cluster:
    """The cluster behind a server, verified. Problem with the cause."""
    deadline = time.monotonic() + SIGNING_SECONDS_MAX
    with connection(server, b"") as client:
        data = _info(client, now)
        while SIGNATURE + token.ident not in data:
            if time.monotonic() > deadline:
                raise Problem(
                    f"the cluster knows no token {token.ident}: it was never made, has expired "
                    "or was revoked",
                    NEW_TOKEN,
                )
            time.sleep(POLL_SECONDS)  # another process's work; bounded by the deadline
            data = _info(client, now)
    cluster = verified(data, token, hashes)
    with connection(cluster.server, cluster.ca) as client:
        verified(_info(client, now), token, hashes)
    return cluster
