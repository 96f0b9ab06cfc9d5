"""Small JSON files that must survive this process: written whole or not at all, never trusted blindly.

One that can't be read is set aside under another name, so that it can be looked at, and said; whoever
keeps it makes it anew from what the engine and the machine show.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import orjson

log = logging.getLogger(__name__)

T = TypeVar("T")
Say = Callable[[str, str], None]  # (reason, message), about the node

CORRUPT = "CorruptStateFile"
ASIDE_MAX = 20  # of one folder; the oldest go


def write(path: Path, tree: object, *, sync: bool = True) -> None:
    """Replace the file by this value as JSON; OSError leaves the old one.

    sync: it must outlast the machine's power, not only this process; that costs milliseconds
    """
    draft = path.with_name(f"{path.name}.tmp")
    try:
        with draft.open("wb") as file:
            file.write(orjson.dumps(tree))
            file.flush()
            if sync:
                os.fdatasync(file.fileno())
        draft.rename(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def read(path: Path, parse: Callable[[object], T], say: Say) -> T | None:
    """What `parse` makes of the file; None when there is none, or none that makes sense.

    parse: raises ValueError, TypeError or KeyError for a value that is not what it should be
    """
    try:
        return parse(orjson.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        set_aside(path, str(error), say)
        return None


def set_aside(path: Path, why: str, say: Say) -> Path | None:
    """Rename it to `<name>.corrupt-<time>` and say so; None when it can't be renamed."""
    aside = path.with_name(f"{path.name}.corrupt-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
    try:
        path.rename(aside)
    except OSError as error:
        log.warning("corrupt state file %s stays: %s", path, error)
        return None
    log.warning("corrupt state file %s is set aside as %s: %s", path, aside.name, why)
    say(CORRUPT, f"State file {path} is corrupt ({why}); it is now {aside.name} and is made anew")
    for old in sorted(path.parent.glob("*.corrupt-*"), key=_age)[:-ASIDE_MAX]:
        old.unlink(missing_ok=True)
    return aside


def _age(path: Path) -> str:
    return path.name.rpartition(".corrupt-")[2]
