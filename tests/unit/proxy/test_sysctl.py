"""Kernel settings, on a folder that looks like /proc/sys."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from proxy.sysctl import ensure_settings

FILES = {
    "net/ipv4/ip_forward": "0",
    "net/ipv4/conf/all/route_localnet": "0",
    "net/bridge/bridge-nf-call-iptables": "1",
    "net/bridge/bridge-nf-call-ip6tables": "0",
    "net/ipv6/conf/all/forwarding": "0",
    "net/ipv6/conf/all/accept_ra": "1",
    "net/ipv6/conf/eth0/accept_ra": "1",
    "net/ipv6/conf/eth1/accept_ra": "0",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, value in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{value}\n")
    return tmp_path


def read(root: Path) -> dict[str, str]:
    return {name: (root / name).read_text().strip() for name in FILES}


async def test_a_cluster_without_ipv6_leaves_it_alone(root: Path) -> None:
    assert await ensure_settings(root) == []
    found = read(root)
    assert (found["net/ipv4/ip_forward"], found["net/ipv4/conf/all/route_localnet"]) == ("1", "1")
    assert {name: value for name, value in found.items() if "6" in name} == {
        name: value for name, value in FILES.items() if "6" in name
    }


async def test_a_machine_that_forwards_ipv6_goes_on_hearing_routers(root: Path) -> None:
    assert await ensure_settings(root, ipv6=True) == []
    found = read(root)
    assert found["net/ipv6/conf/all/forwarding"] == "1"
    assert found["net/bridge/bridge-nf-call-ip6tables"] == "1"
    assert [found[f"net/ipv6/conf/{one}/accept_ra"] for one in ("all", "eth0", "eth1")] == [
        "2", "2", "0",
    ]  # fmt: skip
    (root / "net/ipv6/conf/eth0/accept_ra").write_text("1")
    assert await ensure_settings(root, ipv6=True) == []
    assert read(root)["net/ipv6/conf/eth0/accept_ra"] == "1", "who forwards already has decided"


async def test_what_cannot_be_set_is_said(root: Path) -> None:
    (root / "net/ipv6/conf/all/forwarding").unlink()
    [problem] = await ensure_settings(root, ipv6=True)
    assert problem.startswith("net.ipv6.conf.all.forwarding cannot be set to 1")


async def test_a_kernel_without_ipv6_is_named_and_the_rest_is_done(root: Path) -> None:
    shutil.rmtree(root / "net/ipv6")
    problems = await ensure_settings(root, ipv6=True)
    [problem] = [one for one in problems if one.startswith("net.ipv6.conf.all.forwarding")]
    assert "this kernel has no" in problem
    assert read_one(root, "net/ipv4/ip_forward") == "1"


def read_one(root: Path, name: str) -> str:
    return (root / name).read_text().strip()
