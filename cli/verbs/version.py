"""`wherry version`: ours and the server's."""

from __future__ import annotations

from importlib.metadata import version as installed
from typing import Annotated

import typer

from cli import output as out
from cli.session import Session, with_session


def version(
    session: Session,
    client: Annotated[bool, typer.Option("--client", help="Don't ask the server.")] = False,
    output: Annotated[str, typer.Option("-o", "--output", help="yaml or json.")] = "",
) -> None:
    """Show the versions of this command and of the server."""
    out.check_format(output, ("json", "yaml"))
    ours = f"v{installed('wherry')}"
    server = None if client else session.api.get("/version")
    if output:
        tree = {"clientVersion": {"gitVersion": ours}}
        print(
            out.text_of(tree if server is None else {**tree, "serverVersion": server}, output, "")
        )
        return
    print(f"Client Version: {ours}")
    if server is not None:
        print(f"Server Version: {server['gitVersion']}")


command = with_session(version)
