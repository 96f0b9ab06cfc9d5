"""The lab's wires: machines as network namespaces on one bridge, itself in a namespace.

    host ──veth── [ control plane: bridge lab0 .1 ] ──veth── [ machine .11 ] ... [ machine .1N ]

Of the host's own namespace only one end of a veth pair is used, so that a person can reach the
API server and node ports; it goes when the control plane's namespace goes.
"""

from __future__ import annotations

import hashlib
import ipaddress
import subprocess
from dataclasses import dataclass
from pathlib import Path

from deploy.preflight import Problem

COMMAND_TIMEOUT_SECONDS = 20
CANDIDATES = [ipaddress.IPv4Network(f"172.31.{n}.0/24") for n in range(250, 200, -1)]


@dataclass(frozen=True)
class Wires:
    """One lab's names and addresses, all derived from its folder and subnet."""

    ident: str
    subnet: str
    machines: tuple[str, ...]

    @property
    def hub(self) -> str:
        """The namespace of the bridge and the control plane."""
        return f"wlab-{self.ident}"

    @property
    def host_link(self) -> str:
        return f"wlab{self.ident}"  # 10 characters; the kernel takes 15

    @property
    def hub_address(self) -> str:
        return self._address(1)

    def namespace(self, machine: str) -> str:
        return f"{self.hub}-{machine}"

    def address(self, machine: str) -> str:
        return self._address(11 + self.machines.index(machine))

    @property
    def host_address(self) -> str:
        return self._address(254)

    def _address(self, number: int) -> str:
        return str(ipaddress.IPv4Network(self.subnet)[number])


def identify(directory: Path) -> str:
    """A lab's short name: the same for the same folder."""
    return hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:6]


def run(*command: str, stdin: str | None = None) -> str:
    """Run a command to its end; Problem with its words when it fails."""
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_SECONDS
    )
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip()
        raise Problem(f"{' '.join(command)}: {words}", "see the command's words")
    return done.stdout


def free_subnet() -> str:
    """A /24 that overlaps no route of this host."""
    used = []
    for line in run("ip", "-4", "route", "show", "table", "all").splitlines():
        for word in line.split()[:2]:
            try:
                used.append(ipaddress.IPv4Network(word, strict=False))
            except ValueError:
                continue
    for candidate in CANDIDATES:
        if not any(candidate.overlaps(one) for one in used if one.prefixlen > 0):
            return str(candidate)
    raise Problem("no free subnet in 172.31.201.0-172.31.250.255", "remove another lab")


def make(wires: Wires) -> None:
    """Make the namespaces, the bridge and the links; what is left of an earlier try goes first."""
    remove(wires)
    hub, length = wires.hub, ipaddress.IPv4Network(wires.subnet).prefixlen
    run("ip", "netns", "add", hub)
    _batch(
        "",
        f"link add {wires.host_link} type veth peer name host0 netns {hub}",
        f"addr add {wires.host_address}/{length} dev {wires.host_link}",
        f"link set {wires.host_link} up",
    )
    _batch(
        hub,
        "link set lo up",
        "link add lab0 type bridge",
        f"addr add {wires.hub_address}/{length} dev lab0",
        "link set lab0 up",
        "link set host0 master lab0 up",
    )
    _sysctl(hub, "net.bridge.bridge-nf-call-iptables=0")
    for number, machine in enumerate(wires.machines, 1):
        namespace = wires.namespace(machine)
        run("ip", "netns", "add", namespace)
        _batch(
            hub,
            f"link add p{number} type veth peer name eth0 netns {namespace}",
            f"link set p{number} master lab0 up",
        )
        _batch(
            namespace,
            "link set lo up",
            f"addr add {wires.address(machine)}/{length} dev eth0",
            "link set eth0 up",
            f"route add default via {wires.hub_address}",
        )
        # Before dockerd starts: it sets FORWARD to DROP when it turns forwarding on by itself.
        _sysctl(namespace, "net.ipv4.ip_forward=1", "net.bridge.bridge-nf-call-iptables=1")


def remove(wires: Wires) -> None:
    """Delete what `make` made, whatever of it there is."""
    present = {line.split()[0] for line in run("ip", "netns", "list").splitlines() if line}
    for namespace in [*map(wires.namespace, wires.machines), wires.hub]:
        if namespace in present:
            run("ip", "netns", "del", namespace)
    # A namespace lives until its last process is gone, so the link may outlive its deletion.
    link = Path(f"/proc/sys/net/ipv4/conf/{wires.host_link}")
    if link.exists():
        try:
            run("ip", "link", "del", wires.host_link)
        except Problem:
            if link.exists():  # else it went with its namespace meanwhile
                raise


def _batch(namespace: str, *commands: str) -> None:
    where = ("-n", namespace) if namespace else ()
    run("ip", *where, "-batch", "-", stdin="\n".join(commands) + "\n")


def _sysctl(namespace: str, *settings: str) -> None:
    run("nsenter", f"--net=/run/netns/{namespace}", "sysctl", "-qw", *settings)
