import json
from pathlib import Path

from deploy.cluster import ControlPlane, Machine, control_plane, machine
from deploy.pki import ensure_authority
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


def test_the_control_plane_is_etcd_and_four_daemons_that_ask_the_api_server(tmp_path: Path) -> None:
    place = ControlPlane("10.1.2.3", tmp_path, tmp_path / "data", tmp_path / "logs")
    daemons = control_plane(place)
    assert [d.name for d in daemons] == [
        "etcd", "apiserver", "scheduler", "controller-manager", "dns",
    ]  # fmt: skip
    assert (tmp_path / "admin.kubeconfig").exists()
    for daemon in daemons[2:]:
        (flag,) = [word for word in daemon.command if word.startswith("--kubeconfig=")]
        assert Path(flag.partition("=")[2]).exists()


def test_a_kubelet_waits_for_its_own_engine_only(tmp_path: Path) -> None:
    place = ControlPlane("10.1.2.3", tmp_path, tmp_path / "data", tmp_path / "logs")
    authority = ensure_authority(place.pki)
    own = machine(_machine(tmp_path, own_engine=True), place, authority)
    assert [d.name for d in own] == ["dockerd", "kubelet", "proxy"]
    assert own[1].after == ("dockerd",)
    foreign = machine(_machine(tmp_path, own_engine=False), place, authority)
    assert [d.name for d in foreign] == ["kubelet", "proxy"]
    assert foreign[0].after == ()


def test_lab_machines_share_a_supervisor_under_their_names(tmp_path: Path) -> None:
    place = ControlPlane("10.1.2.3", tmp_path, tmp_path / "data", tmp_path / "logs", "hub")
    node = _machine(tmp_path, own_engine=True, namespace="hub-node1")
    daemons = machine(node, place, ensure_authority(place.pki))
    assert [d.name for d in daemons] == ["node1/dockerd", "node1/kubelet", "node1/proxy"]
    assert {d.namespace for d in daemons} == {"hub-node1"}
    json.loads(Plan(daemons, "s").to_json())
