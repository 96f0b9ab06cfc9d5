"""Units that systemd itself finds sound, and that close what a daemon does not need."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.cluster import control_plane, machine
from deploy.cluster_pki import inventory
from deploy.places import ControlPlane, Machine
from deploy.spec import Daemon, Plan
from deploy.systemd import SEARCH_PATH, certificate_folders, quoted, service, unit_name, units

EXPOSURE_MAX = 3.0  # systemd-analyze's score of a control-plane daemon: 10 is open, 0 is closed


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    place = ControlPlane(
        "10.1.2.3", tmp_path / "etc", tmp_path / "var", tmp_path / "log", unprivileged=True,
        reveal=(("/root", ("/root/python",)),),
    )  # fmt: skip
    node = Machine(
        "n1", "10.1.2.3", tmp_path / "node", tmp_path / "log", tmp_path / "run",
        Path("/run/docker.sock"), own_engine=False,
    )  # fmt: skip
    made = inventory(place, (node,))
    return Plan(control_plane(place) + machine(node, place), "", str(made.file), 600.0)


def settings(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals:
            found.setdefault(name, []).append(value)
    return found


def test_every_daemon_has_a_unit_and_certificates_a_timer(plan: Plan) -> None:
    found = units(plan, ("/etc/wherry",))
    for daemon in plan.daemons:
        unit = settings(found[unit_name(daemon.name)])
        assert unit["Restart"] == ["always"]
        assert unit["PartOf"] == ["wherry.target"]
    assert settings(found["wherry-certificates.timer"])["OnUnitActiveSec"] == ["600"]
    files = settings(found["wherry-etcd-files.path"])["PathChanged"]
    assert [Path(one).name for one in files] == ["ca.crt"]


def test_the_control_plane_is_closed(plan: Plan) -> None:
    for daemon in plan.daemons[:5]:
        unit = settings(service(daemon))
        assert unit["User"] == [daemon.user]
        wanted = ["CAP_NET_BIND_SERVICE"] if daemon.name == "dns" else [""]
        assert unit["CapabilityBoundingSet"] == wanted
        assert unit["AmbientCapabilities"] == wanted
        assert unit["NoNewPrivileges"] == ["yes"]
        assert unit["ProtectSystem"] == ["strict"]
        assert unit["BindReadOnlyPaths"] == ["/root/python"]
        assert "nsenter" not in unit["ExecStart"][0]
        assert "setpriv" not in unit["ExecStart"][0]
    etcd = settings(service(plan.daemons[0]))
    assert etcd["MemoryDenyWriteExecute"] == ["yes"]
    assert [Path(one).name for one in etcd["ReadWritePaths"]] == ["etcd"]


def test_a_kubelet_shares_the_machines_mounts(plan: Plan) -> None:
    """Any of these gives a service a mount namespace, and containers an empty volume."""
    unit = settings(service(next(d for d in plan.daemons if d.name == "kubelet")))
    private = (
        "Protect",
        "Private",
        "ReadWritePaths",
        "ReadOnly",
        "Inaccessible",
        "Bind",
        "Temporary",
    )
    assert [name for name in unit if name.startswith(private)] == []


def test_commands_are_taken_literally() -> None:
    assert quoted(["/a", "--x=1 2", "50%", "$HOME", 'say "hi"', ""]) == (
        '/a "--x=1 2" 50%% $$HOME "say \\"hi\\"" ""'
    )
    text = service(Daemon("x", ("env", "a b"), "/l", {"K": "v w"}))
    assert f'ExecStart={shutil.which("env", path=SEARCH_PATH)} "a b"' in text
    assert 'Environment="K=v w"' in text


def test_the_keeper_may_write_where_certificates_are(tmp_path: Path) -> None:
    place = ControlPlane("10.1.2.3", tmp_path, tmp_path, tmp_path)
    folders = certificate_folders(inventory(place))
    assert folders == sorted(str(one) for one in (tmp_path, place.pki, place.pki / "etcd"))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_systemd_finds_them_sound(
    plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "units"
    folder.mkdir()
    # What is started must exist for it to be content.
    daemons = tuple(
        replace(d, command=("/bin/true", *d.command[1:]), before_stop=()) for d in plan.daemons
    )
    texts = units(replace(plan, daemons=daemons), ("/etc",))
    for name, text in texts.items():
        (folder / name).write_text(text)
    done = subprocess.run(
        ("systemd-analyze", "verify", "--man=no", *(str(folder / name) for name in texts)),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    ours = [line for line in done.stderr.splitlines() if "wherry" in line]
    assert ours == []
    for daemon in plan.daemons:
        score = _exposure(folder / unit_name(daemon.name))
        with capsys.disabled():
            print(f"\n  exposure of {daemon.name}: {score:.1f}", end="")
        if daemon.user:
            assert score <= EXPOSURE_MAX


def _exposure(unit: Path) -> float:
    done = subprocess.run(
        ("systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    words = next(line for line in done.stdout.splitlines() if "Overall exposure" in line)
    return float(words.split(":")[1].split()[0])
