"""CNI with the real plug-ins, in a machine's namespace."""

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
    for name in ("bridge", "host-local", "portmap", "loopback"):
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


def addresses_in(pid):
    words = ["nsenter", f"--net=/proc/{pid}/ns/net", "ip", "-4", "-o", "addr", "show", "eth0"]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout


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
