"""Reads control groups of this machine, whichever version it has."""

from __future__ import annotations

from pathlib import Path

from kubelet import cgroup_fs
from kubelet.stats import detail, usage
from kubelet.stats.detail import Detail
from kubelet.stats.usage import Read, Usage


class CgroupReader:
    """Reads groups of this machine."""

    def __init__(self, root: Path = cgroup_fs.ROOT) -> None:
        self._root = root
        self._unified = cgroup_fs.is_unified(root)

    def read(self, group: str) -> Usage | None:
        """The group at a path (or of a slice) as Docker names parents; None when there is none."""
        text = self._files(group)
        if text is None:
            return None
        return usage.of_v2(text) if self._unified else usage.of_v1(text)

    def detail(self, group: str) -> Detail | None:
        """More of it."""
        text = self._files(group)
        if text is None:
            return None
        return detail.of_v2(text) if self._unified else detail.of_v1(text)

    def _files(self, group: str) -> Read | None:
        relative = cgroup_fs.relative(group)
        root = self._root
        there = root / relative if self._unified else root / "memory" / relative
        if not there.is_dir():
            return None

        def text(controller: str, file: str) -> str:
            try:
                return (root / controller / relative / file).read_text()
            except OSError:
                return ""  # ended since, or this kernel does not count it

        return text
