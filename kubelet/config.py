"""The kubelet's flags, named as upstream names them, and the one value they become."""

from __future__ import annotations

import argparse
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kubelet import config_file
from kubelet.eviction.thresholds import HARD_DEFAULTS, Policy, thresholds
from kubelet.garbage import GarbagePolicy
from kubelet.node import labels
from kubelet.node.status import parse_taint
from kubelet.pods import sysctls
from kubelet.pods.cgroups import LogLimits
from wherry.api import quantity
from wherry.api.core_v1 import Taint
from wherry.daemon.flags import Flags, client_flags
from wherry.daemon.links import MODES, PodNetworkMode
from wherry.daemon.process import StartError

DEFAULT_ROOT = "/var/lib/wherry/kubelet"
DEFAULT_SOCKET = "unix:///var/run/docker.sock"
CNI_BIN_DIRS = ["/usr/lib/cni", "/opt/cni/bin"]


@dataclass(frozen=True)
class Config:
    """What the flags say."""

    kubeconfig: str
    master: str
    node_name: str
    hostname: str
    node_ip: str
    root_dir: Path
    docker_socket: str
    cluster_dns: tuple[str, ...]
    cluster_domain: str
    resolv_conf: Path
    sandbox_image: str
    register_node: bool
    register_taints: tuple[Taint, ...]
    node_labels: dict[str, str]
    address: str
    port: int
    healthz_address: str
    healthz_port: int
    tls_cert_file: str
    tls_key_file: str
    client_ca_file: str
    bootstrap_kubeconfig: str
    cert_dir: Path
    rotate_client: bool
    rotate_server: bool
    cgroup_root: str
    pods_max: int
    pod_cidr: str
    pod_network: PodNetworkMode
    cni_conf_dir: Path
    cni_bin_dirs: tuple[Path, ...]
    reserved: dict[str, str]
    lease_seconds: int
    fences_after: float
    status_update_seconds: float
    status_report_seconds: float
    garbage: GarbagePolicy
    log_limits: LogLimits
    eviction: Policy
    manifests: Path | None
    unsafe_sysctls: tuple[str, ...]
    seccomp_default: bool
    verbosity: int


def declare() -> Flags:
    flags = Flags("wherry-kubelet", "Runs this machine's pods on Docker Engine.")
    client_flags(flags)
    flags.text("--config", help="a KubeletConfiguration file; flags given beside it win")
    flags.text("--hostname-override", help="the node's name; empty = the machine's host name")
    flags.text(
        "--node-ip",
        help="the node's address, or one of each IP family; empty = the default route's",
    )
    flags.text("--root-dir", DEFAULT_ROOT, "where volumes and network state are kept")
    flags.text("--container-runtime-endpoint", DEFAULT_SOCKET, "Docker Engine's socket")
    flags.texts("--cluster-dns", help="addresses of the cluster's name servers")
    flags.text("--cluster-domain", "cluster.local", "domain of the cluster's Services")
    flags.text("--resolv-conf", "/etc/resolv.conf", "the machine's resolver configuration")
    flags.text("--pod-infra-container-image", help="sandbox image; empty = made on this machine")
    flags.boolean("--register-node", True, "create the Node object")
    flags.texts("--register-with-taints", help="taints of a new Node: key=value:Effect")
    flags.mapping(
        "--node-labels",
        help="labels of the Node; of kubernetes.io's only those a node may give itself",
    )
    flags.text("--address", "0.0.0.0", "address of the kubelet's server")
    flags.integer("--port", 10250, "port of the kubelet's server")
    flags.text("--healthz-bind-address", "127.0.0.1", "address of the health port")
    flags.integer("--healthz-port", 10248, "health port; 0 = none")
    flags.text("--tls-cert-file", help="serving certificate; empty = self-signed")
    flags.text("--tls-private-key-file", help="key of the serving certificate")
    flags.text("--client-ca-file", help="CA of client certificates")
    flags.text(
        "--bootstrap-kubeconfig", help="used to get a client certificate, and so --kubeconfig"
    )
    flags.text("--cert-dir", help="certificates asked for; empty = pki below --root-dir")
    flags.boolean("--rotate-certificates", False, "ask for a new client certificate in time")
    flags.boolean("--rotate-server-certificates", False, "ask for serving certificates")
    flags.text("--pod-manifest-path", help="folder (or file) of static pods; empty = none")
    flags.text("--cgroup-root", help="parent of the pods' control groups")
    flags.texts(
        "--allowed-unsafe-sysctls", help="unsafe kernel parameters (or prefix*) that pods may set"
    )
    flags.boolean(
        "--seccomp-default", False, "RuntimeDefault for pods that name no seccomp profile"
    )
    flags.integer("--max-pods", 110, "how many pods fit on the node")
    _declare_network(flags)
    flags.mapping("--system-reserved", help="not for pods: cpu=500m,memory=1Gi")
    flags.mapping("--kube-reserved", help="not for pods either")
    _declare_reports(flags)
    _declare_garbage(flags)
    _declare_eviction(flags)
    return flags


def _declare_network(flags: Flags) -> None:
    flags.text("--pod-cidr", help="pod range to use while the Node has none")
    flags.choice(
        "--pod-network", MODES, "auto",
        "the proxy's flag of this name: auto and vxlan leave room in pods' MTU for VXLAN",
    )  # fmt: skip
    flags.text("--cni-conf-dir", "/etc/cni/net.d", "CNI configurations; the first file wins")
    flags.texts("--cni-bin-dir", CNI_BIN_DIRS, "where CNI plug-ins are looked for")


def _declare_reports(flags: Flags) -> None:
    """How often the API server hears of this node, and what follows when it can't."""
    flags.integer("--node-lease-duration-seconds", 40, "of the Node's Lease; renewed at a quarter")
    flags.duration(
        "--self-fencing-after",
        0.0,
        "stop pods of StatefulSets when the Lease was not renewed for so long; 0 = never",
    )
    flags.duration(
        "--node-status-update-frequency", 10.0, "how often the Node's status is looked at"
    )
    flags.duration(
        "--node-status-report-frequency", 300.0, "how often an unchanged one is reported"
    )


def _fences_after(given: argparse.Namespace) -> float:
    """Longer than a Lease is good for, or a short hiccup would cost pods."""
    after: float = given.self_fencing_after
    if after and after <= given.node_lease_duration_seconds:
        raise StartError(
            f"--self-fencing-after={after:g}s is no longer than the Lease lasts",
            f"give more than --node-lease-duration-seconds={given.node_lease_duration_seconds}",
        )
    return after


def _declare_eviction(flags: Flags) -> None:
    default = ",".join(f"{signal}<{text}" for signal, text in HARD_DEFAULTS.items())
    flags.texts("--eviction-hard", help=f"signal<amount at which pods go at once; {default}")
    flags.texts("--eviction-soft", help="signal<amount at which pods go after a while")
    flags.texts("--eviction-soft-grace-period", help="signal=duration: that while")
    flags.texts("--eviction-minimum-reclaim", help="signal=amount to free beyond the threshold")
    flags.duration("--eviction-pressure-transition-period", 300.0, "a condition stays so long")
    flags.integer("--eviction-max-pod-grace-period", 0, "seconds a pod gets at a soft threshold")


def _eviction(given: argparse.Namespace) -> Policy:
    try:
        found = thresholds(
            given.eviction_hard, given.eviction_soft, given.eviction_soft_grace_period,
            given.eviction_minimum_reclaim,
        )  # fmt: skip
    except ValueError as error:
        raise StartError(f"--eviction-hard, --eviction-soft and their kin: {error}") from error
    return Policy(
        found, given.eviction_pressure_transition_period, given.eviction_max_pod_grace_period
    )


def _declare_garbage(flags: Flags) -> None:
    policy = GarbagePolicy()
    flags.integer(
        "--image-gc-high-threshold", policy.image_high_percent,
        "per cent of the engine's disk in use from which images are removed; 100 = never",
    )  # fmt: skip
    flags.integer(
        "--image-gc-low-threshold", policy.image_low_percent, "per cent in use down to which"
    )
    flags.duration(
        "--minimum-image-ttl-duration", policy.image_age_min_seconds,
        "an unused image stays at least so long",
    )  # fmt: skip
    flags.duration(
        "--image-maximum-gc-age", policy.image_age_max_seconds,
        "an image unused for so long goes, however much room there is; 0 = never",
    )  # fmt: skip
    flags.text("--container-log-max-size", "10Mi", "size at which a container's log is rotated")
    flags.integer("--container-log-max-files", 5, "files of a container's log, with the newest")
    flags.integer(
        "--maximum-dead-containers", policy.dead_max, "ended containers of the node; -1 = any"
    )
    flags.integer(
        "--maximum-dead-containers-per-container", policy.dead_max_per_container,
        "ended runs of a container beside its newest",
    )  # fmt: skip
    flags.duration(
        "--minimum-container-ttl-duration", policy.dead_age_min_seconds,
        "an ended container stays at least so long",
    )  # fmt: skip


def _garbage(given: argparse.Namespace) -> GarbagePolicy:
    high, low = given.image_gc_high_threshold, given.image_gc_low_threshold
    for flag, value in (("high", high), ("low", low)):
        if not 0 <= value <= 100:
            raise StartError(f"--image-gc-{flag}-threshold {value} is no percentage")
    if low > high or (low == high and high < 100):
        raise StartError(
            f"--image-gc-low-threshold {low} is not below --image-gc-high-threshold {high}"
        )
    least, most = given.minimum_image_ttl_duration, given.image_maximum_gc_age
    if most and most <= least:
        raise StartError(
            f"--image-maximum-gc-age {most:g}s is not above --minimum-image-ttl-duration {least:g}s"
        )
    return GarbagePolicy(
        high, low, least, most, given.maximum_dead_containers,
        given.maximum_dead_containers_per_container, given.minimum_container_ttl_duration,
    )  # fmt: skip


def _log_limits(given: argparse.Namespace) -> LogLimits:
    text, files = given.container_log_max_size, given.container_log_max_files
    try:
        size = quantity.value(text)
    except ValueError as error:
        raise StartError(f"--container-log-max-size {text}: {error}") from error
    if files <= 1:
        raise StartError(f"--container-log-max-files {files} is not above 1")
    return LogLimits(max(0, size), files)


def _socket_path(endpoint: str) -> str:
    path = endpoint.removeprefix("unix://")
    if not path.startswith("/"):
        raise StartError(
            f"--container-runtime-endpoint {endpoint!r} is no unix socket",
            f"name Docker Engine's socket, as in {DEFAULT_SOCKET}",
        )
    return path


def _sum(one: dict[str, str], other: dict[str, str]) -> dict[str, str]:
    both = dict(one)
    for name, text in other.items():
        if name in both:
            raise StartError(
                f"{name} is in --system-reserved and in --kube-reserved", "give their sum in one"
            )
        both[name] = text
    return both


def _check_words(given: argparse.Namespace) -> None:
    """Labels and kernel parameters that can't be used end us before anything else is done."""
    problem = labels.problem(given.node_labels)
    if problem:
        raise StartError(problem, "have an administrator put such labels on the Node")
    for pattern in given.allowed_unsafe_sysctls:
        problem = sysctls.problem_of_pattern(pattern)
        if problem:
            raise StartError(f"--allowed-unsafe-sysctls: {problem}")


def parse(arguments: Sequence[str] | None = None) -> Config:
    """The configuration; a wrong flag ends the process, a wrong value raises StartError."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    given = declare().parse(words)
    if given.config:
        given = declare().parse(config_file.with_file(words, given.config))
    hostname = (given.hostname_override or socket.gethostname()).lower()
    try:
        taints = tuple(parse_taint(text) for text in given.register_with_taints)
    except ValueError as error:
        raise StartError(str(error)) from error
    _check_words(given)
    return Config(
        kubeconfig=given.kubeconfig,
        master=given.master,
        node_name=hostname,
        hostname=hostname,
        node_ip=given.node_ip,
        root_dir=Path(given.root_dir),
        docker_socket=_socket_path(given.container_runtime_endpoint),
        cluster_dns=tuple(given.cluster_dns),
        cluster_domain=given.cluster_domain,
        resolv_conf=Path(given.resolv_conf),
        sandbox_image=given.pod_infra_container_image,
        register_node=given.register_node,
        register_taints=taints,
        node_labels=given.node_labels,
        address=given.address,
        port=given.port,
        healthz_address=given.healthz_bind_address,
        healthz_port=given.healthz_port,
        tls_cert_file=given.tls_cert_file,
        tls_key_file=given.tls_private_key_file,
        client_ca_file=given.client_ca_file,
        bootstrap_kubeconfig=given.bootstrap_kubeconfig,
        cert_dir=Path(given.cert_dir or Path(given.root_dir) / "pki"),
        rotate_client=given.rotate_certificates,
        rotate_server=given.rotate_server_certificates,
        cgroup_root=given.cgroup_root,
        pods_max=given.max_pods,
        pod_cidr=given.pod_cidr,
        pod_network=given.pod_network,
        cni_conf_dir=Path(given.cni_conf_dir),
        cni_bin_dirs=tuple(Path(folder) for folder in given.cni_bin_dir),
        reserved=_sum(given.system_reserved, given.kube_reserved),
        lease_seconds=given.node_lease_duration_seconds,
        fences_after=_fences_after(given),
        status_update_seconds=given.node_status_update_frequency,
        status_report_seconds=given.node_status_report_frequency,
        garbage=_garbage(given),
        log_limits=_log_limits(given),
        eviction=_eviction(given),
        manifests=Path(given.pod_manifest_path) if given.pod_manifest_path else None,
        unsafe_sysctls=tuple(given.allowed_unsafe_sysctls),
        seccomp_default=given.seccomp_default,
        verbosity=given.v,
    )
