"""One pod's containers as the engine last showed them: the facts that plan and status read. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from kubelet.runtime.protocol import ContainerRecord, State


@dataclass(frozen=True, slots=True)
class Observed:
    """Sandboxes and, by name, containers; each newest first."""

    sandboxes: tuple[ContainerRecord, ...] = ()
    containers: Mapping[str, tuple[ContainerRecord, ...]] = field(default_factory=dict)

    @property
    def sandbox(self) -> ContainerRecord | None:
        """The sandbox in use: the newest, if it runs."""
        newest = self.sandboxes[0] if self.sandboxes else None
        return newest if newest is not None and newest.state is State.RUNNING else None

    def latest(self, name: str) -> ContainerRecord | None:
        records = self.containers.get(name)
        return records[0] if records else None

    def previous(self, name: str) -> ContainerRecord | None:
        """The one before the latest."""
        records = self.containers.get(name, ())
        return records[1] if len(records) > 1 else None

    def everything(self) -> Iterator[ContainerRecord]:
        """All containers that are no sandbox."""
        for records in self.containers.values():
            yield from records

    def running(self) -> list[ContainerRecord]:
        return [record for record in self.everything() if record.state is State.RUNNING]


def observe(records: Iterable[ContainerRecord]) -> Observed:
    """Sort one pod's records."""
    newest_first = sorted(records, key=lambda r: (r.attempt, r.created_at), reverse=True)
    containers: dict[str, tuple[ContainerRecord, ...]] = {}
    for record in newest_first:
        if not record.is_sandbox:
            containers[record.name] = (*containers.get(record.name, ()), record)
    return Observed(tuple(r for r in newest_first if r.is_sandbox), containers)


def by_pod(records: Iterable[ContainerRecord]) -> dict[str, Observed]:
    """All pods that have anything on this node, by uid."""
    groups: dict[str, list[ContainerRecord]] = {}
    for record in records:
        groups.setdefault(record.pod_uid, []).append(record)
    return {uid: observe(group) for uid, group in groups.items()}
