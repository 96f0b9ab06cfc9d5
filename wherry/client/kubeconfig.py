"""Where the API server is and who we are to it, read from a kubeconfig or from inside a pod.

Reads files and the environment, opens no connection. Credential plug-ins (`exec`,
`auth-provider`) are refused with a clear word. Relative paths are relative to the kubeconfig.

Source: k8s.io/client-go/tools/clientcmd.
"""

from __future__ import annotations

import base64
import binascii
import os
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class ConfigError(Exception):
    """A kubeconfig that is missing or says something we can't use."""


@dataclass(frozen=True)
class ClientConfig:
    """Everything a `Client` needs. PEM texts win over files; `token_file` is re-read as it rotates."""

    server: str
    namespace: str = "default"
    ca_file: str = ""
    ca_data: bytes = field(default=b"", repr=False)
    cert_file: str = ""
    cert_data: bytes = field(default=b"", repr=False)
    key_file: str = ""
    key_data: bytes = field(default=b"", repr=False)
    token: str = field(default="", repr=False)
    token_file: str = ""
    insecure: bool = False
    server_name: str = ""
    user_agent: str = ""

    def with_server(self, server: str) -> ClientConfig:
        return replace(self, server=server)


def load(path: str | Path | None = None, context: str | None = None) -> ClientConfig:
    """The configuration of a kubeconfig's context (its current one unless named).

    Without a path: the first existing file of $KUBECONFIG, or ~/.kube/config. ConfigError tells
    what is wrong.
    """
    found = _locate(path)
    try:
        document = yaml.safe_load(found.read_bytes())
    except OSError as error:
        raise ConfigError(f"cannot read kubeconfig {found}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"kubeconfig {found} is not YAML: {error}") from error
    if not isinstance(document, Mapping):
        raise ConfigError(f"kubeconfig {found} is empty")
    return parse(document, context, base=found.parent)


def parse(document: Mapping[str, Any], context: str | None = None, *, base: Path) -> ClientConfig:
    """The configuration that a decoded kubeconfig's context names. Pure but for base-relative paths."""
    name = context or document.get("current-context", "")
    if not name:
        raise ConfigError("the kubeconfig has no current-context; name one")
    chosen = _entry(document, "contexts", name, "context")
    cluster = _entry(document, "clusters", chosen.get("cluster", ""), "cluster")
    user_name = chosen.get("user", "")
    user = _entry(document, "users", user_name, "user") if user_name else {}
    for unsupported in ("exec", "auth-provider"):
        if user.get(unsupported):
            raise ConfigError(f'user "{user_name}" uses {unsupported}, which is not supported')

    def path_of(tree: Mapping[str, Any], key: str) -> str:
        text = tree.get(key) or ""
        return str(base / text) if text else ""

    return ClientConfig(
        server=str(cluster.get("server") or "http://localhost:8080").rstrip("/"),
        namespace=chosen.get("namespace") or "default",
        ca_file=path_of(cluster, "certificate-authority"),
        ca_data=_data(cluster, "certificate-authority-data"),
        cert_file=path_of(user, "client-certificate"),
        cert_data=_data(user, "client-certificate-data"),
        key_file=path_of(user, "client-key"),
        key_data=_data(user, "client-key-data"),
        token=user.get("token") or "",
        token_file=path_of(user, "tokenFile"),
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        server_name=cluster.get("tls-server-name") or "",
    )


def in_cluster(
    environment: Mapping[str, str] | None = None, account: Path = SERVICE_ACCOUNT
) -> ClientConfig:
    """The configuration of a process inside a pod, from its service account."""
    variables = os.environ if environment is None else environment
    host = variables.get("KUBERNETES_SERVICE_HOST", "")
    port = variables.get("KUBERNETES_SERVICE_PORT", "")
    if not host or not port or not (account / "token").exists():
        raise ConfigError("not inside a cluster: no service account or KUBERNETES_SERVICE_HOST")
    shown = f"[{host}]" if ":" in host else host
    namespace = account / "namespace"
    return ClientConfig(
        server=f"https://{shown}:{port}",
        namespace=namespace.read_text().strip() if namespace.exists() else "default",
        ca_file=str(account / "ca.crt"),
        token_file=str(account / "token"),
    )


def for_daemon(kubeconfig: str, master: str = "") -> ClientConfig:
    """What `--kubeconfig` and `--master` mean to a daemon: neither = in-cluster."""
    if kubeconfig:
        config = load(kubeconfig)
        return config.with_server(master.rstrip("/")) if master else config
    return ClientConfig(server=master.rstrip("/")) if master else in_cluster()


def tls_context(config: ClientConfig) -> ssl.SSLContext | None:
    """The TLS context of this configuration; None over plain HTTP. ConfigError when files are bad."""
    if not config.server.startswith("https://"):
        return None
    try:
        if config.insecure:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif config.ca_data or config.ca_file:
            context = ssl.create_default_context(
                cafile=config.ca_file or None if not config.ca_data else None,
                cadata=config.ca_data.decode() if config.ca_data else None,
            )
        else:
            context = ssl.create_default_context()
        if config.cert_data or config.cert_file:
            _load_pair(context, config)
    except (OSError, ValueError) as error:
        raise ConfigError(f"bad TLS files for {config.server}: {error}") from error
    return context


def _load_pair(context: ssl.SSLContext, config: ClientConfig) -> None:
    certificate = config.cert_data or Path(config.cert_file).read_bytes()
    key = config.key_data or Path(config.key_file or config.cert_file).read_bytes()
    # The ssl module loads keys from files only; this one is private and gone at once.
    with tempfile.NamedTemporaryFile() as both:
        both.write(certificate + b"\n" + key)
        both.flush()
        context.load_cert_chain(both.name)


def _locate(path: str | Path | None) -> Path:
    if path:
        return Path(path)
    named = [Path(part) for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    for candidate in named:
        if candidate.exists():
            return candidate
    return named[0] if named else Path.home() / ".kube" / "config"


def _entry(document: Mapping[str, Any], listing: str, name: str, kind: str) -> Mapping[str, Any]:
    for entry in document.get(listing) or ():
        if entry.get("name") == name:
            return entry.get(kind) or {}
    raise ConfigError(f'the kubeconfig has no {kind} "{name}"')


def _data(tree: Mapping[str, Any], key: str) -> bytes:
    try:
        return base64.b64decode(tree.get(key) or "", validate=True)
    except (binascii.Error, ValueError) as error:
        raise ConfigError(f"{key} is not base64") from error
