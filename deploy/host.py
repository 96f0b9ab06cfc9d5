"""One machine's cluster, on the machine itself: what `wherry up`, `down` and `status` do.

Everything is derived from four folders, an address and what `remembered.py` keeps.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from deploy import engine, launch, ranges, rights, roles, storage, units
from deploy.cleanup import remove_docker_network, remove_pod_network, remove_tree
from deploy.cluster import control_plane, facts, machine, script
from deploy.files import write_public
from deploy.netns import run
from deploy.nodes import wait_nodes_ready
from deploy.places import ControlPlane, Machine, Network, endpoint
from deploy.preflight import Problem, free_port_pair, need_free_port, need_programs, need_root
from deploy.prepare import prepare, without_root
from deploy.remembered import Remembered
from deploy.spec import Plan
from deploy.systemd import certificate_folders
from deploy.tokens import PATH as TOKENS
from deploy.tokens import join_line as tokens_line
from deploy.tokens import new_token, secret_of

PROGRAMS = ("etcd", "nft", "iptables", "conntrack", "ip", "setpriv", "unshare")
DEFAULT_SOCKET = Path("/var/run/docker.sock")
RESOLV_CONF, STUB = Path("/etc/resolv.conf"), "127.0.0.53"
BEHIND_STUB = Path("/run/systemd/resolve/resolv.conf")
SYSTEMCTL_TIMEOUT_SECONDS = 60
CLEANUP_TIMEOUT_SECONDS = 30
DISCOVERY_CACHE = Path("~/.cache/wherry")  # the CLI's


@dataclass(frozen=True)
class Host:
    """Where this machine's cluster keeps its things, and how it is reached.

    name, address: of its node; to look at or end what runs, the folders are enough
    advertise: where other machines reach the API server; "": at `address`
    node_ip:   what was said of this machine's addresses, to be remembered; "": by route
    network:   the cluster's; address6: this machine's in a dual-stack one
    """

    config_dir: Path
    data_dir: Path
    run_dir: Path
    name: str = ""
    address: str = ""
    port: int = 6443
    docker_socket: Path = DEFAULT_SOCKET
    advertise: str = ""
    network: Network = field(default_factory=Network)
    address6: str = ""
    node_ip: str = ""

    @property
    def state(self) -> Path:
        return self.run_dir / "state.json"

    @property
    def plan_file(self) -> Path:
        return self.run_dir / "plan.json"

    @property
    def systemd_plan(self) -> Path:
        """Where the plan lies when systemd runs it: units outlive a reboot, /run does not."""
        return self.data_dir / "systemd-plan.json"

    @property
    def log_dir(self) -> Path:
        return self.data_dir / "logs"

    @property
    def kubeconfig(self) -> Path:
        return self.config_dir / "admin.kubeconfig"

    @property
    def engine_data(self) -> Path:
        """There only when the engine is one that we run."""
        return self.data_dir / "node" / "docker"

    def control_plane(self) -> ControlPlane:
        address = self.advertise or self.address
        return ControlPlane(
            address, self.config_dir, self.data_dir, self.log_dir, port=self.port,
            network=self.network, address6=self.address6,
        )  # fmt: skip

    def machine(self, *, own_engine: bool) -> Machine:
        return Machine(
            self.name,
            self.address,
            self.data_dir / "node",
            self.log_dir,
            self.run_dir,
            self.docker_socket,
            own_engine,
            address6=self.address6,
            resolv_conf=resolver_file(),
        )


def resolver_file(usual: Path = RESOLV_CONF, behind: Path = BEHIND_STUB) -> str:
    """The file with the machine's real resolvers, when the usual one names but systemd's stub; else "".

    The stub answers on the machine's loopback, which no pod reaches. As kubeadm does it.
    """
    try:
        words = [line.split() for line in usual.read_text().splitlines()]
    except OSError:
        return ""
    servers = [line[1] for line in words if len(line) > 1 and line[0] == "nameserver"]
    return str(behind) if servers == [STUB] and behind.exists() else ""


def default_name() -> str:
    return socket.gethostname().lower()


def start_foreign_engine(path: Path) -> bool:
    """Whether an engine of the machine's own answers, started by systemd if need be.

    Problem when it is too old.
    """
    if not engine.engine_answers(path):
        if not (units.BOOTED.exists() and shutil.which("systemctl")):
            return False
        subprocess.run(
            ("systemctl", "start", "docker"), check=False, timeout=SYSTEMCTL_TIMEOUT_SECONDS
        )
        if not engine.engine_answers(path):
            return False
    engine.need_engine(path)
    return True


def up(
    host: Host, say: Callable[[str], None], timeout_seconds: float, *, systemd: bool = False
) -> bool:
    """Start what does not run, and return once the node is Ready: whether nothing ran before.

    systemd: it keeps the daemons running, by units written for it, instead of a supervisor
    """
    need_root()
    supervised, by_systemd = launch.read_state(host.state) is not None, host.systemd_plan.exists()
    running = supervised or by_systemd
    systemd = by_systemd or (systemd and not supervised)  # as it was begun, until `down`
    if systemd:
        units.need_systemd()
    plan_file = host.systemd_plan if systemd else host.plan_file
    if not running:
        need_programs(PROGRAMS)
        own = not start_foreign_engine(host.docker_socket)
        if own:
            need_programs(("dockerd",))
        need_free_port(host.port, "API server")
        ranges.need_room(host.network, routes=Remembered.read(host.config_dir) is None)
        place = replace(host.control_plane(), etcd_port=free_port_pair(2379))
        for folder in (host.config_dir, host.data_dir):
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        cluster = Remembered(host.name, host.network, host.node_ip, host.advertise, host.port)
        cluster.write(host.config_dir)
        place = without_root(place, say)
        node = host.machine(own_engine=own)
        inventory = prepare(place, (node,))
        plan = Plan(
            control_plane(place) + machine(node, place), str(host.state), str(inventory.file),
            inventory.lifetimes.check,
        )  # fmt: skip
        if systemd:
            write_public(plan_file, plan.to_json().encode())
            units.install(plan, certificate_folders(inventory))
        else:
            launch.start(plan, plan_file, host.log_dir / "supervisor.log")
    wait_ready = units.wait_ready if systemd else launch.wait_ready
    # Of a running cluster the ranges are what they were, whatever the words were this time.
    known = None if running else facts(host.control_plane())
    with rights.granted(host.kubeconfig, timeout_seconds, known):
        wait_ready(Plan.read(plan_file), say, timeout_seconds)
    storage.offer(host.kubeconfig, host.data_dir / "volumes")
    wait_nodes_ready(host.kubeconfig, [host.name], say, timeout_seconds)
    roles.mark_control_plane(host.kubeconfig, host.name)
    return not running


def join_line(host: Host) -> str:
    """The command by which another machine joins, with a new token. Problem without an API server."""
    token = new_token()
    roles.post(host.kubeconfig, TOKENS, secret_of(token, description="made by wherry up"))
    place = host.control_plane()
    return tokens_line(endpoint(place.address, place.port), token, place.ca.read_bytes())


def down(host: Host, *, purge: bool, say: Callable[[str], None]) -> None:
    """Stop daemons, containers and packet-filter rules; with `purge`, remove every trace."""
    need_root()
    own_engine = host.engine_data.exists()
    plan_file = host.systemd_plan if host.systemd_plan.exists() else host.plan_file
    if plan_file.exists():
        own_engine = any(d.name == "dockerd" for d in Plan.read(plan_file).daemons)
    say("stopped the daemons" if stop(host) else "no daemons ran")
    if not own_engine and engine.engine_answers(host.docker_socket):
        client = engine.connect(host.docker_socket)
        say(f"stopped {engine.kill_containers(client, ours_only=True)} container(s)")
        engine.remove_ours(client)
        client.close()
    _clean_proxy()
    remove_pod_network()
    if own_engine:
        remove_docker_network()
    if purge:
        for directory in (host.run_dir, host.data_dir, host.config_dir, DISCOVERY_CACHE):
            remove_tree(directory.expanduser())
        say("removed every file, container, bridge and rule of the cluster")


def stop(host: Host) -> bool:
    """Stop the daemons, whoever keeps them running; False when nobody did."""
    if not host.systemd_plan.exists():
        return launch.stop(host.state)
    stopped = units.remove()
    host.systemd_plan.unlink()
    return stopped


def _clean_proxy() -> None:
    """Take out the proxy's table, rules and routes."""
    subprocess.run(
        (script("wherry-proxy"), "--cleanup"),
        check=False,
        timeout=CLEANUP_TIMEOUT_SECONDS,
        capture_output=True,
    )
    for line in run("nft", "list", "tables").splitlines():
        if line.split()[-1].startswith("wherry"):
            raise Problem("wherry-proxy --cleanup left its table", f"nft delete {line}")
