"""`wherry version`: ours and the server's."""

from __future__ import annotations

from importlib.metadata import version as installed
from typing import Annotated

from cli import output as out
from cli.options import Option
from cli.session import Session


def version(
    session: Session,
    client: Annotated[bool, Option("--client", help="Don't ask the server.")] = False,
    output: Annotated[str, Option("-o", "--output", help="yaml or json.")] = "",
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
