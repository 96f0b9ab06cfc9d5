"""What people see of certificates, and ask for."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.main import run
from deploy import certs, keeper
from deploy.cluster_pki import inventory
from deploy.inventory import Inventory
from deploy.places import ControlPlane
from deploy.preflight import Problem

NOW = datetime.now(UTC)


@pytest.fixture
def made(tmp_path: Path) -> Inventory:
    found = inventory(ControlPlane("10.1.2.3", tmp_path, tmp_path, tmp_path))
    keeper.advance(found, NOW)
    found.write()
    return found


def row(found: Inventory, name: str, now: datetime = NOW) -> certs.Row:
    return next(one for one in certs.rows(found, now) if one.name == name)


def test_rows_say_who_until_when_and_where(made: Inventory) -> None:
    admin = row(made, "admin")
    assert (admin.user, admin.groups) == ("kubernetes-admin", ("system:masters",))
    assert admin.days == pytest.approx(365, abs=0.1)
    assert row(made, "admin", NOW + timedelta(days=400)).days == pytest.approx(-35, abs=0.1)
    api = row(made, "apiserver")
    assert api.kind == "server"
    assert {"kubernetes.default.svc", "10.1.2.3", "10.96.0.1"} <= set(api.names)
    assert row(made, "etcd-ca").kind == "authority"
    made.authority("etcd-ca").key.unlink()  # or not readable for who asks
    assert row(made, "etcd-ca").days == pytest.approx(3650, abs=0.1)
    Path(admin.file).write_text("nonsense")
    assert row(made, "admin").days is None


def test_renewing_by_name_and_an_authority_once_at_a_time(made: Inventory) -> None:
    said: list[str] = []
    certs.renew(made, ["dns"], NOW, said.append)
    assert said == ["dns: issued"]
    certs.renew(made, ["front-proxy-ca"], NOW, said.append)
    assert "a successor is trusted beside it" in said[-1]
    assert row(made, "front-proxy-ca").phase == "announced"
    with pytest.raises(Problem, match="being replaced already"):
        certs.renew(made, [], NOW, said.append, authorities=True)
    with pytest.raises(Problem, match="no certificate nobody"):
        certs.renew(made, ["nobody"], NOW, said.append)


def test_a_key_is_renewed_when_named_and_its_predecessor_ended(made: Inventory) -> None:
    said: list[str] = []
    certs.renew(made, [], NOW, said.append, authorities=True)
    assert not any(one.startswith("sa:") for one in said)
    with pytest.raises(Problem, match="no predecessor"):
        certs.end(made, "sa", NOW, said.append)
    certs.renew(made, ["sa"], NOW, said.append)
    assert "a successor is trusted beside it" in said[-1]
    assert (row(made, "sa").kind, row(made, "sa").phase) == ("key", "announced")
    said.clear()
    keeper.advance(made, NOW + timedelta(hours=2), say=said.append)
    assert "sa: the successor signs; in 365 days the old one is trusted no longer" in said
    said.clear()
    certs.end(made, "sa", NOW + timedelta(hours=2), said.append)
    assert said == ["sa: the old one is trusted no longer"]
    with pytest.raises(Problem, match="no authority or key dns"):
        certs.end(made, "dns", NOW, said.append)


def test_the_command_lists_them(made: Inventory, capsys: pytest.CaptureFixture[str]) -> None:
    folder = f"--config-dir={Path(made.directory).parent}"
    run(["certs", folder])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["NAME", "KIND", "DAYS", "USER", "GROUPS", "CA"]
    assert any(line.split()[:4] == ["dns", "client", "365", "system:dns"] for line in lines)
    assert lines[-1].split() == ["sa", "key", "-", "-", "-", "-"]
    run(["certs", folder, "-o", "json"])
    found = json.loads(capsys.readouterr().out)["certificates"]
    assert {one["name"] for one in found} >= {"ca", "admin", "etcd-server"}
    run(["certs", "renew", "scheduler", folder])
    assert capsys.readouterr().err == "scheduler: issued\n"
