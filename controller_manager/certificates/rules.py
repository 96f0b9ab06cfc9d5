"""Which requests a signer takes, and which a controller approves by itself. Pure.

Source: ValidateKubeletClientCSR and ValidateKubeletServingCSR of pkg/apis/certificates/helpers.go,
pkg/controller/certificates/signer/signer.go.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from ipaddress import ip_address

from controller_manager.certificates.request import Request
from wherry.api.core_v1 import Node

CLIENT = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING = "kubernetes.io/kubelet-serving"
LEGACY = "kubernetes.io/legacy-unknown"
PROXY_CLIENT = "wherry.io/kube-proxy-client"  # ours: machines that join get their proxy's by it
PROXY_USER = "system:kube-proxy"
NODES = "system:nodes"
NODE_PREFIX = "system:node:"

DIGITAL, ENCIPHER = "digital signature", "key encipherment"
CLIENT_AUTH, SERVER_AUTH = "client auth", "server auth"

# Names by which others are reached: no node gets a certificate for one, whatever it is called.
RESERVED_NAMES = frozenset({"localhost", "kubernetes"})
RESERVED_PREFIXES = ("kubernetes.default",)


def _usages(usages: Collection[str], auth: str) -> bool:
    """An RSA key needs to encipher, an elliptic one does not: both sets are taken."""
    return set(usages) in ({DIGITAL, ENCIPHER, auth}, {DIGITAL, auth})


def kubelet_client_problem(request: Request, usages: Collection[str]) -> str:
    """Why this is no request of a kubelet's client certificate; empty when it is one."""
    if request.organizations != (NODES,):
        return "subject organization is not system:nodes"
    if request.dns_names:
        return "DNS subjectAltNames are not allowed"
    if request.emails:
        return "Email subjectAltNames are not allowed"
    if request.addresses:
        return "IP subjectAltNames are not allowed"
    if request.uris:
        return "URI subjectAltNames are not allowed"
    if not request.common_name.startswith(NODE_PREFIX):
        return "subject common name does not begin with system:node:"
    if not _usages(usages, CLIENT_AUTH):
        return _wrong_usages(usages, CLIENT_AUTH)
    return ""


def kubelet_serving_problem(request: Request, usages: Collection[str]) -> str:
    """The same of a kubelet's serving certificate."""
    if request.organizations != (NODES,):
        return "subject organization is not system:nodes"
    if not request.dns_names and not request.addresses:
        return "DNS or IP subjectAltName is required"
    if request.emails:
        return "Email subjectAltNames are not allowed"
    if request.uris:
        return "URI subjectAltNames are not allowed"
    if not _usages(usages, SERVER_AUTH):
        return _wrong_usages(usages, SERVER_AUTH)
    if not request.common_name.startswith(NODE_PREFIX):
        return "subject common name does not begin with system:node:"
    return ""


def _wrong_usages(usages: Collection[str], auth: str) -> str:
    kind = "client auth" if auth == CLIENT_AUTH else "server auth"
    wanted = f"[{kind} {DIGITAL} {ENCIPHER}] or [{kind} {DIGITAL}]"
    return f"usages did not match {wanted}: [{' '.join(sorted(usages))}]"


def client_problem(request: Request, usages: Collection[str]) -> str:
    """Of a client certificate that is no kubelet's."""
    for usage in usages:
        if usage not in (DIGITAL, ENCIPHER, CLIENT_AUTH):
            return f"invalid usage for client certificate: {usage}"
    if CLIENT_AUTH not in usages:
        return f"missing required usage for client certificate: {CLIENT_AUTH}"
    return ""


def proxy_client_problem(request: Request, usages: Collection[str]) -> str:
    """Why this is no request of a proxy's client certificate: it is for one user and in no group."""
    if request.common_name != PROXY_USER or request.organizations:
        return f"subject is not {PROXY_USER} alone"
    if request.dns_names or request.addresses or request.emails or request.uris:
        return "subjectAltNames are not allowed"
    if not _usages(usages, CLIENT_AUTH):
        return _wrong_usages(usages, CLIENT_AUTH)
    return ""


def is_nodes(username: str, groups: Iterable[str]) -> bool:
    """Whether it is a node that asks."""
    return username.startswith(NODE_PREFIX) and NODES in groups


def takeover_refusal(request: Request, username: str, node: Node | None) -> str:
    """Why a token may not ask for this node's identity: it is alive under another key. Else empty.

    A node that is silent, or asks for itself, gets a new certificate: so a machine that was installed
    anew comes back under its name. Upstream leaves this check to the machine that joins (kubeadm).
    """
    if node is None or username == request.common_name:
        return ""
    ready = any(one.type == "Ready" and one.status == "True" for one in node.status.conditions)
    return f"node {node.metadata.name} is there and Ready" if ready else ""


def _anything(request: Request, usages: Collection[str]) -> str:
    return ""


# Who signs what: signer → why a request is refused.
SIGNERS: dict[str, Callable[[Request, Collection[str]], str]] = {
    CLIENT: client_problem,
    KUBELET_CLIENT: kubelet_client_problem,
    KUBELET_SERVING: kubelet_serving_problem,
    LEGACY: _anything,
    PROXY_CLIENT: proxy_client_problem,
}


def serving_refusal(
    request: Request, username: str, node: Node | None, taken: Collection[str]
) -> str:
    """Why a node's serving certificate is not approved by itself; empty when it may be.

    taken: addresses of other nodes, of Services and of API servers. A node writes its own status, so
           what it says there is believed only where it is nobody else's.
    """
    if username != request.common_name:
        return "somebody else asks"
    name = username.removeprefix(NODE_PREFIX)
    if node is None or node.metadata.name != name:
        return f"there is no node {name}"
    own = addresses_of(node)
    if name in RESERVED_NAMES or name.startswith(RESERVED_PREFIXES):
        return f"{name} is the name of something else"
    for dns_name in request.dns_names:
        if dns_name != name:
            return f"{dns_name} is not the node's name"
    for address in request.addresses:
        if address not in own:
            return f"{address} is not the node's address"
        if address in taken or ip_address(address).is_loopback:
            return f"{address} is not the node's alone"
    return ""


def addresses_of(node: Node) -> set[str]:
    """A node's IP addresses, as it says."""
    kinds = ("InternalIP", "ExternalIP")
    return {one.address for one in node.status.addresses if one.type in kinds}


def taken_addresses(
    own: Node | None, nodes: Iterable[Node], others: Iterable[str]
) -> frozenset[str]:
    """Everybody else's addresses."""
    name = own.metadata.name if own is not None else ""
    theirs = (one for node in nodes if node.metadata.name != name for one in addresses_of(node))
    return frozenset((*theirs, *others))
