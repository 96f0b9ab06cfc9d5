"""The daemons of a cluster as a supervisor's plan: pure, from a few facts to command lines.

`up` asks for one machine in the namespace it stands in; the lab for N machines, each in a network
namespace, with the control plane in one of its own. Both get the same daemons and flags.

The *fast profile* is what makes a dead machine's pods run elsewhere within seconds; the daemons'
own defaults are upstream's.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from deploy.cluster_pki import pair_flags
from deploy.encryption import FILE as ENCRYPTION
from deploy.facts import Facts, Membership
from deploy.places import ANYWHERE, ANYWHERE6, ControlPlane, Machine, daemon_name, endpoint
from deploy.spec import Daemon, Ready

LEADER_ELECTION = (
    "--leader-elect=true",
    "--leader-elect-lease-duration=5s",
    "--leader-elect-renew-deadline=3s",
    "--leader-elect-retry-period=1s",
)
FAST_PROFILE = {
    "apiserver": (
        "--default-not-ready-toleration-seconds=2",
        "--default-unreachable-toleration-seconds=2",
    ),
    "scheduler": LEADER_ELECTION,
    "controller-manager": (
        *LEADER_ELECTION,
        "--node-monitor-period=1s",
        "--node-monitor-grace-period=7s",
        "--node-eviction-rate=1",
    ),
    # A kubelet renews its Lease four times in its duration: every 2 s.
    "kubelet": ("--node-lease-duration-seconds=8",),
    "proxy": (),
}
FRONT_PROXY_FLAGS = (
    "--requestheader-allowed-names=front-proxy-client",
    "--requestheader-username-headers=X-Remote-User",
    "--requestheader-group-headers=X-Remote-Group",
    "--requestheader-extra-headers-prefix=X-Remote-Extra-",
)
ENVIRONMENT = {"MALLOC_ARENA_MAX": "2"}  # glibc's arenas cost each daemon 10 MiB or more


def script(name: str) -> str:
    """A console script beside this Python."""
    return str(Path(sys.executable).parent / name)


def control_plane(place: ControlPlane) -> tuple[Daemon, ...]:
    """The daemons of the control plane; their certificates are `cluster_pki.inventory`'s."""
    daemons = (_etcd(place), _apiserver(place), *managers(place), _dns(place))
    return tuple(replace(one, user=place.user(one.name), reveal=place.reveal) for one in daemons)


def managers(place: ControlPlane) -> tuple[Daemon, ...]:
    """The scheduler and the controller manager, of which any number may stand by."""
    return (
        _client_daemon(place, "scheduler", 10259),
        _client_daemon(
            place, "controller-manager", 10257,
            f"--root-ca-file={place.ca}",
            f"--service-account-private-key-file={place.pki / 'sa.key'}",
            f"--cluster-signing-cert-file={place.ca}",
            f"--cluster-signing-key-file={place.pki / 'ca.key'}",
            f"--cluster-cidr={place.network.pods}",
            f"--service-cluster-ip-range={place.network.services}",
            "--allocate-node-cidrs=true",
            "--controllers=*,bootstrapsigner,tokencleaner",
            "--publish-cluster-info",
        ),
    )  # fmt: skip


def standby(node: Machine, place: ControlPlane) -> tuple[Daemon, ...]:
    """A scheduler and a controller manager of the lab's that run on a node."""
    there = replace(place, address=node.address, log_dir=node.log_dir, namespace=node.namespace)
    return tuple(
        replace(
            one, name=daemon_name(node, one.name), user=place.user(one.name), reveal=place.reveal
        )
        for one in managers(there)
    )


def etcd_data(place: ControlPlane) -> Path:
    return place.data_dir / "etcd"


def _etcd(place: ControlPlane) -> Daemon:
    client = f"https://127.0.0.1:{place.etcd_port}"
    peer = f"https://127.0.0.1:{place.etcd_port + 1}"
    files = place.pki / "etcd"
    ca = f"{files / 'ca.crt'}"
    command = (
        "etcd", "--name=wherry", f"--data-dir={etcd_data(place)}",
        f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=wherry={peer}", "--max-request-bytes=3145728",
        "--client-cert-auth", f"--trusted-ca-file={ca}",
        *pair_flags(files / "server", "cert-file", "key-file"),
        "--peer-client-cert-auth", f"--peer-trusted-ca-file={ca}",
        *pair_flags(files / "peer", "peer-cert-file", "peer-key-file"),
        "--auto-compaction-mode=periodic", "--auto-compaction-retention=10m",
        "--logger=zap",
    )  # fmt: skip
    # etcd listens on its own namespace's loopback; the API server's readiness speaks for it.
    ready = None
    if not place.namespace:
        client_stem = str(place.pki / "apiserver-etcd-client")
        ready = Ready(f"127.0.0.1:{place.etcd_port}", "/health", ca, client_stem)
    return Daemon(
        "etcd", command, str(place.log_dir / "etcd.log"), {}, place.namespace, ready,
        writes=(str(etcd_data(place)),),
        # It reads certificates at every handshake, but its trusted authorities only once.
        restart_on=(ca,),
    )  # fmt: skip


def _apiserver(place: ControlPlane) -> Daemon:
    pki = place.pki
    command = (
        script("wherry-apiserver"),
        f"--etcd-servers=https://127.0.0.1:{place.etcd_port}",
        f"--etcd-cafile={pki / 'etcd' / 'ca.crt'}",
        *pair_flags(pki / "apiserver-etcd-client", "etcd-certfile", "etcd-keyfile"),
        f"--encryption-provider-config={pki / ENCRYPTION}",
        "--encryption-provider-config-automatic-reload=true",
        f"--bind-address={place.anywhere}",
        f"--secure-port={place.port}",
        f"--advertise-address={place.address}",
        *pair_flags(pki / "apiserver", "tls-cert-file", "tls-private-key-file"),
        f"--client-ca-file={place.ca}",
        "--enable-bootstrap-token-auth=true",
        f"--requestheader-client-ca-file={pki / 'front-proxy-ca.crt'}",
        *FRONT_PROXY_FLAGS,
        "--kubelet-preferred-address-types=InternalIP,Hostname",
        f"--kubelet-certificate-authority={place.ca}",
        *pair_flags(
            pki / "apiserver-kubelet-client", "kubelet-client-certificate", "kubelet-client-key"
        ),
        f"--service-account-key-file={pki / 'sa.pub'}",
        f"--service-account-signing-key-file={pki / 'sa.key'}",
        f"--service-account-issuer=https://kubernetes.default.svc.{place.network.domain}",
        f"--service-cluster-ip-range={place.network.services}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        *FAST_PROFILE["apiserver"],
    )
    return Daemon(
        "apiserver", command, str(place.log_dir / "apiserver.log"), ENVIRONMENT, place.namespace,
        Ready(f"{place.address}:{place.port}", "/readyz", str(place.ca)),
    )  # fmt: skip


def _client_daemon(place: ControlPlane, name: str, port: int, *flags: str) -> Daemon:
    command = (
        script(f"wherry-{name}"), f"--kubeconfig={place.kubeconfig(name)}",
        f"--bind-address={place.address}", f"--secure-port={port}",
        *pair_flags(place.pki / f"{name}-server", "tls-cert-file", "tls-private-key-file"),
        f"--client-ca-file={place.ca}",
        *flags, *FAST_PROFILE[name],
    )  # fmt: skip
    return Daemon(
        name, command, str(place.log_dir / f"{name}.log"), ENVIRONMENT, place.namespace,
        Ready(f"{place.address}:{port}", ca=str(place.ca)),
    )  # fmt: skip


DNS_HEALTH_PORT = 10254


def _dns(place: ControlPlane) -> Daemon:
    own = [one for one in (place.address, place.address6) if one]
    service = place.network.dns_addresses[: len(own)]
    command = (
        script("wherry-dns"), f"--kubeconfig={place.kubeconfig('dns')}",
        f"--bind-address={','.join(own)}",
        f"--advertise-address={','.join(own)}", f"--cluster-dns={','.join(service)}",
        f"--cluster-domain={place.network.domain}", f"--health-port={DNS_HEALTH_PORT}",
    )  # fmt: skip
    return Daemon(
        "dns", command, str(place.log_dir / "dns.log"), ENVIRONMENT, place.namespace,
        Ready(f"{place.address}:{DNS_HEALTH_PORT}", "/readyz"), capabilities=("net_bind_service",),
    )  # fmt: skip


def facts(place: ControlPlane) -> Facts:
    """What the machines of this control plane have to know."""
    return Facts(place.network, FAST_PROFILE["kubelet"], FAST_PROFILE["proxy"])


def machine(node: Machine, place: ControlPlane) -> tuple[Daemon, ...]:
    """The daemons of one node, whose certificates the control plane's machine can write."""
    return member(node, Membership(facts(place), place.ca))


def member(node: Machine, membership: Membership) -> tuple[Daemon, ...]:
    """The daemons of one node of any cluster."""
    engine = (_engine(node),) if node.own_engine else ()
    return (*engine, _kubelet(node, membership), _proxy(node, membership))


def _engine(node: Machine) -> Daemon:
    run = node.run_dir / "docker"
    command = [
        "dockerd", f"--host=unix://{node.docker_socket}", f"--data-root={node.directory / 'docker'}",
        f"--exec-root={run}", f"--pidfile={run / 'docker.pid'}",
        "--log-driver=json-file", "--storage-driver=overlay2",
    ]  # fmt: skip
    if node.namespace:
        # A containerd that runs on the host already is shared: keep the machines apart in it.
        space = f"moby-{node.namespace}"
        command += [f"--containerd-namespace={space}", f"--containerd-plugins-namespace=p-{space}"]
    return Daemon(
        daemon_name(node, "dockerd"), tuple(command), str(node.log_dir / "dockerd.log"), {},
        node.namespace, Ready(str(node.docker_socket), "/_ping"),
        before_stop=(sys.executable, "-m", "deploy.engine", str(node.docker_socket)),
        stop_seconds=30.0,
    )  # fmt: skip


def _kubelet(node: Machine, of: Membership) -> Daemon:
    network = of.facts.network
    certificates = (
        (f"--cert-dir={of.ca.parent}", "--rotate-certificates", "--rotate-server-certificates")
        if of.by_request
        else pair_flags(node.stem("kubelet-server"), "tls-cert-file", "tls-private-key-file")
    )
    command = (
        script("wherry-kubelet"), f"--kubeconfig={node.kubeconfig('kubelet')}",
        f"--hostname-override={node.name}", f"--node-ip={node.addresses}",
        f"--root-dir={node.directory / 'kubelet'}",
        f"--container-runtime-endpoint=unix://{node.docker_socket}",
        f"--cluster-dns={network.dns}", f"--cluster-domain={network.domain}",
        f"--pod-network={network.mode}",
        *certificates,
        f"--client-ca-file={of.ca}",
        f"--address={node.anywhere}", f"--healthz-bind-address={node.address}",
        *(() if not node.namespace else (
            f"--cni-conf-dir={node.directory / 'cni'}",
            f"--pod-manifest-path={node.directory / 'manifests'}",
        )),
        *((f"--resolv-conf={node.resolv_conf}",) if node.resolv_conf else ()),
        # The images in an engine of the machine's own are not ours to clear away.
        *(() if node.own_engine else ("--image-gc-high-threshold=100",)),
        *of.facts.kubelet,
    )  # fmt: skip
    after = (daemon_name(node, "dockerd"),) if node.own_engine else ()
    return Daemon(
        daemon_name(node, "kubelet"), command, str(node.log_dir / "kubelet.log"), ENVIRONMENT,
        node.namespace, Ready(f"{node.address}:10248"), after,
    )  # fmt: skip


def _proxy(node: Machine, of: Membership) -> Daemon:
    wide = ANYWHERE6 if ":" in node.address else ANYWHERE  # each listens to its own family
    command = (
        script("wherry-proxy"), f"--kubeconfig={node.kubeconfig('proxy')}",
        f"--hostname-override={node.name}", f"--cluster-cidr={of.facts.network.pods}",
        f"--pod-network={of.facts.network.mode}",
        f"--healthz-bind-address={endpoint(wide, 10256)}",
        *of.facts.proxy,
    )  # fmt: skip
    return Daemon(
        daemon_name(node, "proxy"), command, str(node.log_dir / "proxy.log"), ENVIRONMENT,
        node.namespace, Ready(f"{node.address}:10256"),
    )  # fmt: skip
