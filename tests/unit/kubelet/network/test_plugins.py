"""What a plug-in says when it fails, whose address is whose, and what a pod may ask of its network."""

from pathlib import Path

import pytest

from kubelet.network import leases, namespaces
from kubelet.network.bandwidth import bandwidth
from kubelet.network.plugins import NetworkError, Plugins, failure
from wherry.api.core_v1 import Pod


@pytest.mark.parametrize(
    ("output", "complaint", "text", "code"),
    [
        (b'{"code": 7, "msg": "no luck", "details": "none"}', b"", "no luck; none (code 7)", 7),
        (b'{"code": 11, "msg": "later"}', b"x", "later (code 11)", 11),
        (b'{"msg": "odd"}', b"", "odd", 0),
        (b"", b"panic: oh", "netplugin failed: panic: oh", 0),
        (b"", b"", "netplugin failed with no error message", 0),
        (b"not json", b"", "netplugin failed: not json", 0),
        (b"[]", b"", "netplugin failed: []", 0),
        (b'{"code": "x", "msg": "m"}', b"", 'netplugin failed: {"code": "x", "msg": "m"}', 0),
    ],
)
def test_failures(output, complaint, text, code):
    assert failure(output, complaint) == (text, code)


@pytest.fixture
def plugins(tmp_path):
    def write(name, script):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    write("asks", 'echo "{\\"supportedVersions\\": [\\"1.0.0\\"]}"; echo once >> "$0.asked"')
    write("garbage", "echo not json")
    (tmp_path / "plain").write_text("no program")
    return Plugins([tmp_path])


async def test_versions_are_asked_once_per_file(plugins, tmp_path):
    assert await plugins.versions("asks") == ("1.0.0",)
    assert await plugins.versions("asks") == ("1.0.0",)
    assert (tmp_path / "asks.asked").read_text() == "once\n"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("garbage", r'plugin type="garbage" name="net" failed \(add\): its result is no JSON'),
        ("plain", r'plugin type="plain" name="net" failed \(add\): .*Permission denied'),
        ("absent", "failed to find plugin 'absent' in path"),
    ],
)
async def test_what_is_no_plugin_is_told(plugins, kind, text):
    with pytest.raises(NetworkError, match=text):
        await plugins.run("ADD", kind, "net", b"{}", None)


def test_leases_of_unknown_sandboxes_are_freed(tmp_path):
    folder = tmp_path / "wherry"
    folder.mkdir()
    for address, owner in (("10.0.0.2", "a\r\neth0"), ("10.0.0.3", "b\r\neth0"), ("fd00::2", "")):
        (folder / address).write_text(owner)
    (folder / "last_reserved_ip.0").write_text("10.0.0.3")
    assert leases.held(tmp_path) == {"10.0.0.2": "a", "10.0.0.3": "b", "fd00::2": ""}
    assert leases.release(tmp_path, {"a"}) == ["10.0.0.3", "fd00::2"]
    assert leases.held(tmp_path) == {"10.0.0.2": "a"}
    assert leases.release(tmp_path, {"a"}) == []
    assert (folder / "last_reserved_ip.0").exists()


TRIE = """Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.244.1.0/24 2 0 2
        |-- 10.244.1.0
           /24 link UNICAST
        |-- 10.244.1.7
           /32 host LOCAL
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
Local:
        |-- 10.244.1.7
           /32 host LOCAL
"""
SIX = """fe800000000000000000000000000001 02 40 20 80 eth0
fd000000000000000000000000000007 02 40 00 80 eth0
fd000000000000000000000000000009 03 40 00 80 other
00000000000000000000000000000001 01 80 10 80 lo
"""


def test_addresses_are_read_off_the_kernel(tmp_path):
    net = tmp_path / "7" / "net"
    net.mkdir(parents=True)
    (net / "fib_trie").write_text(TRIE)
    assert namespaces.addresses(7, "eth0", tmp_path) == ["10.244.1.7"]
    (net / "if_inet6").write_text(SIX)
    assert namespaces.addresses(7, "eth0", tmp_path) == ["10.244.1.7", "fd00::7"]
    assert namespaces.addresses(8, "eth0", tmp_path) == []
    assert namespaces.addresses(1, "eth0", Path("/nowhere")) == []


def annotated(**annotations):
    named = {f"kubernetes.io/{way}-bandwidth": text for way, text in annotations.items()}
    return Pod.from_wire({"metadata": {"name": "p", "annotations": named}})


def test_bandwidth():
    assert bandwidth(annotated()) is None
    found = bandwidth(annotated(ingress="1M", egress="10k"))
    assert (found["ingressRate"], found["egressRate"]) == (1_000_000, 10_000)
    for text, words in (("1", "small"), ("10P", "large"), ("x", "quantities")):
        with pytest.raises(NetworkError, match=words):
            bandwidth(annotated(ingress=text))
