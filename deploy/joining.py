"""What machines that join may do, and who signs what they read first. Pure.

A bootstrap token of the group for nodes may ask for a node's client certificate, look whether a name
is taken, and read what a node has to know; nothing else. A node may ask for a new certificate of its
own and for its proxy's; everybody may read where the cluster is. Names are kubeadm's where it has them.

Source: cmd/kubeadm/app/phases/bootstraptoken.
"""

from __future__ import annotations

from typing import Any, Final

from deploy import facts
from deploy.csr import PROXY_CLIENT

GROUP: Final = "rbac.authorization.k8s.io"
BOOTSTRAPPERS: Final = "system:bootstrappers:kubeadm:default-node-token"
NODES: Final = "system:nodes"
ANONYMOUS: Final = "system:anonymous"
CONTROLLER_MANAGER: Final = "system:kube-controller-manager"
REQUESTS: Final = "system:certificates.k8s.io:certificatesigningrequests"
SERVING_APPROVER: Final = "system:certificates.k8s.io:kubelet-serving-approver"
PUBLIC, SYSTEM = "kube-public", "kube-system"
INFO_ROLE: Final = "kubeadm:bootstrap-signer-clusterinfo"
GET_NODES: Final = "kubeadm:get-nodes"
CONFIG_ROLE: Final = "wherry:nodes-config"
PROXY_SIGNER: Final = "wherry:kube-proxy-client-signer"
SIGNER: Final = "system:controller:bootstrap-signer"
CLEANER: Final = "system:controller:token-cleaner"

Tree = dict[str, Any]


def _object(kind: str, name: str, namespace: str) -> Tree:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": metadata}


def _role(name: str, namespace: str, *rules: Tree) -> Tree:
    return _object("Role" if namespace else "ClusterRole", name, namespace) | {"rules": list(rules)}


def _binding(name: str, role: str, subject: tuple[str, str], namespace: str = "") -> Tree:
    kind = "Role" if namespace else "ClusterRole"
    return _object(f"{kind}Binding", name, namespace) | {
        "roleRef": {"apiGroup": GROUP, "kind": kind, "name": role},
        "subjects": [{"kind": subject[0], "apiGroup": GROUP, "name": subject[1]}],
    }


def objects() -> list[Tree]:
    """What is to be applied."""
    maps = {"apiGroups": [""], "resources": ["configmaps"]}
    info = {**maps, "resourceNames": ["cluster-info"]}
    signer = {
        "apiGroups": ["certificates.k8s.io"], "resources": ["signers"],
        "resourceNames": [PROXY_CLIENT], "verbs": ["approve", "sign"],
    }  # fmt: skip
    manager = ("User", CONTROLLER_MANAGER)
    return [
        _binding("kubeadm:kubelet-bootstrap", "system:node-bootstrapper", ("Group", BOOTSTRAPPERS)),
        _binding(
            "kubeadm:node-autoapprove-bootstrap", f"{REQUESTS}:nodeclient", ("Group", BOOTSTRAPPERS)
        ),
        _binding(
            "kubeadm:node-autoapprove-certificate-rotation", f"{REQUESTS}:selfnodeclient",
            ("Group", NODES),
        ),
        # Upstream leaves this to people: our controller manager approves what is a node's own.
        _binding("wherry:kubelet-serving-approver", SERVING_APPROVER, manager),
        _role(INFO_ROLE, PUBLIC, {**info, "verbs": ["get"]}),
        _binding(INFO_ROLE, INFO_ROLE, ("User", ANONYMOUS), PUBLIC),
        # Machines that have joined follow it, too, while authorities are exchanged.
        _binding("wherry:cluster-info-nodes", INFO_ROLE, ("Group", NODES), PUBLIC),
        _role("wherry:cluster-info", PUBLIC, {**maps, "verbs": ["create"]}),
        _binding("wherry:cluster-info", "wherry:cluster-info", manager, PUBLIC),
        _binding("wherry:bootstrap-signer", SIGNER, manager, PUBLIC),
        _binding("wherry:bootstrap-signer", SIGNER, manager, SYSTEM),
        _binding("wherry:token-cleaner", CLEANER, manager, SYSTEM),
        # Before it asks for a certificate a machine looks whether its name is somebody else's.
        _role(GET_NODES, "", {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}),
        _binding(GET_NODES, GET_NODES, ("Group", BOOTSTRAPPERS)),
        _role(CONFIG_ROLE, SYSTEM, {**maps, "resourceNames": [facts.NAME], "verbs": ["get"]}),
        _binding(f"{CONFIG_ROLE}-tokens", CONFIG_ROLE, ("Group", BOOTSTRAPPERS), SYSTEM),
        _binding(CONFIG_ROLE, CONFIG_ROLE, ("Group", NODES), SYSTEM),
        # A signer that issues nothing but certificates of `system:kube-proxy`, to nodes.
        _role(PROXY_SIGNER, "", signer),
        _binding(PROXY_SIGNER, PROXY_SIGNER, manager),
    ]  # fmt: skip
