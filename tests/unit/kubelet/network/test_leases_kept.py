"""Addresses whose lease was lost with the disk, while their sandbox goes on."""

from kubelet.network import leases


def test_what_a_sandbox_has_is_given_out_to_it(tmp_path):
    leases.keep(tmp_path, "net", "s1", ["10.0.0.2", "fd00::2"])
    assert leases.held(tmp_path) == {"10.0.0.2": "s1", "fd00::2": "s1"}
    assert (tmp_path / "net" / "10.0.0.2").read_bytes() == b"s1\r\neth0"


def test_another_sandboxs_lease_stays(tmp_path):
    leases.keep(tmp_path, "net", "s1", ["10.0.0.2"])
    leases.keep(tmp_path, "net", "s2", ["10.0.0.2"])
    assert leases.held(tmp_path) == {"10.0.0.2": "s1"}
    assert leases.release(tmp_path, {"s1"}) == []
