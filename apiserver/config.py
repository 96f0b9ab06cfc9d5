"""The API server's flags, as upstream names them, and the plain values they become.

Reading files and refusing nonsense happens here, before anything is started: a wrong flag is one line
and an exit code, never a traceback.
"""

from __future__ import annotations

import ipaddress
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from apiserver.audit.config import AuditConfig, audit_config, audit_flags
from apiserver.authn import options
from apiserver.authn.options import AuthnOptions
from apiserver.authz.webhook import WebhookConfig
from apiserver.fairness.config import FairnessConfig, fairness_config, fairness_flags
from apiserver.version import GIT_VERSION
from wherry.daemon.flags import Flags

MODES_DEFAULT = ["AlwaysAllow"]
DEFAULT_ISSUER = "https://kubernetes.default.svc.cluster.local"

T = TypeVar("T")
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


class BadFlag(ValueError):
    """A flag's value makes no sense; the text names the flag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EtcdConfig:
    servers: tuple[str, ...]
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    prefix: str = "/registry"
    compaction_seconds: float = 300.0
    encryption_file: Path | None = None
    encryption_reload: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingConfig:
    bind_address: str
    port: int
    advertise_address: str
    cert_dir: Path
    cert_file: Path | None
    key_file: Path | None
    shutdown_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthConfig:
    modes: tuple[str, ...]
    authorization_file: Path | None  # which says more than the modes
    webhook: WebhookConfig | None
    anonymous: bool
    token_file: Path | None
    key_files: tuple[Path, ...]
    signing_key_file: Path | None
    issuers: tuple[str, ...]
    api_audiences: tuple[str, ...]
    extend_tokens: bool
    max_token_seconds: int
    client_ca_file: Path | None
    authn: AuthnOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeletConfig:
    """How the API server reaches kubelets."""

    client_certificate: Path | None
    client_key: Path | None
    certificate_authority: Path | None
    address_types: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionConfig:
    enable: tuple[str, ...]
    disable: tuple[str, ...]
    config_file: Path | None
    not_ready_toleration_seconds: int
    unreachable_toleration_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    etcd: EtcdConfig
    serving: ServingConfig
    auth: AuthConfig
    kubelet: KubeletConfig
    admission: AdmissionConfig
    audit: AuditConfig
    fairness: FairnessConfig
    service_networks: tuple[IpNetwork, ...]
    node_ports: tuple[int, int]
    event_ttl_seconds: int
    verbosity: int


def flags() -> Flags:
    """All flags."""
    declared = Flags("wherry-apiserver", "The API of a Wherry cluster.", version=GIT_VERSION)
    _serving_flags(declared)
    _auth_flags(declared)
    audit_flags(declared)
    fairness_flags(declared)
    declared.texts("--etcd-servers", help="etcd endpoints, scheme://host:port")
    declared.text("--etcd-cafile", help="certificate authority of etcd")
    declared.text("--etcd-certfile", help="client certificate for etcd")
    declared.text("--etcd-keyfile", help="key of the client certificate for etcd")
    declared.text("--etcd-prefix", "/registry", "folder of etcd that holds everything")
    declared.text("--encryption-provider-config", help="which resources are encrypted in etcd")
    declared.boolean(
        "--encryption-provider-config-automatic-reload", False, "take up changes of that file"
    )
    declared.duration("--etcd-compaction-interval", 300.0, "history etcd keeps; 0 = all of it")
    declared.text("--service-cluster-ip-range", "10.0.0.0/24", "network of Service addresses")
    declared.text("--service-node-port-range", "30000-32767", "ports of NodePort Services")
    declared.text("--kubelet-client-certificate", help="client certificate for kubelets")
    declared.text("--kubelet-client-key", help="key of the client certificate for kubelets")
    declared.text("--kubelet-certificate-authority", help="certificate authority of kubelets")
    declared.texts(
        "--kubelet-preferred-address-types",
        ("Hostname", "InternalDNS", "InternalIP", "ExternalDNS", "ExternalIP"),
        "which of a node's addresses to call, best first",
    )
    declared.texts("--enable-admission-plugins", help="plug-ins to run beside the default ones")
    declared.texts("--disable-admission-plugins", help="default plug-ins not to run")
    declared.text("--admission-control-config-file", help="AdmissionConfiguration of plug-ins")
    declared.integer("--default-not-ready-toleration-seconds", 300, "for pods that do not say")
    declared.integer("--default-unreachable-toleration-seconds", 300, "for pods that do not say")
    declared.duration("--event-ttl", 3600.0, "how long events are kept")
    declared.boolean("--allow-privileged", True, "privileged containers are always allowed")
    declared.integer("--v", 0, "log verbosity; 4 and more show debug lines")
    return declared


def _serving_flags(declared: Flags) -> None:
    declared.text("--bind-address", "0.0.0.0", "address to listen on")
    declared.integer("--secure-port", 6443, "port to listen on")
    declared.text("--advertise-address", help="address others reach this server by")
    declared.text("--cert-dir", "/var/run/kubernetes", "where a self-signed certificate is made")
    declared.text("--tls-cert-file", help="serving certificate")
    declared.text("--tls-private-key-file", help="key of the serving certificate")
    declared.text("--client-ca-file", help="authority of client certificates (CN user, O groups)")
    declared.duration("--shutdown-delay-duration", 0.0, "serve on for so long when told to stop")


def _auth_flags(declared: Flags) -> None:
    declared.texts("--authorization-mode", MODES_DEFAULT, "who decides what users may do")
    declared.text("--authorization-config", help="file that says so instead")
    declared.text("--authorization-webhook-config-file", help="kubeconfig of mode Webhook")
    declared.text("--authorization-webhook-version", "v1beta1", "of its reviews: v1 or v1beta1")
    declared.duration(
        "--authorization-webhook-cache-authorized-ttl", 300.0, "how long a yes is kept"
    )
    declared.duration(
        "--authorization-webhook-cache-unauthorized-ttl", 30.0, "how long a no is kept"
    )
    declared.boolean("--anonymous-auth", True, "requests without credentials are anonymous")
    declared.text("--token-auth-file", help='CSV of token,user,uid,"group1,group2"')
    declared.texts("--service-account-key-file", help="PEM keys that verify tokens")
    declared.text("--service-account-signing-key-file", help="PEM key that signs tokens")
    declared.texts("--service-account-issuer", help="issuer of tokens; the first one signs")
    declared.texts("--api-audiences", help="audiences of this API; default: the issuer")
    declared.boolean("--service-account-extend-token-expiration", True, "see upstream")
    declared.duration("--service-account-max-token-expiration", 0.0, "0 = no limit")
    options.declare(declared)


def config(values: Namespace) -> Config:
    """The values of parsed flags; BadFlag when one makes no sense."""
    if not values.etcd_servers:
        raise BadFlag("--etcd-servers must be specified")
    prefix = values.etcd_prefix.strip("/")
    if not prefix:
        raise BadFlag("--etcd-prefix must name a folder, such as /registry")
    if not values.event_ttl >= 1:
        raise BadFlag("--event-ttl must be a second or more")
    return Config(
        etcd=EtcdConfig(
            servers=tuple(values.etcd_servers),
            ca_file=values.etcd_cafile,
            cert_file=values.etcd_certfile,
            key_file=values.etcd_keyfile,
            prefix=f"/{prefix}",
            compaction_seconds=values.etcd_compaction_interval,
            encryption_file=_path(values.encryption_provider_config),
            encryption_reload=values.encryption_provider_config_automatic_reload,
        ),
        serving=_serving(values),
        auth=_auth(values),
        audit=_checked(lambda: audit_config(values)),
        fairness=_checked(lambda: fairness_config(values)),
        kubelet=KubeletConfig(
            client_certificate=_path(values.kubelet_client_certificate),
            client_key=_path(values.kubelet_client_key),
            certificate_authority=_path(values.kubelet_certificate_authority),
            address_types=tuple(values.kubelet_preferred_address_types),
        ),
        admission=AdmissionConfig(
            enable=tuple(values.enable_admission_plugins),
            disable=tuple(values.disable_admission_plugins),
            config_file=_path(values.admission_control_config_file),
            not_ready_toleration_seconds=values.default_not_ready_toleration_seconds,
            unreachable_toleration_seconds=values.default_unreachable_toleration_seconds,
        ),
        service_networks=parse_networks(values.service_cluster_ip_range),
        node_ports=parse_port_range(values.service_node_port_range),
        event_ttl_seconds=int(values.event_ttl),
        verbosity=values.v,
    )


def _serving(values: Namespace) -> ServingConfig:
    if bool(values.tls_cert_file) != bool(values.tls_private_key_file):
        raise BadFlag("--tls-cert-file and --tls-private-key-file must be given together")
    if not 1 <= values.secure_port <= 65535:
        raise BadFlag("--secure-port must be between 1 and 65535")
    for flag in ("bind_address", "advertise_address"):
        address = getattr(values, flag)
        if address:
            _address(f"--{flag.replace('_', '-')}", address)
    return ServingConfig(
        bind_address=values.bind_address or "0.0.0.0",
        port=values.secure_port,
        advertise_address=values.advertise_address,
        cert_dir=Path(values.cert_dir),
        cert_file=_path(values.tls_cert_file),
        key_file=_path(values.tls_private_key_file),
        shutdown_seconds=values.shutdown_delay_duration,
    )


def _checked(make: Callable[[], T]) -> T:
    """What a room makes of its flags; its ValueError as BadFlag."""
    try:
        return make()
    except ValueError as error:
        raise BadFlag(str(error)) from error


def _auth(values: Namespace) -> AuthConfig:
    issuers = tuple(values.service_account_issuer) or (DEFAULT_ISSUER,)
    signing = _path(values.service_account_signing_key_file)
    keys = tuple(Path(one) for one in values.service_account_key_file)
    if signing is not None and not values.service_account_issuer:
        raise BadFlag("--service-account-issuer must be given with a signing key")
    try:
        authn = options.options(values)
    except ValueError as error:
        raise BadFlag(str(error)) from error
    return AuthConfig(
        modes=tuple(values.authorization_mode),
        authorization_file=_authorization_file(values),
        webhook=_webhook(values),
        anonymous=values.anonymous_auth,
        token_file=_path(values.token_auth_file),
        key_files=keys or ((signing,) if signing else ()),
        signing_key_file=signing,
        issuers=issuers,
        api_audiences=tuple(values.api_audiences) or issuers[:1],
        extend_tokens=values.service_account_extend_token_expiration,
        max_token_seconds=int(values.service_account_max_token_expiration),
        client_ca_file=_path(values.client_ca_file),
        authn=authn,
    )


def _authorization_file(values: Namespace) -> Path | None:
    if not values.authorization_config:
        return None
    if values.authorization_mode != MODES_DEFAULT or values.authorization_webhook_config_file:
        raise BadFlag(
            "--authorization-config can not be specified with --authorization-mode or "
            "--authorization-webhook-* flags"
        )
    return Path(values.authorization_config)


def _webhook(values: Namespace) -> WebhookConfig | None:
    if not values.authorization_webhook_config_file:
        return None
    if values.authorization_webhook_version not in ("v1", "v1beta1"):
        raise BadFlag("--authorization-webhook-version must be v1 or v1beta1")
    return WebhookConfig(
        "default",
        Path(values.authorization_webhook_config_file),
        values.authorization_webhook_version,
        timeout_seconds=30.0,
        allowed_seconds=values.authorization_webhook_cache_authorized_ttl,
        refused_seconds=values.authorization_webhook_cache_unauthorized_ttl,
    )


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def _address(flag: str, text: str) -> None:
    try:
        ipaddress.ip_address(text)
    except ValueError as error:
        raise BadFlag(f"{flag}: {error}") from error


def parse_networks(text: str) -> tuple[IpNetwork, ...]:
    """The one or two networks of --service-cluster-ip-range."""
    try:
        networks = tuple(ipaddress.ip_network(part.strip()) for part in text.split(","))
    except ValueError as error:
        raise BadFlag(f"--service-cluster-ip-range: {error}") from error
    if len(networks) > 2 or len({network.version for network in networks}) != len(networks):
        raise BadFlag("--service-cluster-ip-range: at most one network of each IP family")
    return networks


def parse_port_range(text: str) -> tuple[int, int]:
    """`30000-32767` or `30000+2767`: the first and last port."""
    for separator in "-+":
        first, found, rest = text.partition(separator)
        if found and first.isdigit() and rest.isdigit():
            low, high = int(first), int(rest) if separator == "-" else int(first) + int(rest)
            if 0 < low <= high <= 65535:
                return low, high
    raise BadFlag(f"--service-node-port-range: {text!r} is not a range such as 30000-32767")


def parse(arguments: Sequence[str] | None = None) -> Config:
    """Flags to configuration; raises BadFlag."""
    return config(flags().parse(arguments))
