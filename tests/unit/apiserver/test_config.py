"""Flags: the command that starts it alone, and what is refused."""

from __future__ import annotations

import pytest

from apiserver.config import BadFlag, parse, parse_networks, parse_port_range

ALONE = [
    "--etcd-servers=http://127.0.0.1:2379", "--bind-address=127.0.0.1", "--secure-port=6443",
    "--cert-dir=DIR", "--token-auth-file=tokens.csv", "--service-cluster-ip-range=10.96.0.0/16",
    "--service-account-key-file=sa.pub", "--service-account-signing-key-file=sa.key",
    "--service-account-issuer=https://kubernetes.default.svc", "--authorization-mode=AlwaysAllow",
]  # fmt: skip


def test_the_command_that_starts_it_alone() -> None:
    config = parse(ALONE)
    assert config.etcd.servers == ("http://127.0.0.1:2379",)
    assert str(config.service_networks[0][1]) == "10.96.0.1"
    assert config.auth.modes == ("AlwaysAllow",)
    assert config.auth.api_audiences == ("https://kubernetes.default.svc",)
    assert [str(path) for path in config.auth.key_files] == ["sa.pub"]
    assert config.node_ports == (30000, 32767)
    assert config.auth.anonymous
    assert config.admission.not_ready_toleration_seconds == 300


def test_keys_may_be_given_several_times() -> None:
    config = parse([*ALONE, "--service-account-key-file=old.pub"])
    assert [str(path) for path in config.auth.key_files] == ["sa.pub", "old.pub"]


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (["--tls-cert-file=x"], "--tls-private-key-file"),
        (["--secure-port=0"], "--secure-port"),
        (["--bind-address=here"], "--bind-address"),
        (["--service-cluster-ip-range=10.96.0.1/16"], "--service-cluster-ip-range"),
        (["--service-node-port-range=9-1"], "--service-node-port-range"),
        (["--etcd-prefix=/"], "--etcd-prefix"),
    ],
)
def test_nonsense_names_its_flag(extra: list[str], words: str) -> None:
    with pytest.raises(BadFlag, match=words):
        parse([*ALONE, *extra])


def test_etcd_must_be_named() -> None:
    with pytest.raises(BadFlag, match="--etcd-servers"):
        parse([])


def test_an_unknown_flag_ends_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parse([*ALONE, "--nope"])
    assert end.value.code == 2
    assert "--nope" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "want"), [("30000-32767", (30000, 32767)), ("30000+10", (30000, 30010))]
)
def test_port_range(text: str, want: tuple[int, int]) -> None:
    assert parse_port_range(text) == want


def test_networks() -> None:
    assert [str(one) for one in parse_networks("10.0.0.0/24,fd00::/112")] == [
        "10.0.0.0/24", "fd00::/112",
    ]  # fmt: skip
    with pytest.raises(BadFlag):
        parse_networks("10.0.0.0/24,10.1.0.0/24")
