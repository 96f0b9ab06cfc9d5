"""`wherry token`: what a machine shows to join the cluster.

A bootstrap token is a Secret in kube-system, `id.secret`, good for a day unless told otherwise.

Source: cmd/kubeadm/app/cmd/token.go.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

from cli.errors import CliError
from cli.http import Tree
from cli.options import Argument, Option, duration_seconds
from cli.session import Session
from cli.tables import align
from deploy.tokens import (
    GROUP,
    IDENT,
    PATH,
    PREFIX,
    TYPE,
    USAGES,
    Token,
    join_line,
    new_token,
    secret_of,
)
from wherry.api.duration import human_duration
from wherry.api.errors import ApiError

HELP = "Make, list and revoke the tokens by which machines join."
HEAD = ["TOKEN", "TTL", "EXPIRES", "USAGES", "DESCRIPTION", "EXTRA GROUPS"]


def create(
    session: Session,
    words: Annotated[list[str], Argument("[TOKEN]")] = [],  # noqa: B006 # declared, never changed
    ttl: Annotated[str, Option("--ttl", help="How long it is good for; 0: for ever.")] = "24h",
    description: Annotated[str, Option("--description", help="What it is for.")] = "",
    groups: Annotated[str, Option("--groups", help="Further groups of who shows it.")] = GROUP,
    usages: Annotated[str, Option("--usages", help="What it may be used for.")] = ",".join(USAGES),
    join: Annotated[
        bool, Option("--print-join-command", help="Print the whole command for the new machine.")
    ] = False,
) -> None:
    """Make a token and print it."""
    try:
        token = Token.parse(words[0]) if words else new_token()
        body = secret_of(
            token, life_seconds=duration_seconds(ttl), description=description, groups=groups,
            usages=[one for one in usages.split(",") if one],
        )  # fmt: skip
    except ValueError as error:
        raise CliError(str(error)) from error
    session.api.request("POST", PATH, body=body)
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
        if not IDENT.fullmatch(ident):
            raise CliError(f'"{word}" is no token: the first part is six characters of a-z0-9')
        try:
            session.api.request("DELETE", f"{PATH}/{PREFIX}{ident}")
        except ApiError as error:
            if error.code == 404:
                raise CliError(f'there is no token "{ident}"') from error
            raise
        print(f'bootstrap token "{ident}" deleted')


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


def join_command(session: Session, token: Token) -> str:
    """The command that makes another machine a node of this cluster."""
    config = session.config
    ca = config.ca_data
    if not ca and config.ca_file:
        with open(config.ca_file, "rb") as file:
            ca = file.read()
    return join_line(config.server.removeprefix("https://"), token, ca)


VERBS = {"create": create, "list": list_, "delete": delete, "revoke": delete}
