"""`wherry token`: what a machine shows to join the cluster.

A bootstrap token is a Secret in kube-system, `id.secret`, good for a day unless told otherwise.

Source: cmd/kubeadm/app/cmd/token.go, k8s.io/cluster-bootstrap/token.
"""

from __future__ import annotations

import base64
import re
import secrets
import string
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from cli.errors import CliError
from cli.http import Tree
from cli.options import Argument, Option, duration_seconds
from cli.session import Session
from cli.tables import align
from wherry.api.duration import human_duration
from wherry.api.errors import ApiError
from wherry.api.model import format_time

HELP = "Make, list and revoke the tokens by which machines join."
PATH = "/api/v1/namespaces/kube-system/secrets"
TYPE = "bootstrap.kubernetes.io/token"
PREFIX = "bootstrap-token-"
TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
ALPHABET = string.ascii_lowercase + string.digits
USAGES = ("authentication", "signing")
GROUP = "system:bootstrappers:kubeadm:default-node-token"
HEAD = ["TOKEN", "TTL", "EXPIRES", "USAGES", "DESCRIPTION", "EXTRA GROUPS"]


def create(
    session: Session,
    words: Annotated[list[str], Argument("[TOKEN]")] = [],  # noqa: B006 # declared, never changed
    ttl: Annotated[str, Option("--ttl", help="How long it is good for; 0: for ever.")] = "24h",
    description: Annotated[str, Option("--description", help="What it is for.")] = "",
    groups: Annotated[str, Option("--groups", help="Further groups of who shows it.")] = GROUP,
    join: Annotated[
        bool, Option("--print-join-command", help="Print the whole command for the new machine.")
    ] = False,
) -> None:
    """Make a token and print it."""
    ident, secret = _given(words[0]) if words else (_random(6), _random(16))
    seconds = duration_seconds(ttl)
    data = {
        "token-id": ident,
        "token-secret": secret,
        "auth-extra-groups": groups,
        **({"description": description} if description else {}),
        **{f"usage-bootstrap-{one}": "true" for one in USAGES},
    }
    if seconds:
        data["expiration"] = format_time(datetime.now(UTC) + timedelta(seconds=seconds))
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": TYPE,
        "metadata": {"name": PREFIX + ident, "namespace": "kube-system"},
        "data": {key: base64.b64encode(text.encode()).decode() for key, text in data.items()},
    }
    session.api.request("POST", PATH, body=body)
    token = f"{ident}.{secret}"
    print(join_command(session, token) if join else token)


def list_(session: Session) -> None:
    """List tokens and how long they are good for."""
    params = {"fieldSelector": f"type={TYPE}"}
    items = session.api.get(PATH, params=params).get("items", ())
    now = datetime.now(UTC)
    print("\n".join(align([HEAD, *(row(_decoded(one), now) for one in items)])))


def delete(session: Session, words: Annotated[list[str], Argument("TOKEN")]) -> None:
    """Revoke tokens, named whole or by their first six characters."""
    for word in words:
        ident = word.partition(".")[0]
        if not re.fullmatch(r"[a-z0-9]{6}", ident):
            raise CliError(f'"{word}" is no token: the first part is six characters of a-z0-9')
        try:
            session.api.request("DELETE", f"{PATH}/{PREFIX}{ident}")
        except ApiError as error:
            if error.code == 404:
                raise CliError(f'there is no token "{ident}"') from error
            raise
        print(f'bootstrap token "{ident}" deleted')


def _given(word: str) -> tuple[str, str]:
    found = TOKEN.fullmatch(word)
    if found is None:
        raise CliError(f'"{word}" is no token: it must look like abcdef.0123456789abcdef')
    return found[1], found[2]


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def _decoded(tree: Tree) -> dict[str, str]:
    data: Mapping[str, str] = tree.get("data") or {}
    return {key: base64.b64decode(text).decode(errors="replace") for key, text in data.items()}


def row(data: Mapping[str, str], now: datetime) -> list[str]:
    """One token as the table has it. Pure."""
    ends, left = "<never>", "<forever>"
    if data.get("expiration"):
        ends = data["expiration"]
        try:
            seconds = (datetime.fromisoformat(ends) - now).total_seconds()
            left = human_duration(seconds) if seconds > 0 else "<expired>"
        except (ValueError, TypeError):
            left = "<invalid>"
    usages = [one for one in USAGES if data.get(f"usage-bootstrap-{one}") == "true"]
    return [
        f"{data.get('token-id', '')}.{data.get('token-secret', '')}", left, ends,
        ",".join(usages) or "<none>", data.get("description") or "<none>",
        data.get("auth-extra-groups") or "<none>",
    ]  # fmt: skip


def join_command(session: Session, token: str) -> str:
    """The command that makes another machine a node of this cluster."""
    config = session.config
    ca: Any = config.ca_data
    if not ca and config.ca_file:
        with open(config.ca_file, "rb") as file:
            ca = file.read()
    host = config.server.removeprefix("https://")
    hashes = " ".join(f"--discovery-token-ca-cert-hash {one}" for one in key_hashes(ca))
    return f"wherry join {host} --token {token} {hashes}".rstrip()


def key_hashes(ca: bytes) -> list[str]:
    """`sha256:` of the public key of each authority: what a joining machine checks."""
    import hashlib

    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    found = []
    for one in x509.load_pem_x509_certificates(ca) if ca else ():
        key = one.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        found.append(f"sha256:{hashlib.sha256(key).hexdigest()}")
    return found


VERBS = {"create": create, "list": list_, "delete": delete, "revoke": delete}
