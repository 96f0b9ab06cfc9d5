"""`wherry logs`: what a container has written.

Source: k8s.io/kubectl/pkg/cmd/logs.
"""

from __future__ import annotations

import http.client
import sys
import threading
from collections.abc import Iterator
from typing import Annotated

from cli.errors import CliError, Unreachable, api_words
from cli.http import Tree
from cli.options import Argument, Exit, Option, duration_seconds
from cli.pods import check_container, containers, default_container, pods_of, select
from cli.session import Session
from cli.targets import one_object
from wherry.api.errors import ApiError

PIECE_BYTES_MAX = 64 * 1024
TAIL_WITH_SELECTOR = 10


def logs(
    session: Session,
    words: Annotated[list[str] | None, Argument("POD | KIND/NAME [CONTAINER]")] = None,
    container: Annotated[str, Option("-c", "--container")] = "",
    follow: Annotated[bool, Option("-f", "--follow", help="Go on with what comes.")] = False,
    previous: Annotated[bool, Option("-p", "--previous", help="Of the run before.")] = False,
    selector: Annotated[str, Option("-l", "--selector", help="Of pods with these labels.")] = "",
    all_containers: Annotated[bool, Option("--all-containers")] = False,
    tail: Annotated[int, Option("--tail", help="Only the last lines; -1: all.")] = -1,
    since: Annotated[str, Option("--since", help="Newer than 5s, 2m, 3h.")] = "",
    since_time: Annotated[str, Option("--since-time", help="Newer than an RFC 3339 time.")] = "",
    timestamps: Annotated[bool, Option("--timestamps")] = False,
    limit_bytes: Annotated[int, Option("--limit-bytes", help="0: no limit.")] = 0,
    prefix: Annotated[bool, Option("--prefix", help="Say whose each line is.")] = False,
) -> None:  # fmt: skip
    """Show a container's output."""
    names = list(words or ())
    if selector and names:
        raise CliError("only a selector (-l) or a POD name is allowed")
    if not selector and not names:
        raise CliError("expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\nPOD or TYPE/NAME is a required argument for the logs command")  # fmt: skip
    if len(names) > 1:
        container = container or names.pop()
    if selector:
        pods = select(session, selector)
        tail = TAIL_WITH_SELECTOR if tail == -1 else tail
        if not pods:
            sys.stderr.write(f"No resources found in {session.namespace} namespace.\n")
    else:
        found = pods_of(session, *one_object(names, session.catalogue, "pods"))
        if not found:
            raise CliError(f"no pods are selected by {names[0]}")
        if len(found) > 1:
            chosen = found[0]["metadata"]["name"]
            sys.stderr.write(f"Found {len(found)} pods, using pod/{chosen}\n")
        pods = found[:1]
    params = {
        "follow": "true" if follow else "", "previous": "true" if previous else "",
        "timestamps": "true" if timestamps else "", "tailLines": str(tail) if tail >= 0 else "",
        "sinceSeconds": str(int(duration_seconds(since))) if since else "", "sinceTime": since_time,
        "limitBytes": str(limit_bytes) if limit_bytes else "",
    }  # fmt: skip
    params = {key: value for key, value in params.items() if value}
    sources = [(pod, name) for pod in pods for name in _containers(pod, container, all_containers)]
    failed = _show(session, sources, params, follow=follow, prefix=prefix)
    if failed:
        raise Exit(1)


def _containers(pod: Tree, named: str, everyone: bool) -> list[str]:
    if everyone:
        return containers(pod)
    return [check_container(pod, named) if named else default_container(pod)]


def _show(
    session: Session,
    sources: list[tuple[Tree, str]],
    params: dict[str, str],
    *,
    follow: bool,
    prefix: bool,
) -> bool:
    """Copy each source's output; side by side when following several. True when one failed."""
    failures: list[str] = []
    lock = threading.Lock()
    session.api.tls()  # made once, before threads share it
    pods = session.catalogue.resource("pods")

    def copy(pod: Tree, container: str) -> None:
        name = pod["metadata"]["name"]
        path = pods.path(pod["metadata"]["namespace"], name, "log")
        head = f"[pod/{name}/{container}] ".encode() if prefix else b""
        try:
            for piece in _pieces(session, path, {**params, "container": container}, head):
                with lock:
                    sys.stdout.buffer.write(piece)
                    sys.stdout.buffer.flush()
        except ApiError as error:
            failures.append(api_words(error))
        except Unreachable as error:
            failures.append(error.words())

    if follow and len(sources) > 1:
        threads = [threading.Thread(target=copy, args=one, daemon=True) for one in sources]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    else:
        for one in sources:
            copy(*one)
    for failure in failures:
        sys.stderr.write(failure + "\n")
    return bool(failures)


def _pieces(session: Session, path: str, params: dict[str, str], head: bytes) -> Iterator[bytes]:
    """Output as it comes; whole lines when each gets a head."""
    with session.api.stream(path, params, accept="*/*") as response:
        try:
            if head:
                while line := response.readline():
                    yield head + line
                return
            while piece := response.read1(PIECE_BYTES_MAX):
                yield piece
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(session.api.address, error) from error
