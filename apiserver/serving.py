"""Where this server listens, how others reach it, and with which certificate it shows itself."""

from __future__ import annotations

import contextlib
import ipaddress
import socket

from apiserver.authn.certificates import ClientAuthorities
from apiserver.config import ServingConfig
from apiserver.http.server import listen
from apiserver.http.tls import ServingTls, ensure_self_signed
from wherry.daemon.process import StartError

# An address of a documentation network: routing to it says which address this machine would use.
_ELSEWHERE = ("192.0.2.1", 9)
SERVICE_NAMES = (
    "kubernetes", "kubernetes.default", "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)  # fmt: skip


def advertised(bind_address: str, advertise_address: str, default_route: str) -> str:
    """The address others reach this server by; "" when there is none. Never loopback."""
    for choice in (advertise_address, bind_address, default_route):
        if not choice:
            continue
        address = ipaddress.ip_address(choice)
        if not address.is_unspecified and not address.is_loopback:
            return choice
    return ""


def default_route_address() -> str:
    """The address this machine speaks to others from; "" when it has no route. Sends nothing."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect(_ELSEWHERE)
        except OSError:
            return ""
        address: str = probe.getsockname()[0]
        return address


def address_of(serving: ServingConfig) -> str:
    """The address others reach this server by; "" when there is none."""
    return advertised(serving.bind_address, serving.advertise_address, default_route_address())


def listening_socket(serving: ServingConfig) -> socket.socket:
    """StartError when the address is taken or not ours."""
    try:
        return listen(serving.bind_address, serving.port)
    except OSError as error:
        cause = f"cannot listen on {serving.bind_address}:{serving.port}: {error.strerror}"
        raise StartError(cause, "choose another --bind-address or --secure-port") from error


def serving_tls(
    serving: ServingConfig, service_ip: str, authorities: ClientAuthorities
) -> ServingTls:
    """The given certificate's, or a self-signed one's. StartError when files are amiss."""
    certificate, key = serving.cert_file, serving.key_file
    try:
        if certificate is None or key is None:
            names = certificate_names(serving.bind_address, address_of(serving), service_ip)
            certificate, key = ensure_self_signed(serving.cert_dir, names)
        return ServingTls(certificate, key, authorities)
    except (OSError, ValueError) as error:
        cause = f"cannot set up TLS: {error}"
        fix = "check --tls-cert-file, --tls-private-key-file, --client-ca-file and --cert-dir"
        raise StartError(cause, fix) from error


def certificate_names(bind_address: str, address: str, service_ip: str) -> list[str]:
    """What a self-signed certificate is good for."""
    names = [address or "localhost", "localhost", "127.0.0.1", "::1", *SERVICE_NAMES, service_ip]
    return names if ipaddress.ip_address(bind_address).is_unspecified else [*names, bind_address]
