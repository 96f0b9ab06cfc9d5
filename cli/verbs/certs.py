"""`wherry certs`: this machine's certificates, how long they are good for, and new ones."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cli import output as out
from cli.errors import CliError
from cli.options import Argument, Option
from cli.session import Session
from cli.tables import align

if TYPE_CHECKING:
    from deploy.certs import Row
    from deploy.inventory import Inventory

HEAD = ["NAME", "KIND", "DAYS", "USER", "GROUPS", "CA", "NAMES", "FILE"]
Folder = Annotated[str, Option("--config-dir", "--dir", help="The cluster's or lab's folder.")]
DEFAULT = "/etc/wherry"


def certs(
    session: Session,
    folder: Folder = DEFAULT,
    output: Annotated[str, Option("-o", "--output", help="json, yaml or wide.")] = "",
) -> None:
    """List certificates: names, days left, users, authorities."""
    from deploy.certs import rows

    out.check_format(output, ("json", "wide", "yaml"))
    found = rows(_inventory(folder), datetime.now(UTC))
    if output in ("json", "yaml"):
        items = [
            {**asdict(one), "ends": one.ends.isoformat() if one.ends else None} for one in found
        ]
        tree = {"certificates": items}
        print(out.to_json(tree) if output == "json" else out.to_yaml(_plain(tree)))
        return
    lines = [_cells(one) for one in found]
    width = len(HEAD) if output == "wide" else HEAD.index("CA") + 1
    print("\n".join(align([HEAD[:width], *(line[:width] for line in lines)])))


def renew(
    session: Session,
    names: Annotated[list[str], Argument("[NAME]...")] = [],  # noqa: B006 # declared, never changed
    ca: Annotated[bool, Option("--ca", help="Replace the authorities too.")] = False,
    folder: Folder = DEFAULT,
) -> None:
    """Make certificates anew: those named, or all. Running daemons take them up by themselves.

    `sa`, the key of service-account tokens, is made anew only when it is named.
    """
    from deploy import certs as deployed

    with _as_root("renew"):
        deployed.renew(_inventory(folder), names, datetime.now(UTC), _say, authorities=ca)


def end(
    session: Session,
    name: Annotated[str, Argument("NAME")],
    folder: Folder = DEFAULT,
) -> None:
    """Trust no longer what an authority or key replaced, before its time: when it has leaked."""
    from deploy import certs as deployed

    with _as_root("end"):
        deployed.end(_inventory(folder), name, datetime.now(UTC), _say)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


@contextmanager
def _as_root(verb: str) -> Iterator[None]:
    from deploy.preflight import Problem

    if os.geteuid() != 0:
        raise CliError(f"this needs root: sudo wherry certs {verb}")
    try:
        yield
    except Problem as problem:
        raise CliError(f"{problem.cause}; try: {problem.fix}") from problem


def _inventory(folder: str) -> Inventory:
    from deploy.certs import read_inventory
    from deploy.preflight import Problem

    try:
        return read_inventory(Path(folder))
    except Problem as problem:
        raise CliError(f"{problem.cause}; try: {problem.fix}") from problem


def _plain(tree: out.Tree) -> out.Tree:
    """Without tuples, which YAML would mark."""
    import json

    found: out.Tree = json.loads(json.dumps(tree))
    return found


def _cells(row: Row) -> list[str]:
    kind = row.kind if row.phase in ("", "steady") else f"{row.kind} ({row.phase})"
    days = "unreadable" if row.days is None else f"{row.days:.{0 if row.days > 10 else 1}f}"
    if row.kind == "key":
        days = "-"
    groups, names = ",".join(row.groups) or "-", ",".join(row.names) or "-"
    return [row.name, kind, days, row.user or "-", groups, row.authority or "-", names, row.file]


VERBS = {"renew": renew, "end": end}
