"""Which network is chosen and what its plug-ins are told."""

import json
from pathlib import Path

import pytest

from kubelet.network import conf

LIST = {"name": "corp", "cniVersion": "1.0.0", "plugins": [{"type": "ptp"}, {"type": "tuning"}]}


def test_the_first_file_wins(tmp_path):
    (tmp_path / "20-b.conflist").write_text(json.dumps(LIST | {"name": "b"}))
    (tmp_path / "10-a.conf").write_text(json.dumps({"name": "a", "type": "macvlan"}))
    (tmp_path / "00-readme.txt").write_text("no configuration")
    found = conf.load(tmp_path)
    assert (found.name, [p["type"] for p in found.plugins]) == ("a", ["macvlan"])


def test_a_half_written_file_is_passed_over_and_named_when_there_is_no_other(tmp_path):
    (tmp_path / "10-a.conflist").write_text('{"name": "a", "plug')
    with pytest.raises(conf.ConfigurationError, match=r"10-a\.conflist"):
        conf.load(tmp_path)
    (tmp_path / "20-b.conflist").write_text(json.dumps(LIST))
    assert conf.load(tmp_path).name == "corp"


def test_versions_and_what_is_switched_off():
    tree = LIST | {"cniVersions": ["0.3.1", "1.1.0", "9.0.0"], "disableCheck": True}
    found = conf.parse(json.dumps(tree).encode(), "x")
    assert found.versions == ("1.1.0", "1.0.0", "0.3.1")
    assert (found.checks, found.collects, found.speaks("0.4.0")) == (False, True, True)
    old = conf.parse(json.dumps(LIST | {"cniVersion": "0.3.1"}).encode(), "x")
    assert not old.speaks("0.4.0")
    assert not conf.parse(json.dumps(LIST | {"cniVersion": "x"}).encode(), "x").speaks("0.1.0")


def test_none(tmp_path):
    assert conf.load(tmp_path) is None
    assert conf.load(tmp_path / "absent") is None


@pytest.mark.parametrize(
    "text",
    [
        b"{",
        b"{}",
        b"[]",
        b"7",
        b'{"name": "x"}',
        b'{"name": "x", "plugins": [{}]}',
        b'{"name": 1, "type": "x"}',
    ],
)
def test_a_wrong_file_is_an_error(text):
    with pytest.raises(conf.ConfigurationError, match="10-x"):
        conf.parse(text, "10-x")


def test_request():
    assert len(conf.default(["10.244.1.0/24"], Path("/state"), host_ports=False).plugins) == 1
    network = conf.default(["10.244.1.0/24"], Path("/state"), host_ports=True)
    bridge, portmap = network.plugins
    ports = [{"hostPort": 80, "containerPort": 8080, "protocol": "tcp"}]
    told = json.loads(conf.request(network, bridge, None, {"portMappings": ports}))
    assert told["ipam"]["ranges"] == [[{"subnet": "10.244.1.0/24"}]]
    assert (told["name"], told["ipMasq"], "runtimeConfig" in told) == ("wherry", False, False)
    more = {"portMappings": ports, "bandwidth": {"ingressRate": 1}, "ipRanges": []}
    told = json.loads(conf.request(network, portmap, {"ips": []}, more))
    assert told["prevResult"] == {"ips": []}
    assert told["runtimeConfig"] == {"portMappings": ports}
    assert "capabilities" not in told


def test_addresses():
    assert conf.addresses({"ips": [{"address": "10.0.0.2/24"}, {"address": "fd::2/64"}]}) == [
        "10.0.0.2",
        "fd::2",
    ]


def test_a_dual_stack_node_gives_pods_an_address_of_each_family() -> None:
    made = conf.default(
        ["10.244.1.0/24", "fd10:0:0:1::/64"], Path("/state"), host_ports=False, mtu=1450
    )
    [bridge] = made.plugins
    assert bridge["mtu"] == 1450
    assert bridge["ipam"]["ranges"] == [
        [{"subnet": "10.244.1.0/24"}],
        [{"subnet": "fd10:0:0:1::/64"}],
    ]
    assert bridge["ipam"]["routes"] == [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]
