"""The verbs that bring clusters up and down: `wherry up`, `down`, `status`, `lab`.

Only words and options here; what is done is in `host.py`. The lab's verbs are in `lab_commands.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deploy import host, join, launch, ranges, units
from deploy.folders import CONFIG_DIR, DATA_DIR, RUN_DIR, ConfigDir, DataDir, RunDir
from deploy.join_commands import join as join_command
from deploy.join_commands import leave as leave_command
from deploy.lab_commands import DualStack, PodNetwork, Timeout, lab_app, problems, say
from deploy.member import Member
from deploy.nodes import is_ready, list_nodes, own_node
from deploy.preflight import Problem
from deploy.remembered import Remembered, Words, again, begin
from deploy.spec import Plan

__all__ = ["down", "join_command", "lab_app", "leave_command", "status", "up"]


def up(
    config_dir: ConfigDir = CONFIG_DIR,
    data_dir: DataDir = DATA_DIR,
    run_dir: RunDir = RUN_DIR,
    node_name: Annotated[str, typer.Option(help="The node's name; default: the host's.")] = "",
    node_ip: Annotated[str, typer.Option(help="The node's address; default: by route.")] = "",
    advertise_address: Annotated[
        str, typer.Option(help="Where other machines reach the API server; default: --node-ip.")
    ] = "",
    secure_port: Annotated[
        int | None, typer.Option(help="The API server's port; default: 6443.")
    ] = None,
    docker_socket: Annotated[Path, typer.Option(help="Docker's socket.")] = host.DEFAULT_SOCKET,
    systemd: Annotated[
        bool | None,
        typer.Option("--systemd/--no-systemd", help="Hardened systemd units; default: if it runs."),
    ] = None,
    dual_stack: DualStack = False,
    pod_network_cidr: Annotated[
        str, typer.Option(help="The pods' range; dual stack: one of each family, with a comma.")
    ] = "",
    service_cidr: Annotated[str, typer.Option(help="The Services' range, likewise.")] = "",
    pod_network: PodNetwork = "",
    timeout: Timeout = 60.0,
) -> None:
    """Start a cluster on this machine; returns once its node is Ready.

    What it was begun with is remembered: after `down`, `wherry up` alone starts it again.
    """
    words = Words(
        node_name, node_ip, advertise_address, secure_port or 0,
        pod_network_cidr, service_cidr, dual_stack, pod_network,
    )  # fmt: skip
    with problems():
        if systemd is None:  # units are the machine's: one cluster, in the usual folders
            systemd = units.BOOTED.exists() and config_dir == CONFIG_DIR
        if join.resume(
            host.Host(config_dir, data_dir, run_dir), words, say, timeout, systemd=systemd
        ):
            return
        held = Remembered.read(config_dir)
        cluster = again(held, words) if held else begin(words, host.default_name())
        address, address6 = ranges.node_addresses(cluster.node_ip, cluster.network)
        place = host.Host(
            config_dir, data_dir, run_dir, name=cluster.node_name, address=address,
            address6=address6, network=cluster.network, port=cluster.port,
            docker_socket=docker_socket, advertise=cluster.advertise, node_ip=cluster.node_ip,
        )  # fmt: skip
        fresh = host.up(place, say, timeout, systemd=systemd)
        line = host.join_line(place) if fresh else "wherry token create --print-join-command"
    say(f"cluster is up: node {place.name} at {place.address}")
    say(f"  export KUBECONFIG={place.kubeconfig}")
    say(f"another machine joins by{'' if fresh else ' what this prints'}:")
    say(f"  {line}")


def down(
    config_dir: ConfigDir = CONFIG_DIR,
    data_dir: DataDir = DATA_DIR,
    run_dir: RunDir = RUN_DIR,
    docker_socket: Annotated[Path, typer.Option(help="Docker's socket.")] = host.DEFAULT_SOCKET,
    purge: Annotated[bool, typer.Option("--purge", help="Remove data and files too.")] = False,
) -> None:
    """Stop this machine's cluster."""
    with problems():
        place = host.Host(config_dir, data_dir, run_dir, docker_socket=docker_socket)
        host.down(place, purge=purge, say=say)


def status(
    config_dir: ConfigDir = CONFIG_DIR,
    data_dir: DataDir = DATA_DIR,
    run_dir: RunDir = RUN_DIR,
    lab_dir: Annotated[Path | None, typer.Option("--dir", help="A lab's folder instead.")] = None,
) -> None:
    """Say how each daemon and node is; exit code 1 unless all are well."""
    state_file = (lab_dir or run_dir) / "state.json"
    kubeconfig = (lab_dir or config_dir) / "admin.kubeconfig"
    with problems():
        state = launch.read_state(state_file)
        plan_file = data_dir / "systemd-plan.json"
        if state is None and lab_dir is None and plan_file.exists():
            state = units.read_state(Plan.read(plan_file))
        if state is None:
            raise Problem("no cluster runs here", "wherry up")
        well = True
        print(f"{'DAEMON':<28}{'STATE':<12}{'PID':<9}{'RESTARTS':<10}LAST EXIT")
        for name, condition in state["daemons"].items():
            word = "ready" if condition["ready"] else "starting" if condition["pid"] else "down"
            well = well and condition["ready"]
            pid, restarts = condition["pid"] or "-", condition["restarts"]
            print(f"{name:<28}{word:<12}{pid:<9}{restarts:<10}{condition['last_exit']}")
        member = Member.read(config_dir) if lab_dir is None else None
        for node in (
            list_nodes(kubeconfig)
            if member is None
            else [own_node(member.kubeconfig, member.node.name)]
        ):
            well = well and is_ready(node)
            ready = "Ready" if is_ready(node) else "NotReady"
            print(f"node/{node.metadata.name:<23}{ready}")
    raise typer.Exit(0 if well else 1)
