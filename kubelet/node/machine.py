"""What this machine is: sizes, names, identity, what is left. Reads /proc; the parsing is pure.

Interfaces are asked by sockets, never through /sys: that shows the namespace of whoever mounted it.
"""

from __future__ import annotations

import os
import platform
import shutil
import socket
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from wherry.api import quantity

# Any address beyond the default route will do: nothing is sent.
_BEYOND = ("198.51.100.1", 9)
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


@dataclass(frozen=True, slots=True)
class Machine:
    """Facts that do not change while we run."""

    cpus: int
    memory_bytes: int
    disk_bytes: int
    machine_id: str
    system_uuid: str
    boot_id: str
    kernel_version: str
    os_image: str
    architecture: str
    huge_pages: tuple[tuple[str, str], ...] = ()  # ("2Mi", "0"): size, bytes in all
    cores: int = 1  # physical ones
    sockets: int = 1


def read(path: str) -> str:
    """A small file of the kernel's or the system's, stripped; empty when it can't be read."""
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def meminfo(text: str) -> dict[str, int]:
    """/proc/meminfo in bytes."""
    found = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if words:
            found[name] = int(words[0]) * (1024 if words[-1] == "kB" else 1)
    return found


def os_image(text: str) -> str:
    """PRETTY_NAME of an os-release file."""
    for line in text.splitlines():
        name, _, value = line.partition("=")
        if name == "PRETTY_NAME":
            return value.strip().strip('"')
    return "Linux"


def architecture(name: str = "") -> str:
    """Go's name of the processor."""
    machine = name or platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def look(root_dir: Path) -> Machine:
    return Machine(
        cpus=os.cpu_count() or 1,
        memory_bytes=meminfo(read("/proc/meminfo")).get("MemTotal", 0),
        disk_bytes=shutil.disk_usage(root_dir).total,
        machine_id=read("/etc/machine-id"),
        system_uuid=read("/sys/class/dmi/id/product_uuid") or read("/etc/machine-id"),
        boot_id=read("/proc/sys/kernel/random/boot_id"),
        kernel_version=platform.release(),
        os_image=os_image(read("/etc/os-release")),
        architecture=architecture(),
        huge_pages=huge_pages(Path("/sys/kernel/mm/hugepages")),
        **topology(read("/proc/cpuinfo"), os.cpu_count() or 1),
    )


def topology(cpuinfo: str, cpus: int) -> dict[str, int]:
    """Physical cores and sockets; processors that don't tell theirs are taken for one each."""
    fields = [line.partition(":") for line in cpuinfo.splitlines()]
    sockets = [value.strip() for name, _, value in fields if name.strip() == "physical id"]
    cores = [value.strip() for name, _, value in fields if name.strip() == "core id"]
    if not sockets or len(sockets) != len(cores):
        return {"cores": cpus, "sockets": 1}
    return {"cores": len(set(zip(sockets, cores, strict=True))), "sockets": len(set(sockets))}


def huge_pages(folder: Path) -> tuple[tuple[str, str], ...]:
    """What the kernel keeps of each size of huge page, as quantities: size and bytes in all."""
    found = []
    for place in sorted(folder.glob("hugepages-*kB")):
        size = int(place.name.removeprefix("hugepages-").removesuffix("kB")) * 1024
        count = int(read(str(place / "nr_hugepages")) or 0)
        shown = quantity.format_value(size, binary=True)
        found.append((shown, quantity.format_value(size * count, binary=True)))
    return tuple(found)


def look_at_memory() -> tuple[int, int]:
    """Bytes available (all that is no working set) and bytes in all."""
    found = meminfo(read("/proc/meminfo"))
    total = found.get("MemTotal", 0)
    working_set = total - found.get("MemFree", 0) - found.get("Inactive(file)", 0)
    return total - max(0, working_set), total


def look_at_processes() -> tuple[int, int]:
    """How many more there may be, and how many in all."""
    # The fourth figure is "running/all" of the scheduler's entities.
    tasks = int(read("/proc/loadavg").split()[3].split("/")[1])
    most = int(read("/proc/sys/kernel/pid_max") or 32768)
    return most - tasks, most


def default_address() -> str:
    """The address of the default route's interface; empty when there is no such route."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_BEYOND)
        except OSError:
            return ""
        address = str(probe.getsockname()[0])
    return "" if ip_address(address).is_loopback else address


def oom_score_min() -> int:
    """The lowest oom_score_adj we may give: without CAP_SYS_RESOURCE it can't go under our own."""
    capabilities = 0
    for line in read("/proc/self/status").splitlines():
        if line.startswith("CapEff:"):
            capabilities = int(line.split()[1], 16)
    if capabilities >> 24 & 1:
        return -1000
    return int(read("/proc/self/oom_score_adj") or 0)
