"""The lab's wires: machines as network namespaces on bridges, themselves in a namespace.

    host ──veth── [ control plane: lab0 .1, lab1 .1 ... ] ──veth── [ machine .11 ] ... [ machine .1N ]

Each subnet is a bridge, thus an L2 network of its own; the control plane's namespace is the router
between them and knows no pods. Every machine has an IPv4 and an IPv6 address (a unique local /64 per
subnet). Of the host's own namespace only one end of a veth pair is used, so that a person can reach
the API server and node ports; it goes when the control plane's namespace goes.
"""

from __future__ import annotations

import fcntl
import hashlib
import ipaddress
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.preflight import Problem

COMMAND_TIMEOUT_SECONDS = 20
CANDIDATES = [ipaddress.IPv4Network(f"172.31.{n}.0/24") for n in range(250, 200, -1)]
LOCK = Path("/run/wherry-lab.lock")
IPV6 = Path("/proc/sys/net/ipv6")


@dataclass(frozen=True)
class Wires:
    """One lab's names and addresses, all derived from its folder and subnets.

    subnet:       the first L2 network (CIDR), on which the API server's address lies
    more_subnets: further ones; the machines are spread over all, neighbours by number together
    """

    ident: str
    subnet: str
    machines: tuple[str, ...]
    more_subnets: tuple[str, ...] = ()

    @property
    def subnets(self) -> tuple[str, ...]:
        return (self.subnet, *self.more_subnets)

    @property
    def hub(self) -> str:
        """The namespace of the bridges and the control plane."""
        return f"wlab-{self.ident}"

    @property
    def host_link(self) -> str:
        return f"wlab{self.ident}"  # 10 characters; the kernel takes 15

    @property
    def hub_address(self) -> str:
        return self.gateway(0)

    def gateway(self, number: int) -> str:
        """The router's address in a subnet."""
        return self._address(number, 1)

    def gateway6(self, number: int) -> str:
        return self._address6(number, 1)

    def bridge(self, number: int) -> str:
        return f"lab{number}"

    def namespace(self, machine: str) -> str:
        return f"{self.hub}-{machine}"

    def place(self, machine: str) -> int:
        """The number of the machine's subnet: neighbours by number share one."""
        return self.machines.index(machine) * len(self.subnets) // len(self.machines)

    def port(self, machine: str) -> str:
        """The bridge's end of the machine's link."""
        return f"p{self.machines.index(machine) + 1}"

    def address(self, machine: str) -> str:
        return self._address(self.place(machine), 11 + self.machines.index(machine))

    def address6(self, machine: str) -> str:
        return self._address6(self.place(machine), 11 + self.machines.index(machine))

    def subnet6(self, number: int) -> str:
        """The IPv6 /64 of a subnet."""
        return f"fd57:{self.ident[:4]}:{self.ident[4:6]}{number:02x}::/64"

    def mac(self, machine: str) -> str:
        """The same again after the machine was off."""
        return self._mac(0, 11 + self.machines.index(machine))

    def bridge_mac(self, number: int) -> str:
        """Given, as else it would be the lowest of the ports', and another one when a port goes."""
        return self._mac(1, number)

    def _mac(self, kind: int, number: int) -> str:
        octets = [self.ident[i : i + 2] for i in (0, 2, 4)]
        return ":".join(("02", *octets, f"{kind:02x}", f"{number:02x}"))

    @property
    def host_address(self) -> str:
        return self._address(0, 254)

    @property
    def host_address6(self) -> str:
        return self._address6(0, 254)

    def _address(self, subnet: int, number: int) -> str:
        return str(ipaddress.IPv4Network(self.subnets[subnet])[number])

    def _address6(self, subnet: int, number: int) -> str:
        return str(ipaddress.IPv6Network(self.subnet6(subnet))[number])


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


@contextmanager
def choosing() -> Iterator[None]:
    """Hold this from `free_subnets` to the end of `make`: two labs must not choose the same."""
    with LOCK.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def untaken() -> tuple[str, ...]:
    """The /24s for labs that overlap no route of this host."""
    used = []
    for line in run("ip", "-4", "route", "show", "table", "all").splitlines():
        for word in line.split()[:2]:
            try:
                used.append(ipaddress.IPv4Network(word, strict=False))
            except ValueError:
                continue
    taken = [one for one in used if one.prefixlen > 0]
    return tuple(str(one) for one in CANDIDATES if not any(map(one.overlaps, taken)))


def free_subnets(count: int) -> tuple[str, ...]:
    """So many of them; Problem when there are fewer."""
    free = untaken()
    if len(free) < count:
        raise Problem("no free subnet in 172.31.201.0-172.31.250.255", "remove another lab")
    return free[:count]


def free_subnet() -> str:
    """A /24 that overlaps no route of this host."""
    return free_subnets(1)[0]


def make(wires: Wires) -> None:
    """Make the namespaces, the bridges and the links; what is left of an earlier try goes first."""
    remove(wires)
    hub = wires.hub
    run("ip", "netns", "add", hub)
    _batch(
        "",
        f"link add {wires.host_link} type veth peer name host0 netns {hub}",
        f"addr add {wires.host_address}/{_length(wires, 0)} dev {wires.host_link}",
        *_address6(f"{wires.host_address6}/64", wires.host_link),
        f"link set {wires.host_link} up",
        *(f"route add {one} via {wires.hub_address}" for one in wires.more_subnets),
    )
    _batch(hub, "link set lo up")
    for number in range(len(wires.subnets)):
        bridge = wires.bridge(number)
        _batch(
            hub,
            f"link add {bridge} address {wires.bridge_mac(number)} type bridge",
            f"addr add {wires.gateway(number)}/{_length(wires, number)} dev {bridge}",
            *_address6(f"{wires.gateway6(number)}/64", bridge),
            f"link set {bridge} up",
        )
    _batch(hub, f"link set host0 master {wires.bridge(0)} up")
    # What the bridges carry is not the router's to filter.
    _sysctl(hub, *(f"net.bridge.bridge-nf-call-{one}tables=0" for one in ("ip", "ip6")))
    _forward(hub)
    for machine in wires.machines:
        connect(wires, machine)


def connect(wires: Wires, machine: str) -> None:
    """Make a machine's namespace, and plug it in."""
    namespace, number = wires.namespace(machine), wires.place(machine)
    run("ip", "netns", "add", namespace)
    port = wires.port(machine)
    _batch(
        wires.hub,
        f"link add {port} type veth peer name eth0 address {wires.mac(machine)} netns {namespace}",
        f"link set {port} master {wires.bridge(number)} up",
    )
    _batch(
        namespace,
        "link set lo up",
        f"addr add {wires.address(machine)}/{_length(wires, number)} dev eth0",
        *_address6(f"{wires.address6(machine)}/64", "eth0"),
        "link set eth0 up",
        f"route add default via {wires.gateway(number)}",
        *((f"route add default via {wires.gateway6(number)}",) if IPV6.exists() else ()),
    )
    _sysctl(namespace, "net.bridge.bridge-nf-call-iptables=1")
    # Before dockerd starts: it sets FORWARD to DROP when it turns forwarding on by itself.
    _forward(namespace)


def unplug(wires: Wires, machine: str) -> None:
    """Take the machine's link away, silently."""
    if _link_exists(wires.hub, wires.port(machine)):
        run("ip", "-n", wires.hub, "link", "del", wires.port(machine))


def remove(wires: Wires) -> None:
    """Delete what `make` made, whatever of it there is."""
    for namespace in [*map(wires.namespace, wires.machines), wires.hub]:
        remove_namespace(namespace)
    # A namespace lives until its last process is gone, so the link may outlive its deletion.
    link = Path(f"/proc/sys/net/ipv4/conf/{wires.host_link}")
    if link.exists():
        try:
            run("ip", "link", "del", wires.host_link)
        except Problem:
            if link.exists():  # else it went with its namespace meanwhile
                raise


def remove_namespace(name: str) -> None:
    """Delete a namespace's name if it is there; the rest goes with its last process."""
    if Path(f"/run/netns/{name}").exists():
        run("ip", "netns", "del", name)


def set_bridges(wires: Wires, *, up: bool) -> None:
    """The control plane's own links: down, nobody reaches it nor another subnet."""
    word = "up" if up else "down"
    links = [wires.bridge(number) for number in range(len(wires.subnets))]
    _batch(wires.hub, *(f"link set {link} {word}" for link in links))


def _length(wires: Wires, number: int) -> int:
    return ipaddress.IPv4Network(wires.subnets[number]).prefixlen


def _address6(address: str, link: str) -> tuple[str, ...]:
    """Without duplicate detection, which takes a second. Nothing on a kernel without IPv6."""
    return (f"addr add {address} dev {link} nodad",) if IPV6.exists() else ()


def _forward(namespace: str) -> None:
    six = ("net.ipv6.conf.all.forwarding=1",) if IPV6.exists() else ()
    _sysctl(namespace, "net.ipv4.ip_forward=1", *six)


def _link_exists(namespace: str, link: str) -> bool:
    listed = run("ip", "-n", namespace, "-o", "link", "show")
    return f": {link}@" in listed or f": {link}:" in listed


def _batch(namespace: str, *commands: str) -> None:
    where = ("-n", namespace) if namespace else ()
    run("ip", *where, "-batch", "-", stdin="\n".join(commands) + "\n")


def _sysctl(namespace: str, *settings: str) -> None:
    run("nsenter", f"--net=/run/netns/{namespace}", "sysctl", "-qw", *settings)
