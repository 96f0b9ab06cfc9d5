"""TLS contexts that follow their files, and leave broken ones alone."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from deploy.pki import KeyPair, ensure_authority, ensure_certificate
from wherry.client.kubeconfig import ClientConfig
from wherry.client.tls import ClientTls, followed_files
from wherry.daemon.tls import FollowedContext, followed_server_context


class Watch:
    """A monotonic clock that stands still until it is set on."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_a_changed_file_makes_a_new_context_at_the_next_look(tmp_path: Path, watch: Watch) -> None:
    file = tmp_path / "f"
    file.write_text("one")
    made: list[str] = []

    def make() -> ssl.SSLContext:
        made.append(file.read_text())
        if made[-1] == "bad":
            raise ValueError("bad")
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    followed = FollowedContext([file], make, watch)
    first = followed.current()
    file.write_text("another")
    assert followed.current() is first  # not looked at yet
    watch.now = 2.0
    second = followed.current()
    assert second is not first
    assert (followed.generation, made) == (1, ["one", "another"])
    file.write_text("bad")
    watch.now = 4.0
    assert followed.current() is second
    file.unlink()
    watch.now = 6.0
    assert followed.current() is second
    file.write_text("good again")
    watch.now = 8.0
    assert followed.current() is not second
    assert followed.generation == 2


def shown(server: ssl.SSLContext, client: ssl.SSLContext) -> bytes:
    """The certificate a client sees, by a handshake in memory."""
    one, two = ssl.MemoryBIO(), ssl.MemoryBIO()
    serving = server.wrap_bio(one, two, server_side=True)
    asking = client.wrap_bio(two, one, server_hostname="localhost")
    for _ in range(4):
        for side in (asking, serving):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    found = asking.getpeercert(binary_form=True)
    assert found is not None
    return found


def pair(folder: Path) -> KeyPair:
    authority = ensure_authority(folder)
    return ensure_certificate(authority, folder, "server", "x", (), ("localhost",))


def test_a_server_shows_new_certificates_but_never_half_a_pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wherry.daemon.tls.CHECK_SECONDS", 0.0)
    first = pair(tmp_path)
    server = followed_server_context(first.certificate, first.key, tmp_path / "ca.crt")
    trusting = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
    before = shown(server, trusting)
    other = pair(tmp_path / "other")
    first.certificate.write_bytes(other.certificate.read_bytes())
    assert shown(server, trusting) == before
    first.key.write_bytes(other.key.read_bytes())
    trusting = ssl.create_default_context(cafile=str(tmp_path / "other/ca.crt"))
    assert shown(server, trusting) != before


def test_a_clients_files_are_those_its_kubeconfig_refers_to(tmp_path: Path) -> None:
    made = pair(tmp_path)
    config = ClientConfig(
        "https://h", ca_file=str(tmp_path / "ca.crt"), cert_file=str(made.certificate),
        key_file=str(made.key),
    )  # fmt: skip
    assert followed_files(config) == [tmp_path / "ca.crt", made.certificate, made.key]
    inside = ClientConfig("https://h", ca_file="/gone", ca_data=(tmp_path / "ca.crt").read_bytes())
    assert followed_files(inside) == []
    assert ClientTls(inside).current() is not None
    assert ClientTls(ClientConfig("http://h")).current() is None


def test_a_client_takes_up_a_new_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wherry.daemon.tls.CHECK_SECONDS", 0.0)
    made = pair(tmp_path)
    config = ClientConfig(
        "https://h", ca_file=str(tmp_path / "ca.crt"), cert_file=str(made.certificate),
        key_file=str(made.key),
    )  # fmt: skip
    tls = ClientTls(config)
    first = tls.current()
    assert (tls.current(), tls.generation) == (first, 0)
    other = pair(tmp_path / "other")
    made.key.write_bytes(other.key.read_bytes())
    assert (tls.current(), tls.generation) == (first, 0)
    made.certificate.write_bytes(other.certificate.read_bytes())
    assert tls.current() is not first
    assert tls.generation == 1
