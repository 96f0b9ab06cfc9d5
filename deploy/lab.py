"""The lab: a cluster of several "machines" on one host.

Each machine is a network namespace with its own Docker Engine, kubelet and proxy; the control plane
has a namespace of its own. Everything of a lab lies below one folder:

    admin.kubeconfig  lab.json  pki/  control-plane/logs/  <machine>/docker.sock  <machine>/logs/
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from deploy import engine, launch, netns, rights, storage
from deploy.cleanup import remove_tree
from deploy.cluster import control_plane, machine
from deploy.files import write_public
from deploy.inventory import Lifetimes
from deploy.nodes import wait_nodes_ready
from deploy.places import ControlPlane, Machine
from deploy.preflight import Problem, need_programs, need_root
from deploy.prepare import prepare, without_root
from deploy.spec import Plan

SOCKET_PATH_MAX = 107  # a unix socket's path has room for no more
MACHINES_MAX = 40


@dataclass(frozen=True)
class Lab:
    """A lab's folder and wires."""

    directory: Path
    wires: netns.Wires

    @classmethod
    def read(cls, directory: Path) -> Lab:
        try:
            tree = json.loads((directory / "lab.json").read_text())
        except FileNotFoundError:
            raise Problem(
                f"there is no lab in {directory}", f"wherry lab up --dir {directory}"
            ) from None
        return cls(directory, netns.Wires(**{**tree, "machines": tuple(tree["machines"])}))

    def write(self) -> None:
        text = json.dumps(asdict(self.wires), indent=1)
        write_public(self.directory / "lab.json", text.encode())

    @property
    def state(self) -> Path:
        return self.directory / "state.json"

    @property
    def run_dir(self) -> Path:
        """Short paths for the engines' own sockets."""
        return Path("/run/wherry-lab") / self.wires.ident

    def machines(self) -> list[Machine]:
        return [
            Machine(
                name=name,
                address=self.wires.address(name),
                directory=self.directory / name,
                log_dir=self.directory / name / "logs",
                run_dir=self.run_dir / name,
                docker_socket=self.directory / name / "docker.sock",
                own_engine=True,
                namespace=self.wires.namespace(name),
            )
            for name in self.wires.machines
        ]

    def control_plane(self) -> ControlPlane:
        return ControlPlane(
            address=self.wires.hub_address,
            config_dir=self.directory,
            data_dir=self.directory / "control-plane",
            log_dir=self.directory / "control-plane" / "logs",
            namespace=self.wires.hub,
        )

    @property
    def plan_file(self) -> Path:
        return self.directory / "plan.json"

    def make_plan(self, lifetimes: Lifetimes, say: Callable[[str], None]) -> Plan:
        """Certificates are made; what is to be run is returned."""
        place = replace(self.control_plane(), lifetimes=lifetimes)
        place = without_root(place, say)
        machines = self.machines()
        inventory = prepare(place, machines)
        daemons = [*control_plane(place), *(one for m in machines for one in machine(m, place))]
        return Plan(tuple(daemons), str(self.state), str(inventory.file), lifetimes.check)


def up(
    directory: Path,
    nodes: int,
    say: Callable[[str], None],
    timeout_seconds: float,
    lifetimes: Lifetimes | None = None,
) -> Lab:
    """Make the lab and wait until every machine's node is Ready. A running lab is left as it is.

    lifetimes: of the certificates, when they are not to be the usual ones
    """
    need_root()
    need_programs(
        ("etcd", "dockerd", "nft", "iptables", "conntrack", "ip", "nsenter", "setpriv", "unshare")
    )
    if not 1 <= nodes <= MACHINES_MAX:
        raise Problem(f"--nodes {nodes}: from 1 to {MACHINES_MAX}", "wherry lab up --nodes 2")
    directory = directory.resolve()
    names = tuple(f"node{number}" for number in range(1, nodes + 1))
    if len(str(directory / names[-1] / "docker.sock")) > SOCKET_PATH_MAX:
        raise Problem(f"{directory} is too long a path for a socket", "choose a shorter --dir")
    if launch.read_state(directory / "state.json") is None:
        wires = netns.Wires(netns.identify(directory), netns.free_subnet(), names)
        lab = Lab(directory, wires)
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o755)  # the daemons' users have to reach their files in it
        lab.write()
        say(f"wiring {nodes} machine(s) on {wires.subnet}")
        netns.make(wires)
        plan = lab.make_plan(lifetimes or Lifetimes(), say)
        launch.start(plan, lab.plan_file, directory / "control-plane/logs/supervisor.log")
    else:
        lab = Lab.read(directory)
        if lab.wires.machines != names:
            held = len(lab.wires.machines)
            raise Problem(
                f"the lab in {directory} runs with {held} machine(s)",
                f"wherry lab down --dir {directory}",
            )
    with rights.granted(directory / "admin.kubeconfig", timeout_seconds):
        launch.wait_ready(Plan.read(lab.plan_file), say, timeout_seconds)
    storage.offer(directory / "admin.kubeconfig", directory / "volumes")
    wait_nodes_ready(directory / "admin.kubeconfig", names, say, timeout_seconds)
    return lab


def down(directory: Path) -> None:
    """Stop the lab and remove all of it: processes, containers, namespaces, files."""
    need_root()
    lab = Lab.read(directory.resolve())
    launch.stop(lab.state)
    netns.remove(lab.wires)
    remove_tree(lab.run_dir)
    remove_tree(lab.directory)


def load(directory: Path, archive: Path, say: Callable[[str], None]) -> None:
    """Load an image archive (`docker save`) into every machine's engine."""
    lab = Lab.read(directory.resolve())
    if not archive.is_file():
        raise Problem(f"{archive} is no file", "docker save -o IMAGE.tar IMAGE")
    for node in lab.machines():
        client = engine.connect(node.docker_socket)
        names = engine.load_image(client, archive)
        client.close()
        say(f"{node.name}: loaded {', '.join(names)}")
