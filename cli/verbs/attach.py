"""`wherry attach`: join a running container's own process, its output and, with -i, its input.

Source: k8s.io/kubectl/pkg/cmd/attach.
"""

from __future__ import annotations

import sys
from typing import Annotated

from cli.errors import CliError
from cli.options import Argument, Exit, Option
from cli.pods import check_container, default_container, pods_of
from cli.session import Session
from cli.targets import one_object


def attach(
    session: Session,
    words: Annotated[list[str], Argument("POD | KIND/NAME")],
    container: Annotated[str, Option("-c", "--container")] = "",
    stdin: Annotated[bool, Option("-i", "--stdin", help="Pass our input on.")] = False,
    tty: Annotated[bool, Option("-t", "--tty", help="Our input is a terminal.")] = False,
    quiet: Annotated[bool, Option("-q", "--quiet")] = False,
) -> None:
    """Join a container's main process."""
    found = pods_of(session, *one_object(words, session.catalogue, "pods"))
    if not found:
        raise CliError(f"no pods are selected by {words[0]}")
    pod = found[0]
    phase = pod.get("status", {}).get("phase")
    if phase in ("Succeeded", "Failed"):
        raise CliError(f"cannot attach a container in a completed pod; current phase is {phase}")
    chosen = check_container(pod, container) if container else default_container(pod, quiet=quiet)
    spec = pod["spec"]
    groups = ("containers", "initContainers", "ephemeralContainers")
    every = [one for group in groups for one in spec.get(group) or ()]
    has_terminal = any(one.get("tty") for one in every if one["name"] == chosen)
    if tty and not (stdin and has_terminal and sys.stdin.isatty()):
        if not has_terminal:
            why = f"container {chosen} did not allocate one"
            sys.stderr.write(f"error: Unable to use a TTY - {why}\n")
        tty = False
    if stdin and not quiet:
        sys.stderr.write("If you don't see a command prompt, try pressing enter.\n")
    params = [("container", chosen), ("stdout", "true")]
    params += [("stdin", "true")] if stdin else []
    params += [("tty", "true")] if tty else [("stderr", "true")]
    path = session.catalogue.resource("pods").path(
        pod["metadata"]["namespace"], pod["metadata"]["name"], "attach"
    )
    from cli.remote import run

    raise Exit(run(session.api, path, params, stdin=stdin, tty=tty))
