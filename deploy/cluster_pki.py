"""Which certificates `up` and `lab` make: who is who in a cluster. Pure.

Only the person's kubeconfig is in `system:masters`; every daemon has a user of its own, whose rights
are RBAC's. etcd trusts an authority of its own, which signs for nobody but etcd and the API server.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from deploy.inventory import (
    ACCOUNTS,
    CLUSTER,
    ETCD,
    FRONT_PROXY,
    AuthoritySpec,
    CertificateSpec,
    Inventory,
    KeySpec,
    KubeconfigSpec,
)
from deploy.pki import Usage
from deploy.places import ControlPlane, Machine, daemon_name

LOOPBACK = ("localhost", "127.0.0.1")
USERS = {
    "scheduler": "system:kube-scheduler",
    "controller-manager": "system:kube-controller-manager",
    "dns": "system:dns",
}


def inventory(place: ControlPlane, machines: Iterable[Machine] = ()) -> Inventory:
    """Everything for a control plane and these machines."""
    certificates = (*_etcd(place), *_apiserver(place), *_clients(place))
    nodes = [one for node in machines for one in machine_certificates(node, place)]
    # The controller manager writes the tokens that Secrets hold.
    accounts = KeySpec(
        ACCOUNTS, str(place.pki / ACCOUNTS), place.user("apiserver"),
        place.user("controller-manager"),
    )  # fmt: skip
    return Inventory(
        str(place.pki), _authorities(place), (*certificates, *nodes), place.lifetimes, (accounts,)
    )


def _authorities(place: ControlPlane) -> tuple[AuthoritySpec, ...]:
    pki = place.pki
    return (
        # The controller manager signs certificate requests with the cluster's authority.
        AuthoritySpec(CLUSTER, "kubernetes", str(pki / "ca"), place.user("controller-manager")),
        AuthoritySpec(ETCD, "etcd-ca", str(pki / "etcd" / "ca")),
        AuthoritySpec(FRONT_PROXY, "front-proxy-ca", str(pki / "front-proxy-ca")),
    )


def _etcd(place: ControlPlane) -> Iterable[CertificateSpec]:
    folder, owner = place.pki / "etcd", place.user("etcd")
    for name in ("server", "peer"):
        yield CertificateSpec(
            f"etcd-{name}", ETCD, str(folder / name), "wherry-etcd", (), LOOPBACK, Usage.BOTH, owner
        )
    yield CertificateSpec(
        "apiserver-etcd-client", ETCD, str(place.pki / "apiserver-etcd-client"),
        "kube-apiserver-etcd-client", owner=place.user("apiserver"),
    )  # fmt: skip


def _apiserver(place: ControlPlane) -> Iterable[CertificateSpec]:
    owner, domain = place.user("apiserver"), place.network.domain
    service = ("kubernetes", "kubernetes.default", "kubernetes.default.svc")
    names = (*service, f"kubernetes.default.svc.{domain}", *LOOPBACK)
    own = (place.address, place.address6) if place.address6 else (place.address,)
    addresses = (place.network.first_service, *own)

    def stem(name: str) -> str:
        return str(place.pki / name)

    yield CertificateSpec(
        "apiserver", CLUSTER, stem("apiserver"), "kube-apiserver", (), (*names, *addresses),
        Usage.SERVER, owner,
    )  # fmt: skip
    yield CertificateSpec(
        "apiserver-kubelet-client", CLUSTER, stem("apiserver-kubelet-client"),
        "kube-apiserver-kubelet-client", owner=owner,
    )  # fmt: skip
    yield CertificateSpec(
        "front-proxy-client", FRONT_PROXY, stem("front-proxy-client"), "front-proxy-client",
        owner=owner,
    )  # fmt: skip


def _clients(place: ControlPlane) -> Iterable[CertificateSpec]:
    yield CertificateSpec(
        "admin", CLUSTER, str(place.pki / "admin"), "kubernetes-admin", ("system:masters",),
        kubeconfig=KubeconfigSpec(str(place.kubeconfig("admin")), place.url, embedded=True),
    )  # fmt: skip
    for name, user in USERS.items():
        yield CertificateSpec(
            name, CLUSTER, str(place.pki / name), user, owner=place.user(name),
            kubeconfig=KubeconfigSpec(str(place.kubeconfig(name)), place.url),
        )  # fmt: skip
    for name in ("scheduler", "controller-manager"):
        yield CertificateSpec(
            f"{name}-server", CLUSTER, str(place.pki / f"{name}-server"), USERS[name], (),
            (*LOOPBACK, place.address), Usage.SERVER, place.user(name),
        )  # fmt: skip


def machine_certificates(node: Machine, place: ControlPlane) -> Iterable[CertificateSpec]:
    """What a machine's kubelet and proxy need, when the control plane's machine can write it there."""
    user, groups = f"system:node:{node.name}", ("system:nodes",)

    def kubeconfig(daemon: str) -> KubeconfigSpec:
        return KubeconfigSpec(str(node.kubeconfig(daemon)), place.url)

    yield CertificateSpec(
        daemon_name(node, "kubelet"), CLUSTER, str(node.stem(f"kubelet-{node.name}")), user, groups,
        kubeconfig=kubeconfig("kubelet"),
    )  # fmt: skip
    yield CertificateSpec(
        daemon_name(node, "kubelet-server"), CLUSTER, str(node.stem("kubelet-server")), user,
        groups, (node.name, node.address), Usage.SERVER,
    )  # fmt: skip
    yield CertificateSpec(
        daemon_name(node, "proxy"), CLUSTER, str(node.stem(f"proxy-{node.name}")),
        "system:kube-proxy", kubeconfig=kubeconfig("proxy"),
    )  # fmt: skip


def pair_flags(stem: Path, certificate: str, key: str) -> tuple[str, str]:
    """Two flags that name a certificate and its key."""
    return f"--{certificate}={stem}.crt", f"--{key}={stem}.key"
