"""Privileged containers on a machine whose root is not almighty, such as one that is itself a container.

The engine gives a privileged container every capability the kernel knows, and then can't start it. What
can be had is given one by one instead: all capabilities but those that the machine lacks, the host's
devices, and neither seccomp nor masked paths. Only /sys stays read-only.

Source: moby's daemon/pkg/oci (TweakCapabilities, HostDevices); include/uapi/linux/capability.h (numbers).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kubelet.volumes.interface import Device

_NAMES = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID",
    "SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW",
    "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT",
    "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD",
    "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG",
    "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
)  # fmt: skip
# Containers have their own.
_OWN_FOLDERS = ("pts", "shm", "fd", "mqueue")
_OWN_DEVICES = ("console", "tty", "null", "zero", "full", "random", "urandom")


def lacking(status: str, last: int) -> tuple[str, ...]:
    """Names of the capabilities that the kernel knows and a process can't have. Pure.

    status: the process's /proc/<pid>/status; last: the greatest number the kernel knows
    """
    bounds = [line.split()[1] for line in status.splitlines() if line.startswith("CapBnd:")]
    if not bounds:
        return ()
    held = int(bounds[0], 16)
    known = enumerate(_NAMES[: last + 1])
    return tuple(name for number, name in known if not held >> number & 1)


def host_config(lacked: Sequence[str]) -> dict[str, Any]:
    """Docker's HostConfig entries in place of `Privileged`, beside devices and security options. Pure."""
    return {
        "Privileged": False,
        "CapAdd": ["ALL"],
        "CapDrop": list(lacked),
        "MaskedPaths": [],
        "ReadonlyPaths": [],
        "DeviceCgroupRules": ["a *:* rwm"],
    }


def devices(root: Path = Path("/dev")) -> list[Device]:
    """The host's devices that a container has not got anyway."""
    found = []
    for folder, folders, files in os.walk(root):
        if Path(folder) == root:
            folders[:] = [name for name in folders if name not in _OWN_FOLDERS]
            files = [name for name in files if name not in _OWN_DEVICES]
        for name in files:
            path = Path(folder) / name
            try:
                mode = path.lstat().st_mode
            except OSError:
                continue  # gone again
            if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
                found.append(Device(path, str(path)))
    return sorted(found, key=lambda device: device.target)
