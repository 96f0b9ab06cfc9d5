"""What the daemons of a cluster may do beyond upstream's default roles.

Upstream gives each controller a service account of its own; here they share the controller manager's
user, which is therefore granted the roles of the controllers it runs, and no other. The DNS server
publishes itself, so it may write what it publishes. Proxies enforce NetworkPolicies, so they may
follow those and the pods they speak of. The API server's user at the kubelets may use
their API and nothing else.

`grant` applies all this as soon as the API server answers, beside the start of the other daemons.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from deploy import facts, joining
from deploy.discovery import reason
from deploy.nodes import connect
from deploy.preflight import Problem

POLL_SECONDS: Final = 0.05
GROUP: Final = "rbac.authorization.k8s.io"
PATH: Final = f"/apis/{GROUP}/v1"
MANAGER: Final = "wherry-deploy"
CONTROLLER_MANAGER: Final = "system:kube-controller-manager"
DNS: Final = "system:dns"
PROXY: Final = "system:kube-proxy"
KUBELET_CLIENT: Final = "kube-apiserver-kubelet-client"
# Controllers of the controller manager → upstream's role for them, `system:controller:` left out;
# "" where the role of the controller manager itself is enough.
CONTROLLER_ROLES: Final[dict[str, str]] = {
    "serviceaccount-controller": "service-account-controller",
    "root-ca-certificate-publisher-controller": "root-ca-cert-publisher",
    "namespace-controller": "namespace-controller",
    "node-ipam-controller": "node-controller",
    "node-lifecycle-controller": "node-controller",
    "taint-eviction-controller": "node-controller",
    "control-plane-taint-controller": "node-controller",
    "deployment-controller": "deployment-controller",
    "replicaset-controller": "replicaset-controller",
    "daemonset-controller": "daemon-set-controller",
    "statefulset-controller": "statefulset-controller",
    "replicationcontroller-controller": "replication-controller",
    "horizontal-pod-autoscaler-controller": "horizontal-pod-autoscaler",
    "disruption-controller": "disruption-controller",
    "cronjob-controller": "cronjob-controller",
    "job-controller": "job-controller",
    "ttl-controller": "ttl-controller",
    "legacy-serviceaccount-token-cleaner-controller": "legacy-service-account-token-cleaner",
    "ttl-after-finished-controller": "ttl-after-finished-controller",
    "endpoints-controller": "endpoint-controller",
    "endpointslice-controller": "endpointslice-controller",
    "endpointslice-mirroring-controller": "endpointslicemirroring-controller",
    "persistentvolume-binder-controller": "persistent-volume-binder",
    "persistentvolume-expander-controller": "expand-controller",
    "ephemeral-volume-controller": "ephemeral-volume-controller",
    "persistentvolumeclaim-protection-controller": "pvc-protection-controller",
    "persistentvolume-protection-controller": "pv-protection-controller",
    "volumeattributesclass-protection-controller": "volumeattributesclass-protection-controller",
    "service-cidr-controller": "service-cidrs-controller",
    "garbage-collector-controller": "generic-garbage-collector",
    "pod-garbage-collector-controller": "pod-garbage-collector",
    "clusterrole-aggregation-controller": "clusterrole-aggregation-controller",
    "certificatesigningrequest-signing-controller": "certificate-controller",
    "certificatesigningrequest-approving-controller": "certificate-controller",
    "certificatesigningrequest-cleaner-controller": "certificate-controller",
    "serviceaccount-token-controller": "",
}

Tree = dict[str, Any]


def objects(defaults: Mapping[str, list[Tree]]) -> list[Tree]:
    """What is to be applied, first for whom nothing is granted by default.

    defaults: the rules of upstream's ClusterRoles, by name
    """
    rules: list[Tree] = []
    for name in dict.fromkeys(filter(None, CONTROLLER_ROLES.values())):
        rules += [one for one in defaults[f"system:controller:{name}"] if one not in rules]
    return [
        _role("wherry:dns", _DNS_RULES),
        _binding("wherry:dns", "wherry:dns", DNS),
        _role("wherry:dns", _DNS_PUBLISHING, "kube-system"),
        _binding("wherry:dns", "wherry:dns", DNS, "kube-system"),
        _role("wherry:controllers", rules),
        _binding("wherry:controllers", "wherry:controllers", CONTROLLER_MANAGER),
        _binding("wherry:kubelet-client", "system:kubelet-api-admin", KUBELET_CLIENT),
        _role("wherry:proxy", _PROXY_RULES),
        _binding("wherry:proxy", "wherry:proxy", PROXY),
    ]


_DNS_RULES: Final[list[Tree]] = [
    {"apiGroups": [""], "resources": ["services"], "verbs": ["list", "watch"]},
    {
        "apiGroups": ["discovery.k8s.io"],
        "resources": ["endpointslices"],
        "verbs": ["list", "watch"],
    },
]
# What NetworkPolicies take, beyond upstream's role for a proxy, which knows no policies.
_PROXY_RULES: Final[list[Tree]] = [
    {"apiGroups": [""], "resources": ["pods", "namespaces"], "verbs": ["list", "watch"]},
    {
        "apiGroups": ["networking.k8s.io"],
        "resources": ["networkpolicies"],
        "verbs": ["list", "watch"],
    },
]
_DNS_PUBLISHING: Final[list[Tree]] = [
    {"apiGroups": [""], "resources": ["services"], "verbs": ["create"]},
    {
        "apiGroups": [""],
        "resources": ["services"],
        "resourceNames": ["kube-dns"],
        "verbs": ["get", "update"],
    },
    {
        "apiGroups": ["discovery.k8s.io"],
        "resources": ["endpointslices"],
        "verbs": ["create", "delete", "get", "update"],
    },
]


def _role(name: str, rules: list[Tree], namespace: str = "") -> Tree:
    return _object("Role" if namespace else "ClusterRole", name, namespace) | {"rules": rules}


def _binding(name: str, role: str, user: str, namespace: str = "") -> Tree:
    kind = "Role" if namespace else "ClusterRole"
    return _object(f"{kind}Binding", name, namespace) | {
        "roleRef": {"apiGroup": GROUP, "kind": kind, "name": role},
        "subjects": [{"kind": "User", "apiGroup": GROUP, "name": user}],
    }


def _object(kind: str, name: str, namespace: str) -> Tree:
    metadata: Tree = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": metadata}


def path_of(tree: Tree) -> str:
    metadata = tree["metadata"]
    where = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
    return f"{PATH}{where}/{tree['kind'].lower()}s/{metadata['name']}"


def grant(kubeconfig: Path, timeout_seconds: float, cluster: facts.Facts | None = None) -> None:
    """Apply the rights once the API server is ready, and publish what joining machines must know.

    Problem when it is not ready in time, or refuses.
    """
    deadline = time.monotonic() + timeout_seconds
    with connect(kubeconfig) as client:
        while not _ready(client):
            if time.monotonic() > deadline:
                return  # who waits for the daemons says which one is late
            time.sleep(POLL_SECONDS)
        try:
            listed = client.get(f"{PATH}/clusterroles").raise_for_status().json()["items"]
            defaults = {one["metadata"]["name"]: one["rules"] or [] for one in listed}
            for tree in (*objects(defaults), *joining.objects()):
                _apply(client, tree)
            if cluster is not None:
                facts.publish(client, cluster)
        except (httpx.HTTPError, KeyError) as error:
            raise Problem(
                f"the daemons' rights can't be granted: {reason(error)}", "wherry up"
            ) from error


def _ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False  # it is still coming up


def _apply(client: httpx.Client, tree: Tree) -> None:
    client.patch(
        path_of(tree),
        params={"fieldManager": MANAGER, "force": "true"},
        content=json.dumps(tree),
        headers={"Content-Type": "application/apply-patch+yaml"},
    ).raise_for_status()


@contextmanager
def granted(
    kubeconfig: Path, timeout_seconds: float, cluster: facts.Facts | None = None
) -> Iterator[None]:
    """Grant the rights while the body waits for the daemons, which need them."""
    problems: list[Problem] = []

    def run() -> None:
        try:
            grant(kubeconfig, timeout_seconds, cluster)
        except Problem as problem:
            problems.append(problem)

    worker = threading.Thread(target=run, name="rights", daemon=True)
    worker.start()
    try:
        yield
    finally:
        worker.join(timeout_seconds)
    if problems:
        raise problems[0]
