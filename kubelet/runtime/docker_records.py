"""Docker's JSON as the seam's values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from kubelet.runtime import labels as names
from kubelet.runtime.protocol import (
    Applied,
    ContainerRecord,
    EngineInfo,
    ImageRecord,
    State,
)

# Docker's states; "paused" and "restarting" have a process, "dead" is a removal that failed.
_STATES = {
    "created": State.CREATED,
    "running": State.RUNNING,
    "paused": State.RUNNING,
    "restarting": State.RUNNING,
    "exited": State.EXITED,
    "dead": State.EXITED,
    "removing": State.EXITED,
}


def moment(text: str) -> datetime | None:
    """A Go time with nanoseconds; None for Go's zero time."""
    if not text or text.startswith("0001-"):
        return None
    head, dot, fraction = text.rstrip("Z").partition(".")
    digits = "".join(c for c in fraction if c.isdigit())[:6] if dot else ""
    at = datetime.fromisoformat(head)
    return at.replace(tzinfo=UTC, microsecond=int(digits.ljust(6, "0")) if digits else 0)


def state_of(text: str) -> State:
    return _STATES.get(text, State.EXITED)


def container_record(tree: Mapping[str, Any]) -> ContainerRecord:
    """From `GET /containers/<id>/json`."""
    state = tree["State"]
    return ContainerRecord(
        id=tree["Id"],
        state=state_of(state["Status"]),
        created_at=moment(tree["Created"]) or datetime.fromtimestamp(0, UTC),
        started_at=moment(state["StartedAt"]),
        finished_at=moment(state["FinishedAt"]),
        exit_code=int(state["ExitCode"]),
        oom_killed=bool(state["OOMKilled"]),
        error=state.get("Error", ""),
        pid=int(state["Pid"]),
        image=tree["Config"]["Labels"].get(names.IMAGE, tree["Config"]["Image"]),
        image_id=tree["Image"],
        host_network=tree["HostConfig"]["NetworkMode"] == "host",
        applied=applied(tree["HostConfig"]),
        writable_dir=((tree.get("GraphDriver") or {}).get("Data") or {}).get("UpperDir", ""),
        log_path=tree.get("LogPath", ""),
        labels=tree["Config"]["Labels"],
    )


def applied(host: Mapping[str, Any]) -> Applied:
    """From a HostConfig, of a container or to be."""
    return Applied(
        cpu_shares=int(host.get("CpuShares") or 0),
        cpu_quota=int(host.get("CpuQuota") or 0),
        memory=int(host.get("Memory") or 0),
    )


def image_record(tree: Mapping[str, Any]) -> ImageRecord:
    """From `GET /images/<name>/json` or one row of `GET /images/json`."""
    return ImageRecord(
        id=tree["Id"],
        tags=tuple(tag for tag in tree.get("RepoTags") or () if tag != "<none>:<none>"),
        digests=tuple(d for d in tree.get("RepoDigests") or () if not d.startswith("<none>")),
        size=int(tree.get("Size") or 0),
        user=(tree.get("Config") or {}).get("User", ""),
        stop_signal=(tree.get("Config") or {}).get("StopSignal", ""),
        layers=_layers(tree.get("GraphDriver") or {}),
    )


def _layers(driver: Mapping[str, Any]) -> tuple[str, ...]:
    if driver.get("Name") != "overlay2":
        return ()
    data = driver.get("Data") or {}
    upper, lower = data.get("UpperDir", ""), data.get("LowerDir", "")
    return tuple(folder for folder in (upper, *lower.split(":")) if folder)


def api_version(ours: str, least: str) -> str:
    """The version of the API to speak: ours, unless the engine takes later ones only. Pure."""

    def number(text: str) -> tuple[int, ...]:
        return tuple(int(word) for word in text.split(".") if word.isdigit())

    return max(ours, least, key=number)


def engine_info(version: Mapping[str, Any], info: Mapping[str, Any]) -> EngineInfo:
    return EngineInfo(
        version=version["Version"],
        api_version=version["ApiVersion"],
        cgroup_driver=info.get("CgroupDriver", "cgroupfs"),
        cgroup_version=info.get("CgroupVersion", "1"),
        os_image=info.get("OperatingSystem", ""),
        kernel_version=info.get("KernelVersion", ""),
        architecture=version.get("Arch", ""),
        root_dir=info.get("DockerRootDir", ""),
    )
