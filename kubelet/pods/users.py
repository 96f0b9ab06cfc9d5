"""Who a container's first process runs as, as its status tells (`user.linux`).

Read off the kernel, not off the spec: the image's files may add groups.
"""

from __future__ import annotations

from kubelet.node.machine import read
from wherry.api.core_v1 import ContainerUser, LinuxContainerUser


def parse(status: str) -> ContainerUser | None:
    """From the text of /proc/PID/status; None when it is none. Pure."""
    found = {}
    for line in status.splitlines():
        name, _, rest = line.partition(":")
        found[name] = rest.split()
    if not found.get("Uid") or not found.get("Gid"):
        return None
    gid = int(found["Gid"][1])
    groups = [int(word) for word in found.get("Groups", ())]
    return ContainerUser(
        linux=LinuxContainerUser(
            uid=int(found["Uid"][1]), gid=gid, supplemental_groups=groups or [gid]
        )
    )


def of_process(pid: int) -> ContainerUser | None:
    """None when the process has gone."""
    return parse(read(f"/proc/{pid}/status"))
