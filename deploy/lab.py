"""The lab: a cluster of several "machines" on one host.

Each machine is a network namespace with its own Docker Engine, kubelet and proxy; the control plane
has a namespace of its own. Everything of a lab lies below one folder:

    admin.kubeconfig  lab.json  faults.json  pki/  control-plane/logs/  <machine>/docker.sock
    <machine>/logs/

What can be done to a running lab's machines and wires is in `outages.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from deploy import engine, launch, netns, rights, shims, storage
from deploy.cleanup import remove_tree
from deploy.cluster import control_plane, facts, machine, standby
from deploy.faults import Faults
from deploy.files import write_public
from deploy.inventory import Lifetimes
from deploy.nodes import wait_nodes_ready
from deploy.places import ControlPlane, Machine, Network
from deploy.preflight import Problem, need_programs, need_root
from deploy.prepare import prepare, without_root
from deploy.remembered import Words, agree, begin, other
from deploy.spec import Daemon, Plan

Flags = Mapping[str, tuple[str, ...]]  # by daemon

SOCKET_PATH_MAX = 107  # a unix socket's path has room for no more
MACHINES_MAX = 40
FILE = "lab.json"
PROGRAMS = (
    "etcd", "dockerd", "nft", "iptables", "conntrack", "ip", "tc", "nsenter", "setpriv", "unshare",
)  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """What a lab is made of.

    nodes:   how many machines beside the control plane's
    subnets: how many L2 networks they are spread over
    standby: how many machines also run a scheduler and a controller manager, for when others fail
    network: the cluster's ranges, and how nodes reach each other's pods
    """

    nodes: int
    subnets: int = 1
    standby: int = 0
    network: Network = field(default_factory=Network)

    def check(self) -> None:
        if not 1 <= self.nodes <= MACHINES_MAX:
            raise Problem(
                f"--nodes {self.nodes}: from 1 to {MACHINES_MAX}", "wherry lab up --nodes 2"
            )
        if not 1 <= self.subnets <= self.nodes:
            raise Problem(
                f"--subnets {self.subnets}: from 1 to {self.nodes}, as there are machines",
                f"wherry lab up --nodes {self.nodes} --subnets 1",
            )
        if not 0 <= self.standby <= self.nodes:
            raise Problem(
                f"--standby {self.standby}: from 0 to {self.nodes}, as there are machines",
                f"wherry lab up --nodes {self.nodes} --standby 1",
            )

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"node{number}" for number in range(1, self.nodes + 1))


@dataclass(frozen=True)
class Lab:
    """A lab's folder and wires; standby and network as in Shape."""

    directory: Path
    wires: netns.Wires
    standby: int = 0
    network: Network = field(default_factory=Network)

    @classmethod
    def read(cls, directory: Path) -> Lab:
        try:
            tree = json.loads((directory / FILE).read_text())
        except FileNotFoundError:
            raise Problem(
                f"there is no lab in {directory}", f"wherry lab up --dir {directory}"
            ) from None
        machines, more = tuple(tree["machines"]), tuple(tree.get("more_subnets", ()))
        wires = netns.Wires(tree["ident"], tree["subnet"], machines, more)
        network = Network(**tree.get("network", {}))
        return cls(directory, wires, tree.get("standby", 0), network)

    def write(self) -> None:
        more = {"standby": self.standby, "network": asdict(self.network)}
        text = json.dumps({**asdict(self.wires), **more}, indent=1)
        write_public(self.directory / FILE, text.encode())

    @property
    def shape(self) -> Shape:
        wires = self.wires
        return Shape(len(wires.machines), len(wires.subnets), self.standby, self.network)

    @property
    def state(self) -> Path:
        return self.directory / "state.json"

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "admin.kubeconfig"

    @property
    def faults_file(self) -> Path:
        return self.directory / "faults.json"

    @property
    def faults(self) -> Faults:
        return Faults.read(self.faults_file)

    @property
    def run_dir(self) -> Path:
        """Short paths for the engines' own sockets."""
        return Path("/run/wherry-lab") / self.wires.ident

    def machine(self, name: str) -> Machine:
        return Machine(
            name=name,
            address=self.wires.address(name),
            directory=self.directory / name,
            log_dir=self.directory / name / "logs",
            run_dir=self.run_dir / name,
            docker_socket=self.directory / name / "docker.sock",
            own_engine=True,
            namespace=self.wires.namespace(name),
            address6=self.wires.address6(name) if self.network.is_dual else "",
        )

    def machines(self) -> list[Machine]:
        return [self.machine(name) for name in self.wires.machines]

    def control_plane(self) -> ControlPlane:
        return ControlPlane(
            address=self.wires.hub_address,
            config_dir=self.directory,
            data_dir=self.directory / "control-plane",
            log_dir=self.directory / "control-plane" / "logs",
            namespace=self.wires.hub,
            network=self.network,
            address6=self.wires.gateway6(0) if self.network.is_dual else "",
        )

    @property
    def plan_file(self) -> Path:
        return self.directory / "plan.json"

    def make_plan(
        self, lifetimes: Lifetimes, say: Callable[[str], None], flags: Flags | None = None
    ) -> Plan:
        """Certificates are made; what is to be run is returned."""
        place = replace(self.control_plane(), lifetimes=lifetimes)
        place = without_root(place, say)
        machines = self.machines()
        inventory = prepare(place, machines)
        daemons = [*control_plane(place), *(one for m in machines for one in machine(m, place))]
        daemons += [one for m in machines[: self.standby] for one in standby(m, place)]
        tuned = tuple(_tuned(one, flags or {}) for one in daemons)
        return Plan(tuned, str(self.state), str(inventory.file), lifetimes.check)

    def running_plan(self) -> Plan:
        """What runs but for what is switched off."""
        plan, off = Plan.read(self.plan_file), self.faults.stopped
        held = {self.wires.namespace(name) for name in off if name in self.wires.machines}
        return replace(plan, daemons=tuple(d for d in plan.daemons if d.namespace not in held))


def wanted(directory: Path, words: Words, **counts: int | None) -> Shape:
    """The shape of the lab that is there, else of a new one. Problem when words say another than is there.

    counts: nodes, subnets and standby; None where nothing was said
    """
    said = {name: count for name, count in counts.items() if count is not None}
    try:
        held = Lab.read(directory).shape
    except Problem:
        return Shape(**{"nodes": 2, **said}, network=begin(words, "").network)
    end = f"wherry lab down --dir {directory}"
    agree(held.network, words, end)
    for name, count in said.items():
        if count != getattr(held, name):
            raise other(f"--{name}", str(count), str(getattr(held, name)), end)
    return held


def up(
    directory: Path,
    shape: Shape | int,
    say: Callable[[str], None],
    timeout_seconds: float,
    lifetimes: Lifetimes | None = None,
    flags: Flags | None = None,
) -> Lab:
    """Make the lab and wait until every machine's node is Ready. A running lab is left as it is.

    shape:     of the lab; a number is that many machines on one network
    lifetimes: of the certificates, when they are not to be the usual ones
    flags:     more flags of daemons, by name: `kubelet` is every machine's, `node1/kubelet` one's
    """
    shape = Shape(shape) if isinstance(shape, int) else shape
    need_root()
    need_programs(PROGRAMS)
    shape.check()
    directory = directory.resolve()
    if len(str(directory / shape.names[-1] / "docker.sock")) > SOCKET_PATH_MAX:
        raise Problem(f"{directory} is too long a path for a socket", "choose a shorter --dir")
    if launch.read_state(directory / "state.json") is None:
        lab = _start(directory, shape, say, lifetimes or Lifetimes(), flags or {})
    else:
        lab = Lab.read(directory)
        if lab.shape != shape:
            raise Problem(
                f"the lab in {directory} runs with {lab.shape.nodes} machine(s), "
                f"{lab.shape.subnets} subnet(s), {lab.standby} standing by,"
                f" pods {lab.network.pods} ({lab.network.mode})",
                f"wherry lab down --dir {directory}",
            )
    with rights.granted(lab.kubeconfig, timeout_seconds, facts(lab.control_plane())):
        launch.wait_ready(lab.running_plan(), say, timeout_seconds)
    storage.offer(lab.kubeconfig, directory / "volumes")
    names = [name for name in lab.wires.machines if name not in lab.faults.stopped]
    wait_nodes_ready(lab.kubeconfig, names, say, timeout_seconds)
    return lab


def _tuned(daemon: Daemon, flags: Flags) -> Daemon:
    """With the flags that were asked for, later ones overriding."""
    names = dict.fromkeys((daemon.name.rpartition("/")[2], daemon.name))
    more = [flag for name in names for flag in flags.get(name, ())]
    return replace(daemon, command=(*daemon.command, *more)) if more else daemon


def _start(
    directory: Path, shape: Shape, say: Callable[[str], None], lifetimes: Lifetimes, flags: Flags
) -> Lab:
    with netns.choosing():
        first, *more = _subnets(directory, shape)
        wires = netns.Wires(netns.identify(directory), first, shape.names, tuple(more))
        lab = Lab(directory, wires, shape.standby, shape.network)
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o755)  # the daemons' users have to reach their files in it
        lab.write()
        Faults().write(lab.faults_file)
        say(f"wiring {shape.nodes} machine(s) on {', '.join(wires.subnets)}")
        netns.make(wires)
    plan = lab.make_plan(lifetimes, say, flags)
    launch.start(plan, lab.plan_file, directory / "control-plane/logs/supervisor.log")
    return lab


def _subnets(directory: Path, shape: Shape) -> tuple[str, ...]:
    """Those of a lab that ran there before, when nobody took them meanwhile."""
    if (directory / FILE).exists():
        before = Lab.read(directory).wires
        netns.remove(before)
        if len(before.subnets) == shape.subnets and set(before.subnets) <= set(netns.untaken()):
            return before.subnets
    return netns.free_subnets(shape.subnets)


def down(directory: Path) -> None:
    """Stop the lab and remove all of it: processes, containers, namespaces, files."""
    need_root()
    lab = Lab.read(directory.resolve())
    launch.stop(lab.state)
    for node in lab.machines():
        shims.end(f"moby-{node.namespace}")  # an engine that was killed forgets some
    netns.remove(lab.wires)
    remove_tree(lab.run_dir)
    remove_tree(lab.directory)


def load(directory: Path, archive: Path, say: Callable[[str], None]) -> None:
    """Load an image archive (`docker save`) into every machine's engine that runs."""
    lab = Lab.read(directory.resolve())
    if not archive.is_file():
        raise Problem(f"{archive} is no file", "docker save -o IMAGE.tar IMAGE")
    for node in lab.machines():
        if node.name in lab.faults.stopped:
            say(f"{node.name}: is off")
            continue
        client = engine.connect(node.docker_socket)
        names = engine.load_image(client, archive)
        client.close()
        say(f"{node.name}: loaded {', '.join(names)}")
