"""`wherry join`: this machine becomes a node of a cluster that knows nothing of it but a token.

Everything that can be wrong is found out before anything is written: the authority and the clock, the
token, the node's name, versions, networks that clash; then what is missing here is installed. Then the node's certificate is asked for with
the token, the proxy's with the node's; the token itself is kept nowhere.

A machine that has joined already may join again, with its old key or (when its Node is silent) a new
one: after its address changed, after it was installed anew.

Source: cmd/kubeadm/app/cmd/join.go and its phases.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from deploy import csr, facts, launch, ranges, units
from deploy.cleanup import remove_tree
from deploy.discovery import (
    NEW_TOKEN,
    Cluster,
    check_hashes,
    connection,
    discover,
    reason,
    server_url,
)
from deploy.engine import engine_answers
from deploy.files import write_public
from deploy.host import Host, down, start_foreign_engine, stop
from deploy.member import Member, is_good
from deploy.nodes import MERGE, connect
from deploy.pki import KeyPair
from deploy.preflight import Problem, need_free_port, need_programs, need_root
from deploy.remembered import Words, agree
from deploy.spec import Plan
from deploy.tokens import Token, key_hashes
from wherry import KUBERNETES_VERSION

PROGRAMS: Final = ("nft", "iptables", "conntrack", "ip")
PORTS: Final = {10250: "kubelet", 10248: "kubelet's health", 10256: "proxy's health"}
INSTALLER: Final = Path(__file__).with_name("packages.sh")
INSTALL_SECONDS_MAX: Final = 900.0
POLL_SECONDS: Final = 0.1
MINORS_BEHIND_MAX: Final = 3  # upstream's version skew policy
LEFT: Final = "wherry.io/left"  # annotates the Node of a machine that left and could not delete it
NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Invitation:
    """What a person was told to type."""

    target: str
    token: str
    hashes: Sequence[str] = ()
    unsafe: bool = False


def join(
    host: Host, invited: Invitation, say: Say, timeout_seconds: float, *, systemd: bool = False
) -> None:
    """Make this machine a node; return once it is Ready. Problem with the cause if it can't be."""
    need_root()
    began = time.monotonic()
    check_hashes(invited.hashes, unsafe=invited.unsafe)
    try:
        token = Token.parse(invited.token)
    except ValueError as error:
        raise Problem(
            "the token is none: it must look like abcdef.0123456789abcdef", NEW_TOKEN
        ) from error
    server = server_url(invited.target)
    before = Member.read(host.config_dir)
    _check_machine(host, before)
    cluster = discover(server, token, invited.hashes)
    if before is not None:
        check_same_cluster(before, cluster)
    member = _asked(host, cluster, token, before)
    say(f"  {'cluster':<24} found after {time.monotonic() - began:4.1f} s: {cluster.server}")
    _become(host, member, before, say, timeout_seconds, systemd=systemd)
    say(f"  {'node/' + host.name:<24} Ready after {time.monotonic() - began:4.1f} s")


def resume(
    host: Host, words: Words, say: Say, timeout_seconds: float, *, systemd: bool = False
) -> bool:
    """Start the daemons of a machine that has joined, if they do not run; False when it has not.

    words: of `up`; Problem when they say another network than the cluster's
    """
    member = Member.read(host.config_dir)
    if member is None:
        return False
    need_root()
    agree(member.facts.network, words, end="wherry leave")
    if launch.read_state(host.state) is None and not host.systemd_plan.exists():
        start(host, member, say, timeout_seconds, systemd=systemd)
    wait_ready(member, timeout_seconds)
    say(f"node {member.node.name} is up in the cluster at {member.server}")
    return True


# --- before anything is written


def _check_machine(host: Host, before: Member | None) -> None:
    if not NAME.fullmatch(host.name) or len(host.name) > 253:
        raise Problem(f'"{host.name}" is no name for a node', "wherry join ... --node-name NAME")
    if (host.config_dir / "pki" / "ca.key").exists():
        raise Problem("this machine runs a cluster of its own", "wherry down --purge")
    if before is None:
        for port, what in PORTS.items():
            need_free_port(port, what)


def install_missing(docker_socket: Path) -> None:
    """Install the packages a node needs; Problem when that fails or does not help."""
    wanted = PROGRAMS if engine_answers(docker_socket) else (*PROGRAMS, "dockerd")
    try:
        need_programs(wanted)
        return
    except Problem as problem:
        lacking = problem
    if shutil.which("apt-get") is None:
        raise lacking
    done = subprocess.run(
        (str(INSTALLER), "node"), capture_output=True, text=True, check=False,
        timeout=INSTALL_SECONDS_MAX,
    )  # fmt: skip
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip().splitlines()
        raise Problem(f"{lacking.cause}; {words[-1] if words else 'apt-get failed'}", lacking.fix)
    need_programs(wanted)


def check_same_cluster(before: Member, cluster: Cluster) -> None:
    """Problem when this machine is a node of another cluster, with which it shares no authority."""
    held = before.ca.read_bytes() if before.ca.exists() else b""
    if held and not set(key_hashes(held)) & set(key_hashes(cluster.ca)):
        raise Problem(
            f"this machine is node {before.node.name} of the cluster at {before.server}",
            "wherry leave",
        )


def skew_problem(ours: str, theirs: str) -> Problem | None:
    """Whether a node of our version may be in a cluster of theirs (`v1.36.2`)."""
    mine, other = (re.match(r"v?(\d+)\.(\d+)", text) for text in (ours, theirs))
    if mine is None or other is None:
        return Problem(f'the API server says a version that is none: "{theirs}"', "wherry version")
    behind = int(other[2]) - int(mine[2])
    if mine[1] == other[1] and 0 <= behind <= MINORS_BEHIND_MAX:
        return None
    return Problem(
        f"a node of version {ours} can't join an API server of version {theirs}",
        "install the cluster's version of wherry on this machine",
    )


def name_problem(name: str, status: int, node: Any) -> Problem | None:
    """What a token's question for the Node of our name has shown. `node`: its tree, if there is one."""
    if status in (401, 403):
        return Problem(
            "the token is not one by which machines join: it has expired, is revoked or is for "
            "something else",
            NEW_TOKEN,
        )
    if status == 404:
        return None
    if status != 200:
        return Problem(f"the API server does not say who is there (status {status})", "try again")
    if not _is_ready(node.get("status") or {}):
        return None  # a machine that comes back, or its successor
    return Problem(
        f"the name is taken: node {name} is there and Ready",
        f"--node-name OTHER, or, if it is to go: wherry delete node {name}",
    )


def _asked(host: Host, cluster: Cluster, token: Token, before: Member | None) -> Member:
    """Ask as the token's user; the member this machine is to be, with its identity on disk."""
    bearer = {"Authorization": f"Bearer {token}"}
    with connection(cluster.server, cluster.ca, bearer) as client:
        try:
            version = client.get("/version").raise_for_status().json()["gitVersion"]
            answer = client.get(f"/api/v1/nodes/{host.name}")
            config = client.get(facts.PATH)
        except (httpx.HTTPError, KeyError, ValueError) as error:
            raise Problem(f"the API server can't be asked: {reason(error)}", "try again") from error
        problem = skew_problem(KUBERNETES_VERSION, version)
        if problem is not None:
            raise problem
        keeps = before is not None and _keeps_key(before, host.name, cluster)
        problem = name_problem(host.name, answer.status_code, _tree(answer))
        if problem is not None and not (keeps and answer.status_code == 200):
            raise problem
        known = _facts(config)
        install_missing(host.docker_socket)
        if before is not None:
            own = before.node.own_engine
        else:
            ranges.need_room(known.network, "join another machine, or free that network")
            own = not start_foreign_engine(host.docker_socket)
        node = host.machine(own_engine=own)
        address, address6 = ranges.node_addresses(node.addresses, known.network)
        node = replace(node, address=address, address6=address6)
        member = Member(cluster.server, node, known)
        pair = None
        if not keeps:
            pair = csr.obtain(client, csr.KUBELET_CLIENT, member.kubelet_subject)
    return _identify(host, member, pair, cluster, before)


def _tree(answer: httpx.Response) -> Any:
    return answer.json() if answer.status_code == 200 else None


def _facts(answer: httpx.Response) -> facts.Facts:
    try:
        return facts.read(answer.raise_for_status().json())
    except (httpx.HTTPStatusError, ValueError) as error:
        raise Problem(
            f"the cluster does not say what a node must know ({facts.NAMESPACE}/{facts.NAME})",
            "wherry up   # on the first machine, with this version",
        ) from error


def _keeps_key(before: Member, name: str, cluster: Cluster) -> bool:
    """Whether this machine still proves to be this node to this cluster."""
    pair = KeyPair(before.kubelet_pair, before.kubelet_pair)
    good = before.node.name == name and is_good(pair, before.kubelet_subject, before.ca)
    return good and before.ca.read_bytes().strip() == cluster.ca.strip()


# --- what is written


def _identify(
    host: Host, member: Member, pair: csr.Pair | None, cluster: Cluster, before: Member | None
) -> Member:
    """Put the node's files in place, and get its proxy's."""
    try:
        for folder in (host.config_dir, host.data_dir):
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        (member.node.directory / "kubelet").mkdir(mode=0o750, parents=True, exist_ok=True)
        if pair is not None:
            member.write_kubelet(pair, cluster.ca)
        else:
            member.write_kubeconfig()
        with connect(member.kubeconfig) as client:
            member.write_proxy(csr.obtain(client, csr.PROXY_CLIENT, member.proxy_subject))
    except BaseException:
        if before is None:
            forget(host)
        raise
    return member


def forget(host: Host) -> None:
    """Remove every file of a membership."""
    for folder in (host.run_dir, host.data_dir, host.config_dir):
        remove_tree(folder)


def _become(
    host: Host,
    member: Member,
    before: Member | None,
    say: Say,
    timeout_seconds: float,
    *,
    systemd: bool,
) -> None:
    """Run the daemons until the node is Ready; what a first try that fails has done is undone: also
    the engine's and the proxy's rules."""
    try:
        member.write(host.config_dir)
        stop(host)
        start(host, member, say, timeout_seconds, systemd=systemd)
    except BaseException:
        if before is None:
            with suppress(Problem):  # what went wrong first is what is told
                down(host, purge=True, say=lambda text: None)
        raise


def start(
    host: Host, member: Member, say: Say, timeout_seconds: float, *, systemd: bool = False
) -> None:
    """Start a member's daemons and return once its node is Ready."""
    plan = member.plan(host.state, host.config_dir)
    if systemd:
        units.need_systemd()
        write_public(host.systemd_plan, plan.to_json().encode())
        units.install(plan, [str(member.pki), str(member.node.directory)])
        units.wait_ready(plan, say, timeout_seconds)
    else:
        launch.start(plan, host.plan_file, host.log_dir / "supervisor.log")
        launch.wait_ready(Plan.read(host.plan_file), say, timeout_seconds)
    wait_ready(member, timeout_seconds)


def wait_ready(member: Member, timeout_seconds: float) -> None:
    """Return once the node is Ready at its address, and take back what an earlier `leave` did to it."""
    path, deadline = f"/api/v1/nodes/{member.node.name}", time.monotonic() + timeout_seconds
    with connect(member.kubeconfig) as client:
        while True:
            try:
                node = client.get(path).raise_for_status().json()
            except httpx.HTTPError:
                node = {}  # not there yet; the deadline below bounds it
            if is_there(node, member.node.address):
                break
            if time.monotonic() > deadline:
                raise Problem(
                    f"node {member.node.name} is not Ready after {timeout_seconds:.0f} s",
                    f"read {member.node.log_dir / 'kubelet.log'}",
                )
            time.sleep(POLL_SECONDS)
        if LEFT in (node["metadata"].get("annotations") or {}):
            patch = {"metadata": {"annotations": {LEFT: None}}, "spec": {"unschedulable": None}}
            client.patch(path, json=patch, headers=MERGE).raise_for_status()


def is_there(node: dict[str, Any], address: str) -> bool:
    """Whether a Node is Ready at this address."""
    status = node.get("status") or {}
    here = any(one["address"] == address for one in status.get("addresses") or ())
    return here and _is_ready(status)


def _is_ready(status: dict[str, Any]) -> bool:
    conditions = status.get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def address_towards(server: str) -> str:
    """The address this machine reaches a server from; Problem when there is no way to it.

    No packet is sent: connecting a datagram socket only asks the routing table.
    """
    place = urlsplit(server)
    try:
        family, _, _, _, where = socket.getaddrinfo(
            place.hostname, place.port, type=socket.SOCK_DGRAM
        )[0]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(where)
            return str(probe.getsockname()[0])
    except OSError as error:
        words = (error.strerror or str(error)).lower()
        raise Problem(
            f"there is no way from here to {place.hostname}: {words}", "wherry join HOST:6443 ..."
        ) from error
