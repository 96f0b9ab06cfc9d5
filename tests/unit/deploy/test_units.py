"""Units are written, started, replaced by a later plan's and taken away; a stand-in plays systemctl."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from deploy import units
from deploy.cluster import control_plane
from deploy.cluster_pki import inventory
from deploy.places import ControlPlane
from deploy.preflight import Problem
from deploy.spec import Plan
from deploy.systemd import certificate_folders


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What systemctl was asked for, a line a call; it fails when asked for `start` of a bad target."""
    log, folder = tmp_path / "calls", tmp_path / "bin"
    folder.mkdir()
    log.touch()
    stand_in = folder / "systemctl"
    stand_in.write_text(f'#!/bin/sh\necho "$@" >>{log}\ntest ! -e {tmp_path}/broken\n')
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return log


def test_units_come_and_go(calls: Path, tmp_path: Path) -> None:
    place = ControlPlane("10.1.2.3", tmp_path, tmp_path, tmp_path, unprivileged=True)
    made, folder = inventory(place), tmp_path / "system"
    folder.mkdir()
    (folder / "other.service").write_text("somebody else's")
    plan = Plan(control_plane(place), "", str(made.file))
    units.install(plan, certificate_folders(made), folder)
    names = {one.name for one in units.written(folder)}
    assert {"wherry.target", "wherry-dns.service", "wherry-certificates.timer"} <= names
    asked = calls.read_text().splitlines()
    assert asked[0] == "daemon-reload"
    assert asked[-1] == "start wherry.target"

    fewer = replace(plan, daemons=plan.daemons[:-1])
    units.install(fewer, certificate_folders(made), folder)
    assert names - {one.name for one in units.written(folder)} == {"wherry-dns.service"}
    assert "disable --now wherry-dns.service" in calls.read_text()

    assert units.remove(folder)
    assert [one.name for one in folder.iterdir()] == ["other.service"]
    assert not units.remove(folder)


def test_what_systemctl_says_is_passed_on(calls: Path, tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    with pytest.raises(Problem, match="systemctl start x"):
        units.systemctl("start", "x")
    units.systemctl("stop", "x", check=False)
