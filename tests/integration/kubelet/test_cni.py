"""CNI with the real plug-ins, in a machine's namespace."""

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from kubelet import sandbox_image
from kubelet.network.cni import Attachment, Cni, NetworkError
from kubelet.runtime.docker import DockerRuntime
from kubelet.runtime.labels import Identity

PLUGINS = Path("/usr/lib/cni")
pytestmark = pytest.mark.e2e


@pytest.fixture
def bin_dir(machine, tmp_path):
    """The plug-ins as a kubelet on that machine would start them."""
    if not (PLUGINS / "bridge").exists():
        pytest.skip("needs the CNI plug-ins")
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("bridge", "host-local", "portmap", "loopback", "tuning"):
        script = folder / name
        script.write_text(f"#!/bin/sh\nexec {' '.join(machine.enter)} {PLUGINS / name}\n")
        script.chmod(0o755)
    return folder


@pytest.fixture
def cni(bin_dir, tmp_path):
    made = Cni(conf_dir=tmp_path / "net.d", bin_dirs=[bin_dir], state_dir=tmp_path / "state")
    made.set_pod_cidr("10.244.9.0/29")
    return made


@pytest.fixture
async def sandbox(machine):
    runtime = DockerRuntime(str(machine.socket), "cni")
    image = await sandbox_image.ensure(runtime)
    identity = Identity("u1", "web", "shop", "POD", 0)
    made = await runtime.create(
        identity.docker_name,
        {"Image": image, "Labels": identity.labels("cni"), "HostConfig": {"NetworkMode": "none"}},
    )
    await runtime.start(made)
    record = await runtime.inspect(made)
    yield Attachment(made, record.pid, "shop", "web", "u1")
    await runtime.remove(made)
    await runtime.close()


def inside(pid, *words):
    enter = ["nsenter", f"--net=/proc/{pid}/ns/net"]
    return subprocess.run([*enter, *words], capture_output=True, text=True, check=False).stdout


def addresses_in(pid):
    return inside(pid, "ip", "-4", "-o", "addr", "show", "eth0")


def address_rules(machine):
    words = [*machine.enter, "iptables-save", "-t", "nat"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


async def test_add_gives_an_address_and_delete_takes_it(cni, sandbox, tmp_path):
    found = await cni.add(sandbox)
    assert found == ["10.244.9.2"]
    assert "10.244.9.2/29" in addresses_in(sandbox.pid)
    assert cni.addresses(sandbox.sandbox_id) == found
    leases = tmp_path / "state" / "leases" / "wherry"
    assert (leases / "10.244.9.2").exists()
    await cni.delete(sandbox)
    assert not (leases / "10.244.9.2").exists()
    assert cni.known_sandboxes() == set()
    await cni.delete(sandbox)  # of no use, and no error


async def test_a_restarted_kubelet_can_delete_when_the_namespace_is_gone(
    cni, sandbox, bin_dir, tmp_path
):
    await cni.add(sandbox)
    again = Cni(conf_dir=tmp_path / "net.d", bin_dirs=[bin_dir], state_dir=tmp_path / "state")
    assert again.addresses(sandbox.sandbox_id)
    gone = Attachment(sandbox.sandbox_id, 0, "shop", "web", "u1")
    await again.delete(gone)
    assert not list((tmp_path / "state" / "leases" / "wherry").glob("10.*"))


async def test_host_ports_are_mapped(machine, cni, sandbox):
    ports = ({"hostPort": 8099, "containerPort": 80, "protocol": "tcp", "hostIP": ""},)
    wanted = replace(sandbox, port_mappings=ports)
    await cni.add(wanted)
    assert "8099" in address_rules(machine)
    await cni.delete(wanted)
    assert "8099" not in address_rules(machine)


async def test_a_failing_plugin_leaves_nothing(cni, sandbox, bin_dir, tmp_path):
    ports = ({"hostPort": 8099, "containerPort": 80, "protocol": "tcp", "hostIP": ""},)
    sandbox = replace(sandbox, port_mappings=ports)
    (bin_dir / "portmap").write_text(
        '#!/bin/sh\n[ "$CNI_COMMAND" = DEL ] && exit 0\necho \'{"code": 7, "msg": "no luck"}\'\nexit 1\n'
    )
    with pytest.raises(NetworkError, match="no luck"):
        await cni.add(sandbox)
    assert addresses_in(sandbox.pid) == ""
    assert not list((tmp_path / "state" / "leases" / "wherry").glob("10.*"))


async def test_what_is_missing_is_said(cni, bin_dir, tmp_path):
    assert await cni.trouble() == ""
    fresh = Cni(conf_dir=tmp_path / "net.d", bin_dirs=[bin_dir], state_dir=tmp_path / "other")
    assert "spec.podCIDR" in await fresh.trouble()
    shutil.rmtree(bin_dir)
    assert "failed to find plugin 'bridge'" in await cni.trouble()


async def test_check_sees_what_is_broken(cni, sandbox, tmp_path):
    await cni.add(sandbox)
    kept = json.loads((tmp_path / "state" / "results" / f"{sandbox.sandbox_id}.json").read_text())
    assert kept["cniVersion"] == "1.0.0"  # the newest that Debian's plug-ins speak
    assert await cni.check(sandbox) == ""
    inside(sandbox.pid, "ip", "addr", "flush", "dev", "eth0")
    assert "failed (check)" in await cni.check(sandbox)
    await cni.delete(sandbox)


async def test_the_administrators_chain_is_respected_and_undone_after_it_changed(
    machine, cni, sandbox, tmp_path
):
    folder = tmp_path / "net.d"
    folder.mkdir()
    ipam = {
        "type": "host-local", "ranges": [[{"subnet": "10.99.0.0/24"}]],
        "dataDir": str(tmp_path / "corp"),
    }  # fmt: skip
    chain = [
        {"type": "bridge", "bridge": "corp0", "isGateway": True, "ipam": ipam},
        {"type": "tuning", "mac": "02:00:00:00:99:02"},
        {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True},
    ]
    tree = {"name": "corp", "cniVersion": "1.0.0", "plugins": chain}
    (folder / "10-corp.conflist").write_text(json.dumps(tree))
    ports = ({"hostPort": 8098, "containerPort": 80, "protocol": "tcp", "hostIP": ""},)
    wanted = replace(sandbox, port_mappings=ports)
    assert await cni.add(wanted) == ["10.99.0.2"]
    assert "02:00:00:00:99:02" in inside(sandbox.pid, "ip", "link", "show", "eth0")
    assert "8098" in address_rules(machine)
    # portmap 1.1 looks for rules of IPv6, which this pod does not have; it must not count.
    assert await cni.check(wanted) == ""
    inside(sandbox.pid, "ip", "addr", "flush", "dev", "eth0")
    assert 'type="bridge"' in await cni.check(wanted)
    (folder / "10-corp.conflist").unlink()
    # As a kubelet does that knows no more than the sandbox's id.
    await cni.delete(Attachment(sandbox.sandbox_id, 0, "", "", ""))
    assert not list((tmp_path / "corp" / "corp").glob("10.*"))
    assert "8098" not in address_rules(machine)
    inside(os.getpid(), *machine.enter, "ip", "link", "del", "corp0")


async def test_a_lease_that_nobody_knows_is_freed(cni, sandbox, tmp_path):
    await cni.add(sandbox)
    lease = tmp_path / "state" / "leases" / "wherry" / "10.244.9.2"
    assert await cni.collect() == []
    assert lease.exists()
    # As after the loss of the state folder's files.
    (tmp_path / "state" / "results" / f"{sandbox.sandbox_id}.json").unlink()
    assert await cni.collect() == ["10.244.9.2"]
    assert not lease.exists()


async def test_what_a_lost_file_said_is_seen_in_the_sandbox(cni, sandbox, tmp_path):
    found = await cni.add(sandbox)
    path = tmp_path / "state" / "results" / f"{sandbox.sandbox_id}.json"
    path.write_bytes(b"\0" * 100)
    assert cni.addresses(sandbox.sandbox_id, sandbox.pid) == found
    assert len(list(path.parent.glob("*.corrupt-*"))) == 1
    await cni.delete(sandbox)
    assert not list((tmp_path / "state" / "leases" / "wherry").glob("10.*"))
