"""Flags of the proxy."""

from __future__ import annotations

import pytest

from proxy.main import parse, split_address
from wherry.daemon.process import StartError


def test_flags_are_kube_proxys() -> None:
    options = parse(["--cluster-cidr=10.244.0.0/16,10.245.0.0/16", "--hostname-override", "n1"])
    assert options.cluster_cidr == ["10.244.0.0/16", "10.245.0.0/16"]
    assert options.hostname_override == "n1"
    assert (options.pod_network, options.cleanup) == ("auto", False)
    assert split_address(options.healthz_bind_address) == ("0.0.0.0", 10256)


@pytest.mark.parametrize("text", ["", "host", "host:", "host:x", "host:70000"])
def test_bad_addresses(text: str) -> None:
    with pytest.raises(StartError):
        split_address(text)


def test_an_unknown_flag_ends_with_code_2() -> None:
    with pytest.raises(SystemExit) as caught:
        parse(["--nope"])
    assert caught.value.code == 2
