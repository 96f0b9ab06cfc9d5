"""`wherry exec`: run a command in a container, with its streams, terminal and exit code.

The command's exit code becomes ours. The stream itself is `cli/remote.py`.

Source: k8s.io/kubectl/pkg/cmd/exec.
"""

from __future__ import annotations

import sys
from typing import Annotated

from cli.errors import CliError
from cli.options import Argument, Exit, Option
from cli.pods import check_container, default_container, pods_of
from cli.session import Session
from cli.targets import one_object


def exec_(
    session: Session,
    words: Annotated[list[str], Argument("POD | KIND/NAME -- COMMAND [ARG...]")],
    container: Annotated[str, Option("-c", "--container")] = "",
    stdin: Annotated[bool, Option("-i", "--stdin", help="Pass our input on.")] = False,
    tty: Annotated[bool, Option("-t", "--tty", help="Give the command a terminal.")] = False,
    quiet: Annotated[bool, Option("-q", "--quiet")] = False,
) -> None:
    """Run a command in a container."""
    name, *command = words
    if not command:
        raise CliError("you must specify at least one command for the container")
    if tty and not stdin:
        tty = False
    if tty and not sys.stdin.isatty():
        sys.stderr.write(
            "Unable to use a TTY - input is not a terminal or the right kind of file\n"
        )
        tty = False
    found = pods_of(session, *one_object([name], session.catalogue, "pods"))
    if not found:
        raise CliError(f"no pods are selected by {name}")
    pod = found[0]
    phase = pod.get("status", {}).get("phase")
    if phase in ("Succeeded", "Failed"):
        raise CliError(f"cannot exec into a container in a completed pod; current phase is {phase}")
    chosen = check_container(pod, container) if container else default_container(pod, quiet=quiet)
    params = [("command", word) for word in command]
    params += [("container", chosen), ("stdout", "true")]
    params += [("stdin", "true")] if stdin else []
    params += [("tty", "true")] if tty else [("stderr", "true")]
    path = session.catalogue.resource("pods").path(
        pod["metadata"]["namespace"], pod["metadata"]["name"], "exec"
    )
    from cli.remote import run

    raise Exit(run(session.api, path, params, stdin=stdin, tty=tty))
