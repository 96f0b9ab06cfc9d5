"""Where a webhook is and how to speak to it: a kubeconfig, as upstream's webhooks take one.

Keys and tokens are read here and shown nowhere: not in errors, not in `repr`.

Source: k8s.io/apiserver/pkg/util/webhook (a kubeconfig's current context).
"""

from __future__ import annotations

import base64
import binascii
import http.client
import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml


@dataclass(frozen=True, slots=True)
class Target:
    """A server to post to. `address` has no credentials in it and may be shown."""

    address: str
    host: str
    port: int
    path: str
    tls: ssl.SSLContext | None
    server_name: str = ""
    credential: Callable[[], Mapping[str, str]] = field(default=dict, repr=False)

    def connect(self, seconds_max: float) -> http.client.HTTPConnection:
        """A connection that is made when it is first used."""
        if self.tls is None:
            return http.client.HTTPConnection(self.host, self.port, timeout=seconds_max)
        return _Https(self, self.tls, seconds_max)

    def headers(self) -> Mapping[str, str]:
        return self.credential()


class _Https(http.client.HTTPSConnection):
    """HTTPS to an address, checked against the name that the configuration gives."""

    def __init__(self, target: Target, tls: ssl.SSLContext, seconds_max: float) -> None:
        super().__init__(target.host, target.port, timeout=seconds_max, context=tls)
        self._tls = tls
        self._name = target.server_name or target.host

    def connect(self) -> None:
        http.client.HTTPConnection.connect(self)
        self.sock = self._tls.wrap_socket(self.sock, server_hostname=self._name)


def read_target(path: Path) -> Target:
    """The current context of a kubeconfig. ValueError, OSError; neither shows a secret."""
    tree = yaml.safe_load(path.read_text())
    if not isinstance(tree, dict):
        raise ValueError(f"{path} is no kubeconfig")
    context = _named(tree, "contexts", tree.get("current-context") or "", "context")
    cluster = _named(tree, "clusters", context.get("cluster") or "", "cluster")
    user = _named(tree, "users", context["user"], "user") if context.get("user") else {}
    url = urlsplit(str(cluster.get("server") or ""))
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError(f"{path}: the cluster's server is no http or https address")
    tls = _context(cluster, user) if url.scheme == "https" else None
    port = url.port or (443 if tls else 80)
    target = url.path or "/"
    return Target(
        f"{url.scheme}://{url.hostname}:{port}{url.path}",
        url.hostname,
        port,
        f"{target}?{url.query}" if url.query else target,
        tls,
        str(cluster.get("tls-server-name") or ""),
        _credential(user),
    )


def _named(tree: Mapping[str, Any], plural: str, name: str, kind: str) -> Mapping[str, Any]:
    for one in tree.get(plural) or ():
        if isinstance(one, dict) and one.get("name") == name:
            found = one.get(kind)
            return found if isinstance(found, dict) else {}
    raise ValueError(f"the kubeconfig has no {kind} {name!r}")


def _context(cluster: Mapping[str, Any], user: Mapping[str, Any]) -> ssl.SSLContext:
    authority = _material(cluster, "certificate-authority")
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate, key = _material(user, "client-certificate"), _material(user, "client-key")
    if bool(certificate) != bool(key):
        raise ValueError("a client certificate and its key must be given together")
    if certificate and key:
        _load(context, certificate, key)
    return context


def _load(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """`ssl` reads files only; this one is memory and never on a disk."""
    descriptor = os.memfd_create("webhook-client")
    try:
        os.write(descriptor, certificate + b"\n" + key)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    except ssl.SSLError as error:
        raise ValueError("the client certificate and its key do not fit together") from error
    finally:
        os.close(descriptor)


def _material(tree: Mapping[str, Any], name: str) -> bytes:
    """A certificate or key, given as a file or in base64; b"" when it is not given."""
    data = tree.get(f"{name}-data")
    if data:
        try:
            return base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError, TypeError):
            raise ValueError(f"{name}-data is not base64") from None
    path = tree.get(name)
    return Path(path).read_bytes() if path else b""


def _credential(user: Mapping[str, Any]) -> Callable[[], Mapping[str, str]]:
    """What makes the Authorization header; a token file is read anew each time, as tokens change."""
    path, token = user.get("tokenFile"), user.get("token")
    if path:
        return lambda: {"Authorization": f"Bearer {Path(path).read_text().strip()}"}
    if token:
        return lambda: {"Authorization": f"Bearer {token}"}
    if user.get("username"):
        pair = f"{user['username']}:{user.get('password') or ''}"
        encoded = base64.b64encode(pair.encode()).decode()
        return lambda: {"Authorization": f"Basic {encoded}"}
    return dict
