import json
from pathlib import Path

from deploy.cluster import control_plane, machine
from deploy.cluster_pki import inventory
from deploy.places import ControlPlane, Machine
from deploy.spec import Daemon, Plan, Ready


def _machine(tmp_path: Path, **more: object) -> Machine:
    return Machine(
        "node1", "10.1.2.3", tmp_path / "node1", tmp_path / "logs", tmp_path / "run",
        tmp_path / "docker.sock", **more,
    )  # fmt: skip


def test_a_plan_survives_its_file(tmp_path: Path) -> None:
    daemons = (
        Daemon("a", ("x", "y"), "/l", {"K": "v"}, "ns", Ready("h:1", ca="-"), ("b",), ("z",), 3.0),
        Daemon("b", ("x",), "/l"),
    )
    plan = Plan(daemons, str(tmp_path / "state.json"))
    file = tmp_path / "plan.json"
    file.write_text(plan.to_json())
    assert Plan.read(file) == plan


def test_a_daemon_of_a_namespace_is_entered_by_nsenter() -> None:
    assert Daemon("a", ("x",), "/l", namespace="n").argv() == ("nsenter", "--net=/run/netns/n", "x")
    assert Daemon("a", ("x",), "/l").argv() == ("x",)


def test_a_daemon_with_a_user_gives_up_what_root_could_do() -> None:
    words = Daemon("a", ("x",), "/l", user="u", capabilities=("net_bind_service",)).argv()
    assert words[0] == "setpriv"
    assert words[-2:] == ("--", "x")
    assert "--reuid=u" in words
    assert "--no-new-privs" in words
    assert "--bounding-set=-all,+net_bind_service" in words
    inside = Daemon("a", ("x",), "/l", user="u", namespace="n").argv()
    assert inside[:3] == ("nsenter", "--net=/run/netns/n", "setpriv")


def test_only_the_dns_server_keeps_a_capability_and_nobody_of_the_control_plane_is_root(
    tmp_path: Path,
) -> None:
    place = ControlPlane("10.1.2.3", tmp_path, tmp_path, tmp_path, unprivileged=True)
    daemons = control_plane(place)
    users = [d.user for d in daemons]
    assert len(set(users)) == len(users)
    assert "" not in users
    assert {d.name: d.capabilities for d in daemons if d.capabilities} == {
        "dns": ("net_bind_service",)
    }


def test_a_daemon_reads_its_own_keys_only(tmp_path: Path) -> None:
    place = ControlPlane("10.1.2.3", tmp_path, tmp_path, tmp_path, unprivileged=True)
    specs = inventory(place).certificates
    owners = {f"{spec.stem}.key": spec.owner for spec in specs}
    for daemon in control_plane(place):
        for word in daemon.command:
            path = word.partition("=")[2]
            if path in owners:
                assert owners[path] == daemon.user, word


def test_the_control_plane_is_etcd_and_four_daemons_that_ask_the_api_server(tmp_path: Path) -> None:
    place = ControlPlane("10.1.2.3", tmp_path, tmp_path / "data", tmp_path / "logs")
    daemons = control_plane(place)
    assert [d.name for d in daemons] == [
        "etcd", "apiserver", "scheduler", "controller-manager", "dns",
    ]  # fmt: skip
    known = {
        spec.kubeconfig.path
        for spec in inventory(place).certificates
        if spec.kubeconfig is not None
    }
    for daemon in daemons[2:]:
        (flag,) = [word for word in daemon.command if word.startswith("--kubeconfig=")]
        assert flag.partition("=")[2] in known


def test_a_kubelet_waits_for_its_own_engine_only(tmp_path: Path) -> None:
    place = ControlPlane("10.1.2.3", tmp_path, tmp_path / "data", tmp_path / "logs")
    own = machine(_machine(tmp_path, own_engine=True), place)
    assert [d.name for d in own] == ["dockerd", "kubelet", "proxy"]
    assert own[1].after == ("dockerd",)
    foreign = machine(_machine(tmp_path, own_engine=False), place)
    assert [d.name for d in foreign] == ["kubelet", "proxy"]
    assert foreign[0].after == ()


def test_lab_machines_share_a_supervisor_under_their_names(tmp_path: Path) -> None:
    place = ControlPlane("10.1.2.3", tmp_path, tmp_path / "data", tmp_path / "logs", "hub")
    node = _machine(tmp_path, own_engine=True, namespace="hub-node1")
    daemons = machine(node, place)
    assert [d.name for d in daemons] == ["node1/dockerd", "node1/kubelet", "node1/proxy"]
    assert {d.namespace for d in daemons} == {"hub-node1"}
    json.loads(Plan(daemons, "s").to_json())
