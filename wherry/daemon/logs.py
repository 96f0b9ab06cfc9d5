"""One line per log record on stderr: `2026-11-21T17:00:00.123Z INFO component message`.

Everything logs by the standard library (`log = logging.getLogger(__name__)`). Line breaks inside a
message are escaped, so that a line is always a record; a traceback follows its record, indented.
"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime

# Upstream's --v: up to 2 is what an operator wants to read; from 4 on, what a developer wants.
DEBUG_VERBOSITY = 4


class LineFormatter(logging.Formatter):
    """Renders a record as one line that starts with time, level and component."""

    def __init__(self, component: str) -> None:
        super().__init__()
        self._component = component

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        stamp = f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
        text = record.getMessage().replace("\n", "\\n")
        line = f"{stamp} {record.levelname} {self._component} {text}"
        if record.exc_info:
            trace = self.formatException(record.exc_info)
            line += "\n" + "\n".join(f"    {part}" for part in trace.splitlines())
        return line


def level_of(verbosity: int) -> int:
    """The logging level that upstream's `--v=N` stands for."""
    return logging.DEBUG if verbosity >= DEBUG_VERBOSITY else logging.INFO


def configure(component: str, level: int | str = logging.INFO) -> None:
    """Send this process's records to stderr. Call once, from the composition root."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(component))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper() if isinstance(level, str) else level)
    # Libraries that would log every request or reload.
    for chatty in ("httpx", "httpcore", "asyncio", "urllib3", "docker"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
