"""What a node may: reasons are upstream's; related is what its pods use."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apiserver.authz.authorizer import Attributes, field_terms
from apiserver.authz.node import (
    ATTACHMENTS,
    CLAIMS,
    PODS,
    SLICES,
    VOLUMES,
    NodeAuthorizer,
    node_of,
)
from apiserver.request import User
from apiserver.storage.window import ResourceWindow
from wherry.api.scheme import Resource

NODE = User("system:node:n1", groups=("system:nodes", "system:authenticated"))
Tree = dict[str, Any]


def pod_fields(tree: Any) -> dict[str, str]:
    return {"spec.nodeName": tree["spec"].get("nodeName", "")}


class World:
    """Pods and volumes, and the authorizer that sees them."""

    def __init__(self) -> None:
        self.pods = ResourceWindow(PODS, pod_fields)
        self.others: dict[tuple[Resource, str, str], Tree] = {}
        self.revision = 0
        self.node = NodeAuthorizer(lambda _: self.pods, self)

    def get(self, resource: Resource, namespace: str, name: str) -> Tree | None:
        if resource is PODS:
            cached = self.pods.get(namespace, name)
            return None if cached is None else json.loads(cached.item)
        return self.others.get((resource, namespace, name))

    def pod(self, name: str, node: str = "n1", namespace: str = "ns", *, status: Tree | None = None,
            annotations: Tree | None = None, **spec: Any) -> None:  # fmt: skip
        self.revision += 1
        metadata = {"name": name, "namespace": namespace, "uid": "u"}
        if annotations:
            metadata["annotations"] = annotations
        if node:
            spec["nodeName"] = node
        tree = {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": spec,
                "status": status or {}}  # fmt: skip
        stored = json.dumps(tree, separators=(",", ":")).encode()
        self.pods.apply(namespace, name, stored, self.revision, 0.0)

    def gone(self, name: str, namespace: str = "ns") -> None:
        self.revision += 1
        self.pods.apply(namespace, name, None, self.revision, 0.0)

    def put(self, resource: Resource, name: str, spec: Tree, namespace: str = "") -> None:
        metadata = {"name": name, "namespace": namespace}
        self.others[resource, namespace, name] = {"metadata": metadata, "spec": spec}

    def ask(self, verb: str, resource: str, name: str = "", namespace: str = "ns", group: str = "",
            selector: str = "", user: User = NODE) -> tuple[bool, str]:  # fmt: skip
        kind, _, part = resource.partition("/")
        fields = field_terms(selector) if selector else ()
        asked = Attributes(user, verb, namespace, group, "v1", kind, part, name, "", fields)
        decision = self.node.authorize(asked)
        return decision.allowed, decision.reason

    def may(self, *args: Any, **more: Any) -> bool:
        return self.ask(*args, **more)[0]


def env(kind: str, name: str) -> Tree:
    field = f"{kind}KeyRef"
    return {"name": "c", "env": [{"name": "E", "valueFrom": {field: {"name": name, "key": "k"}}}]}


def test_who_is_a_node() -> None:
    assert node_of(NODE) == "n1"
    assert node_of(User("system:node:n1")) is None
    assert node_of(User("n1", groups=("system:nodes",))) is None
    assert node_of(User("system:node:", groups=("system:nodes",))) == ""
    world = World()
    assert world.ask("get", "pods", "p", user=User("jane")) == (False, "")
    nameless = User("system:node:", groups=("system:nodes",))
    assert world.ask("get", "pods", "p", user=nameless) == (
        False, 'unknown node for user "system:node:"',
    )  # fmt: skip


SECRETS: dict[str, Tree] = {
    "pull": {"imagePullSecrets": [{"name": "s"}]},
    "env": {"containers": [env("secret", "s")]},
    "init": {"initContainers": [env("secret", "s")]},
    "ephemeral": {"ephemeralContainers": [env("secret", "s")]},
    "env from": {"containers": [{"name": "c", "envFrom": [{"secretRef": {"name": "s"}}]}]},
    "volume": {"volumes": [{"name": "v", "secret": {"secretName": "s"}}]},
    "projected": {
        "volumes": [{"name": "v", "projected": {"sources": [{"secret": {"name": "s"}}]}}]
    },
    "csi": {"volumes": [{"name": "v", "csi": {"nodePublishSecretRef": {"name": "s"}}}]},
    "iscsi": {"volumes": [{"name": "v", "iscsi": {"secretRef": {"name": "s"}}}]},
}


@pytest.mark.parametrize("spec", SECRETS.values(), ids=SECRETS)
def test_secrets_of_its_pods(spec: Tree) -> None:
    world = World()
    world.pod("p", **spec)
    for verb in ("get", "list", "watch"):
        assert world.may(verb, "secrets", "s")
    assert not world.may("get", "secrets", "other")
    assert not world.may("get", "secrets", "s", "elsewhere")
    assert not world.may("get", "configmaps", "s")
    other = User("system:node:n2", groups=("system:nodes",))
    assert world.ask("get", "secrets", "s", user=other) == (
        False, "no relationship found between node 'n2' and this object",
    )  # fmt: skip


CONFIGMAPS: dict[str, Tree] = {
    "env": {"containers": [env("configMap", "c")]},
    "env from": {"containers": [{"name": "c", "envFrom": [{"configMapRef": {"name": "c"}}]}]},
    "volume": {"volumes": [{"name": "v", "configMap": {"name": "c"}}]},
    "projected": {
        "volumes": [{"name": "v", "projected": {"sources": [{"configMap": {"name": "c"}}]}}]
    },
}


@pytest.mark.parametrize("spec", CONFIGMAPS.values(), ids=CONFIGMAPS)
def test_configmaps_of_its_pods(spec: Tree) -> None:
    world = World()
    world.pod("p", **spec)
    assert world.may("watch", "configmaps", "c")
    assert not world.may("watch", "configmaps", "d")


def test_pods_come_move_and_go() -> None:
    world = World()
    spec = {"imagePullSecrets": [{"name": "s"}]}
    world.pod("p", node="", **spec)
    assert not world.may("get", "secrets", "s")
    world.pod("p", **spec)
    assert world.may("get", "secrets", "s")
    world.pod("q", **spec)
    world.gone("p")
    assert world.may("get", "secrets", "s")
    world.gone("q")
    assert not world.may("get", "secrets", "s")
    world.pod("p", node="n2", **spec)
    assert not world.may("get", "secrets", "s")


def test_an_ephemeral_container_brings_its_secrets() -> None:
    world = World()
    world.pod("p")
    assert not world.may("get", "secrets", "s")
    world.pod("p", ephemeralContainers=[env("secret", "s")])
    assert world.may("get", "secrets", "s")


def test_a_mirror_pod_grants_nothing() -> None:
    world = World()
    world.pod(
        "p", annotations={"kubernetes.io/config.mirror": "x"}, imagePullSecrets=[{"name": "s"}],
        serviceAccountName="a",
    )  # fmt: skip
    assert not world.may("get", "secrets", "s")
    assert not world.may("create", "serviceaccounts/token", "a")
    assert world.may("get", "pods", "p")


@pytest.mark.parametrize(
    ("verb", "resource", "name", "reason"),
    [
        ("create", "secrets", "", "can only read resources of this type"),
        ("list", "secrets", "", "No Object name found"),
        ("get", "secrets/x", "s", "cannot read subresource"),
        ("list", "persistentvolumes", "", "can only get individual resources of this type"),
        ("update", "persistentvolumeclaims", "c", "can only get individual resources of this type"),
        ("get", "persistentvolumeclaims/status", "c", "can only get/update/patch this type"),
        ("create", "serviceaccounts", "a",
         "can only create token subresource of serviceaccount"),
        ("delete", "serviceaccounts", "a",
         "can only create tokens for individual service accounts"),
        ("list", "nodes", "", "node 'n1' cannot read all nodes, only its own Node object"),
        ("get", "nodes", "n2", "node 'n1' cannot read 'n2', only its own Node object"),
        ("delete", "nodes", "n1", ""),
        ("get", "nodes/proxy", "n1", ""),
        ("update", "pods", "p", ""),
        ("deletecollection", "pods", "", ""),
        ("create", "pods/exec", "p", ""),
        ("create", "pods/binding", "p", ""),
        ("list", "pods", "", "can only list/watch pods with spec.nodeName field selector"),
        ("create", "deployments", "", ""),
        ("impersonate", "users", "admin", ""),
    ],
)  # fmt: skip
def test_what_a_node_may_not(verb: str, resource: str, name: str, reason: str) -> None:
    world = World()
    world.pod("p")
    assert world.ask(verb, resource, name) == (False, reason)


@pytest.mark.parametrize(
    ("verb", "resource", "name"),
    [
        ("get", "nodes", "n1"),
        ("watch", "nodes", "n1"),
        ("create", "nodes", ""),
        ("patch", "nodes", "n1"),
        ("patch", "nodes/status", "n1"),
        ("get", "pods", "p"),
        ("watch", "pods", "p"),
        ("delete", "pods", "p"),
        ("patch", "pods/status", "p"),
        ("create", "pods/eviction", "p"),
        ("create", "events", ""),
        ("list", "services", ""),
    ],
)
def test_what_a_node_may(verb: str, resource: str, name: str) -> None:
    world = World()
    world.pod("p")
    assert world.may(verb, resource, name)


def test_lists_of_pods_must_be_limited_to_the_node() -> None:
    world = World()
    assert world.may("watch", "pods", namespace="", selector="spec.nodeName=n1")
    assert world.may("list", "pods", namespace="", selector="status.phase!=x,spec.nodeName=n1")
    assert not world.may("list", "pods", namespace="", selector="spec.nodeName=n2")
    assert not world.may("list", "pods", namespace="", selector="spec.nodeName!=n1")


def test_its_own_lease_and_csi_node() -> None:
    world = World()
    lease = {"namespace": "kube-node-lease", "group": "coordination.k8s.io"}
    assert world.may("update", "leases", "n1", **lease)
    assert world.may("create", "leases", **lease)
    assert not world.may("update", "leases", "n2", **lease)
    assert not world.may("list", "leases", **lease)
    assert not world.may("get", "leases", "n1", "kube-system", "coordination.k8s.io")
    assert world.may("patch", "csinodes", "n1", "", "storage.k8s.io")
    assert not world.may("get", "csinodes", "n2", "", "storage.k8s.io")


def test_tokens_of_the_accounts_of_its_pods() -> None:
    world = World()
    world.pod("p", serviceAccountName="a")
    assert world.may("create", "serviceaccounts/token", "a")
    assert world.may("get", "serviceaccounts", "a")
    assert not world.may("create", "serviceaccounts/token", "b")
    assert not world.may("create", "serviceaccounts/token", "a", "elsewhere")


def test_volumes_and_their_secrets() -> None:
    world = World()
    claim = {"name": "v", "persistentVolumeClaim": {"claimName": "c"}}
    world.pod("p", volumes=[claim])
    world.pod("q", volumes=[{"name": "scratch", "ephemeral": {}}])
    csi = {
        "nodeStageSecretRef": {"namespace": "store", "name": "stage"},
        "controllerExpandSecretRef": {"namespace": "store", "name": "expand"},
    }
    world.put(CLAIMS, "c", {"volumeName": "pv"}, "ns")
    world.put(VOLUMES, "pv", {"claimRef": {"namespace": "ns", "name": "c"}, "csi": csi})
    assert world.may("get", "persistentvolumeclaims", "c")
    assert world.may("patch", "persistentvolumeclaims/status", "c")
    assert world.may("get", "persistentvolumeclaims", "q-scratch")
    assert world.may("get", "persistentvolumes", "pv", "")
    assert not world.may("get", "persistentvolumes", "other", "")
    assert world.may("get", "secrets", "stage", "store")
    assert not world.may("get", "secrets", "expand", "store")
    # A volume is a claim's only when both say so.
    world.put(VOLUMES, "pv", {"claimRef": {"namespace": "x", "name": "c"}, "csi": csi})
    assert not world.may("get", "persistentvolumes", "pv", "")


def test_what_names_its_node_itself() -> None:
    world = World()
    world.put(ATTACHMENTS, "a", {"nodeName": "n1"})
    world.put(SLICES, "s", {"nodeName": "n2"})
    assert world.may("get", "volumeattachments", "a", "", "storage.k8s.io")
    assert not world.may("get", "volumeattachments", "b", "", "storage.k8s.io")
    slices = {"namespace": "", "group": "resource.k8s.io"}
    assert not world.may("update", "resourceslices", "s", **slices)
    assert world.may("create", "resourceslices", **slices)
    assert world.may("list", "resourceslices", selector="spec.nodeName=n1", **slices)
    assert not world.may("list", "resourceslices", **slices)


def test_resource_claims() -> None:
    world = World()
    status = {"resourceClaimStatuses": [{"name": "made", "resourceClaimName": "p-made-x"}]}
    claims = [{"name": "own", "resourceClaimName": "r"}, {"name": "made"}]
    world.pod("p", resourceClaims=claims, status=status)
    for name in ("r", "p-made-x"):
        assert world.may("get", "resourceclaims", name, group="resource.k8s.io")
    assert not world.may("get", "resourceclaims", "made", group="resource.k8s.io")


def test_its_rules_can_not_be_listed() -> None:
    rules = World().node.rules(NODE, "ns")
    assert rules.incomplete
    assert rules.error == "node authorizer does not support user rule resolution"
    assert not World().node.rules(User("jane"), "ns").incomplete
