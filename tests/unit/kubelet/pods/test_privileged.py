"""Privileged containers where root is not almighty."""

from pathlib import Path

from kubelet.pods.privileged import devices, lacking


def test_what_a_machine_lacks():
    status = "Name:\tk\nCapEff:\t000001fffeffffff\nCapBnd:\t000001fffeffffff\n"
    assert lacking(status, 40) == ("SYS_RESOURCE",)
    assert lacking("CapBnd:\t000001ffffffffff\n", 40) == ()
    assert lacking("CapBnd:\t0000003fffffffff\n", 37) == (), "an older kernel knows fewer"
    assert lacking("", 40) == ()


def test_the_hosts_devices_are_those_a_container_has_not_got():
    found = {device.target for device in devices()}
    assert "/dev/null" not in found
    assert all(not path.startswith("/dev/pts/") for path in found)
    assert all(Path(path).is_char_device() or Path(path).is_block_device() for path in found)
