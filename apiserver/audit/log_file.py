"""The audit log's file: JSON (or upstream's old text) lines, rotated by size, thinned by count and age.

A full file is renamed to `audit-2026-01-31T12-00-00.000.log` beside it, as upstream's is, and packed
when asked for. What can't be written is lost and said; the next batch tries anew.

Source: k8s.io/apiserver/plugin/pkg/audit/log; names and thinning as lumberjack's.
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from apiserver.audit.drain import Event, WriteFailed
from apiserver.audit.events import bare, rendered
from apiserver.audit.legacy import legacy_line
from apiserver.audit.settings import Rotation, Truncation

STDOUT = "-"
DEFAULT_MEGABYTES = 100  # lumberjack's, for --audit-log-maxsize=0
FILE_MODE = 0o600
_STAMP = "%Y-%m-%dT%H-%M-%S"
_STAMPED = re.compile(r"-(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d)\.\d{3}$")


def fitted(batch: Iterable[Event], limits: Truncation | None) -> tuple[list[bytes], int]:
    """Events as bytes, cut down to the limits; and how many had to be left out."""
    if limits is None:
        return [rendered(event) for event in batch], 0
    kept, lost = [], 0
    for event in batch:
        data = rendered(event)
        if len(data) > limits.event_bytes_max:
            data = bare(event)
            if len(data) > limits.event_bytes_max:
                lost += 1
                continue
        kept.append(data)
    return kept, lost


class LogFile:
    """A Writer of lines into a rotated file, or to standard output (`-`)."""

    def __init__(
        self,
        path: str,
        rotation: Rotation,
        *,
        legacy: bool = False,
        truncation: Truncation | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._path = Path(path)
        self._stdout = path == STDOUT
        self._rotation = rotation
        self._legacy = legacy
        self._truncation = truncation
        self._now = now
        self._descriptor = -1
        self._size = 0
        self._broken_line = False

    def open(self) -> None:
        """Open the file, its folder made if need be. OSError."""
        if self._stdout:
            self._descriptor = sys.stdout.fileno()
            return
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, FILE_MODE)
        self._size = os.fstat(self._descriptor).st_size

    def write(self, batch: list[Event]) -> None:
        lines, lost = fitted(batch, self._truncation)
        if self._legacy:
            lines = [legacy_line(line) for line in lines]
        data = b"\n".join(lines) + b"\n" if lines else b""
        try:
            self._make_room(len(data))
            self._put(data)
        except OSError as error:
            self._shut()
            raise WriteFailed(len(batch), f"{self._path}: {error.strerror}") from error
        if lost:
            raise WriteFailed(lost, "larger than --audit-log-truncate-max-event-size")

    def close(self) -> None:
        self._shut()

    def _put(self, data: bytes) -> None:
        if self._broken_line:  # a disk that filled up left half a line
            data = b"\n" + data
        left = memoryview(data)
        while left:
            written = os.write(self._descriptor, left)
            self._size += written
            left = left[written:]
            self._broken_line = bool(left)

    def _shut(self) -> None:
        if self._descriptor >= 0 and not self._stdout:
            os.close(self._descriptor)
        self._descriptor = -1

    def _make_room(self, wanted: int) -> None:
        if self._descriptor < 0:
            self.open()
        limit = (self._rotation.megabytes_max or DEFAULT_MEGABYTES) * 1024 * 1024
        if self._stdout or not self._size or self._size + wanted <= limit:
            return
        self._shut()
        now = self._now()
        stamp = f"{now.strftime(_STAMP)}.{now.microsecond // 1000:03d}"
        full = self._path.with_name(f"{self._path.stem}-{stamp}{self._path.suffix}")
        os.replace(self._path, full)
        self.open()
        self._broken_line = False
        if self._rotation.compress:
            _pack(full)
        self._thin(now)

    def _thin(self, now: datetime) -> None:
        """Remove old files that are too many or too old."""
        found = sorted(self._old_files(), reverse=True)
        files_max, days_max = self._rotation.files_max, self._rotation.days_max
        oldest = (now - timedelta(days=days_max)).strftime(_STAMP)
        for index, (stamp, path) in enumerate(found):
            if (files_max and index >= files_max) or (days_max and stamp < oldest):
                path.unlink(missing_ok=True)

    def _old_files(self) -> Iterable[tuple[str, Path]]:
        """The rotated files, each with the time in its name."""
        for path in self._path.parent.glob(f"{self._path.stem}-*"):
            name = path.name.removesuffix(".gz").removesuffix(self._path.suffix)
            stamped = _STAMPED.search(name)
            if stamped is not None and name[: stamped.start()] == self._path.stem:
                yield stamped[1], path


def _pack(path: Path) -> None:
    packed = path.with_name(f"{path.name}.gz")
    with (
        path.open("rb") as source,
        open(os.open(packed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE), "wb") as raw,
        gzip.GzipFile(fileobj=raw, mode="wb") as target,
    ):
        shutil.copyfileobj(source, target)
    path.unlink()
