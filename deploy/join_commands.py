"""The verbs that add this machine to a cluster and take it out: `wherry join`, `leave`.

Only words and options here; what is done is in `join.py` and `leave.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deploy import host, units
from deploy.discovery import server_url
from deploy.folders import CONFIG_DIR, DATA_DIR, RUN_DIR, ConfigDir, DataDir, RunDir
from deploy.host import Host
from deploy.join import Invitation, address_towards
from deploy.join import join as join_cluster
from deploy.lab_commands import Timeout, problems, say
from deploy.leave import leave as leave_cluster

DockerSocket = Annotated[Path, typer.Option(help="Docker's socket.")]


def join(
    target: Annotated[str, typer.Argument(metavar="HOST:6443", help="The API server.")],
    token: Annotated[str, typer.Option(help="Of `wherry up` or `wherry token create`.")],
    hashes: Annotated[
        list[str] | None,
        typer.Option(
            "--discovery-token-ca-cert-hash", help="sha256:... of the authority's public key."
        ),
    ] = None,
    unsafe: Annotated[
        bool,
        typer.Option(
            "--discovery-token-unsafe-skip-ca-verification",
            help="Believe whoever knows the token.",
        ),
    ] = False,
    config_dir: ConfigDir = CONFIG_DIR,
    data_dir: DataDir = DATA_DIR,
    run_dir: RunDir = RUN_DIR,
    node_name: Annotated[str, typer.Option(help="The node's name; default: the host's.")] = "",
    node_ip: Annotated[str, typer.Option(help="The node's address; default: by route.")] = "",
    docker_socket: DockerSocket = host.DEFAULT_SOCKET,
    systemd: Annotated[
        bool | None,
        typer.Option("--systemd/--no-systemd", help="Hardened systemd units; default: if it runs."),
    ] = None,
    timeout: Timeout = 60.0,
) -> None:
    """Make this machine a node of a cluster; returns once it is Ready."""
    with problems():
        address, _, address6 = (node_ip or address_towards(server_url(target))).partition(",")
        place = Host(
            config_dir, data_dir, run_dir, node_name or host.default_name(), address,
            docker_socket=docker_socket, address6=address6,
        )  # fmt: skip
        if systemd is None:
            systemd = units.BOOTED.exists() and config_dir == CONFIG_DIR
        invited = Invitation(target, token, tuple(hashes or ()), unsafe)
        join_cluster(place, invited, say, timeout, systemd=systemd)
    say(f"this machine is node {place.name} at {place.address}")


def leave(
    config_dir: ConfigDir = CONFIG_DIR,
    data_dir: DataDir = DATA_DIR,
    run_dir: RunDir = RUN_DIR,
    docker_socket: DockerSocket = host.DEFAULT_SOCKET,
    kubeconfig: Annotated[
        Path | None, typer.Option(help="An administrator's, to delete the Node with.")
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds the pods are given to go.")] = 60.0,
    force: Annotated[
        bool, typer.Option("--force", help="Also when the API server is not reached.")
    ] = False,
) -> None:
    """Take this machine out of its cluster and remove everything of it."""
    with problems():
        place = Host(config_dir, data_dir, run_dir, docker_socket=docker_socket)
        leave_cluster(place, say, force=force, drain_seconds=timeout, admin=kubeconfig)
    say("this machine has left")
