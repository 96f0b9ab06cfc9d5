"""Kubeconfigs: which server, who we are, and clear words when they are wrong."""

import base64
import ssl

import pytest
import yaml

from wherry.client.kubeconfig import (
    ClientConfig,
    ConfigError,
    for_daemon,
    in_cluster,
    load,
    parse,
    tls_context,
)
from wherry.daemon.certificate import self_signed_pem

DOCUMENT = {
    "current-context": "here",
    "contexts": [
        {"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "team"}},
        {"name": "there", "context": {"cluster": "d", "user": ""}},
        {"name": "plugin", "context": {"cluster": "d", "user": "p"}},
    ],
    "clusters": [
        {"name": "c", "cluster": {
            "server": "https://10.0.0.1:6443/", "certificate-authority": "ca.crt",
            "tls-server-name": "api"}},
        {"name": "d", "cluster": {"server": "http://d", "insecure-skip-tls-verify": True}},
    ],
    "users": [
        {"name": "u", "user": {
            "token": "t", "client-certificate-data": base64.b64encode(b"PEM").decode()}},
        {"name": "p", "user": {"exec": {"command": "aws"}}},
    ],
}  # fmt: skip


def test_the_current_context(tmp_path):
    config = parse(DOCUMENT, base=tmp_path)
    assert config.server == "https://10.0.0.1:6443"
    assert config.namespace == "team"
    assert config.ca_file == str(tmp_path / "ca.crt")
    assert (config.token, config.cert_data, config.server_name) == ("t", b"PEM", "api")
    assert "PEM" not in repr(config)


def test_a_named_context(tmp_path):
    config = parse(DOCUMENT, "there", base=tmp_path)
    assert (config.server, config.namespace, config.insecure) == ("http://d", "default", True)


@pytest.mark.parametrize(
    ("document", "context", "said"),
    [
        ({}, None, "no current-context"),
        (DOCUMENT, "nowhere", 'no context "nowhere"'),
        (DOCUMENT, "plugin", "uses exec"),
        ({**DOCUMENT, "clusters": []}, None, 'no cluster "c"'),
    ],
)
def test_what_is_wrong_is_said(document, context, said, tmp_path):
    with pytest.raises(ConfigError, match=said):
        parse(document, context, base=tmp_path)


def test_files(tmp_path, monkeypatch):
    path = tmp_path / "kc"
    path.write_text(yaml.safe_dump(DOCUMENT))
    assert load(path).token == "t"
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/none:{path}")
    assert load().token == "t"
    with pytest.raises(ConfigError, match="cannot read"):
        load(tmp_path / "missing")
    path.write_text("a: [")
    with pytest.raises(ConfigError, match="not YAML"):
        load(path)
    path.write_text("")
    with pytest.raises(ConfigError, match="is empty"):
        load(path)


def test_in_cluster(tmp_path):
    (tmp_path / "token").write_text("x")
    (tmp_path / "namespace").write_text("kube-system\n")
    variables = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    config = in_cluster(variables, tmp_path)
    assert config.server == "https://[fd00::1]:443"
    assert config.namespace == "kube-system"
    assert config.token_file == str(tmp_path / "token")
    with pytest.raises(ConfigError, match="not inside a cluster"):
        in_cluster({}, tmp_path)


def test_a_daemons_flags(tmp_path):
    path = tmp_path / "kc"
    path.write_text(yaml.safe_dump(DOCUMENT))
    assert for_daemon(str(path), "https://other:1/").server == "https://other:1"
    assert for_daemon(str(path)).server == "https://10.0.0.1:6443"
    assert for_daemon("", "http://m").server == "http://m"


def test_tls_contexts():
    assert tls_context(ClientConfig("http://x")) is None
    pem = self_signed_pem(["localhost", "127.0.0.1"])
    made = tls_context(ClientConfig("https://x", ca_data=pem, cert_data=pem, key_data=pem))
    assert made.verify_mode == ssl.CERT_REQUIRED
    insecure = tls_context(ClientConfig("https://x", insecure=True))
    assert insecure.verify_mode == ssl.CERT_NONE
    with pytest.raises(ConfigError, match="bad TLS files"):
        tls_context(ClientConfig("https://x", ca_file="/nowhere"))
