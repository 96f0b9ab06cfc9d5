"""The Node authorizer: a node may read and write what its pods need, and nothing of other nodes.

What a pod on the node uses is looked up when the node asks: the index says which pods a node has, and
what a pod refers to is read off the pod once and kept until it changes. Where the object itself is not
known here (its name on a creation, its fields), the admission plug-in NodeRestriction decides.

Source: plugin/pkg/auth/authorizer/node: its order and reasons.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol

from apiserver.authz.authorizer import NO_OPINION, YES, Attributes, Decision, Rules
from apiserver.authz.following import Follower, Window
from apiserver.authz.pod_references import References, references, volume_secrets
from apiserver.authz.rules import compile_rules
from apiserver.bootstrap_policy.policy import node_rules
from apiserver.request import User
from apiserver.storage.encoder import decode_item
from apiserver.storage.window import Cached
from wherry.api.scheme import BY_PLURAL, Resource

PREFIX: Final = "system:node:"
NODES_GROUP: Final = "system:nodes"
LEASES_NAMESPACE: Final = "kube-node-lease"
PODS: Final = BY_PLURAL["", "v1", "pods"]
CLAIMS: Final = BY_PLURAL["", "v1", "persistentvolumeclaims"]
VOLUMES: Final = BY_PLURAL["", "v1", "persistentvolumes"]
ATTACHMENTS: Final = BY_PLURAL["storage.k8s.io", "v1", "volumeattachments"]
SLICES: Final = BY_PLURAL["resource.k8s.io", "v1", "resourceslices"]
_READS: Final = frozenset({"get", "list", "watch"})
_OWN_VERBS: Final = frozenset({"get", "create", "update", "patch", "delete"})

Tree = Mapping[str, Any]


class Lister(Protocol):
    """What is needed of `CacheLister`."""

    def get(self, resource: Resource, namespace: str, name: str) -> Tree | None: ...


def node_of(user: User) -> str | None:
    """The node a user is; "" for one that does not say which, None for any other user."""
    if not user.name.startswith(PREFIX) or NODES_GROUP not in user.groups:
        return None
    return user.name.removeprefix(PREFIX)


class _Pod:
    __slots__ = ("cached", "uses")

    def __init__(self, cached: Cached) -> None:
        self.cached = cached
        self.uses: References | None = None


class NodePods:
    """The pods of each node, and what they use."""

    def __init__(self, window: Window) -> None:
        self._nodes: dict[str, dict[str, _Pod]] = {}
        self._follower = Follower([window], self)

    def uses(self, node: str, namespace: str = "") -> Iterator[tuple[str, References]]:
        """The namespace and references of each pod of a node (in a namespace)."""
        self._follower.follow()
        for pod in self._nodes.get(node, {}).values():
            if namespace and pod.cached.namespace != namespace:
                continue
            if pod.uses is None:
                pod.uses = references(decode_item(pod.cached.item, PODS.gvk))
            yield pod.cached.namespace, pod.uses

    def clear(self, resource: Resource) -> None:
        self._nodes.clear()

    def take(self, resource: Resource, now: Cached, before: Cached | None) -> None:
        if before is not None and _node(before) != _node(now):
            self.drop(resource, before)
        if node := _node(now):
            self._nodes.setdefault(node, {})[now.path] = _Pod(now)

    def drop(self, resource: Resource, last: Cached) -> None:
        node = _node(last)
        pods = self._nodes.get(node, {})
        pods.pop(last.path, None)
        if not pods:
            self._nodes.pop(node, None)


def _node(cached: Cached) -> str:
    return cached.fields.get("spec.nodeName", "")


class NodeAuthorizer:
    """The authorizer. It has no opinion on anybody but nodes."""

    def __init__(self, window: Callable[[Resource], Window], lister: Lister) -> None:
        self._pods = NodePods(window(PODS))
        self._lister = lister
        self._static = compile_rules(node_rules())
        self._special: dict[tuple[str, str], Callable[[str, Attributes], Decision]] = {
            ("", "secrets"): self._read_of_pods,
            ("", "configmaps"): self._read_of_pods,
            ("", "persistentvolumeclaims"): self._claim,
            ("", "persistentvolumes"): self._get,
            ("", "serviceaccounts"): self._account,
            ("", "nodes"): self._own_node,
            ("", "pods"): self._pod,
            ("resource.k8s.io", "resourceclaims"): self._get,
            ("resource.k8s.io", "resourceslices"): self._slice,
            ("storage.k8s.io", "volumeattachments"): self._get,
            ("storage.k8s.io", "csinodes"): self._csi_node,
            ("coordination.k8s.io", "leases"): self._lease,
        }

    def authorize(self, attributes: Attributes) -> Decision:
        node = node_of(attributes.user)
        if node is None:
            return NO_OPINION
        if not node:
            return _no(f'unknown node for user "{attributes.user.name}"')
        special = self._special.get((attributes.group, attributes.resource))
        if special is not None:
            return special(node, attributes)
        return YES if self._allowed_to_all(attributes) else NO_OPINION

    def rules(self, user: User, namespace: str) -> Rules:
        if node_of(user) is None:
            return Rules()
        words = "node authorizer does not support user rule resolution"
        return Rules(incomplete=True, error=words)

    def _allowed_to_all(self, asked: Attributes) -> bool:
        if asked.path:
            return False
        question = (asked.verb, asked.group, asked.resource, asked.subresource)
        return any(rule.allows_resource(*question) for rule in self._static)

    # --- by kind ---

    def _read_of_pods(self, node: str, asked: Attributes) -> Decision:
        if asked.verb not in _READS:
            return _no("can only read resources of this type")
        if asked.subresource:
            return _no("cannot read subresource")
        if not asked.namespace:
            return _no("can only read namespaced object of this type")
        return self._related(node, asked)

    def _get(self, node: str, asked: Attributes) -> Decision:
        if asked.verb != "get":
            return _no("can only get individual resources of this type")
        if asked.subresource:
            return _no("cannot get subresource")
        return self._related(node, asked)

    def _claim(self, node: str, asked: Attributes) -> Decision:
        if asked.subresource != "status":
            return self._get(node, asked)
        if asked.verb not in ("update", "patch"):
            return _no("can only get/update/patch this type")
        return self._related(node, asked)

    def _account(self, node: str, asked: Attributes) -> Decision:
        if asked.verb == "get" and not asked.subresource:
            return self._read_of_pods(node, asked)
        if asked.verb != "create" or not asked.name:
            return _no("can only create tokens for individual service accounts")
        if asked.subresource != "token":
            return _no("can only create token subresource of serviceaccount")
        return self._related(node, asked)

    def _lease(self, node: str, asked: Attributes) -> Decision:
        if asked.verb not in _OWN_VERBS:
            return _no("can only get, create, update, patch, or delete a node lease")
        if asked.namespace != LEASES_NAMESPACE:
            return _no(f'can only access leases in the "{LEASES_NAMESPACE}" system namespace')
        if asked.verb != "create" and asked.name != node:
            return _no("can only access node lease with the same name as the requesting node")
        return YES

    def _csi_node(self, node: str, asked: Attributes) -> Decision:
        if asked.verb not in _OWN_VERBS:
            return _no("can only get, create, update, patch, or delete a CSINode")
        if asked.subresource:
            return _no("cannot authorize CSINode subresources")
        if asked.verb != "create" and asked.name != node:
            return _no("can only access CSINode with the same name as the requesting node")
        return YES

    def _slice(self, node: str, asked: Attributes) -> Decision:
        if asked.subresource:
            return _no("cannot authorize ResourceSlice subresources")
        if asked.verb == "create":
            return YES
        if asked.verb in ("get", "update", "patch", "delete"):
            return self._related(node, asked)
        if asked.verb not in ("watch", "list", "deletecollection"):
            return _no(
                "only the following verbs are allowed for a ResourceSlice: get, watch, list, "
                "create, update, patch, delete, deletecollection"
            )
        if _limited(asked, ("nodeName", "spec.nodeName"), node):
            return YES
        return _no(
            "can only list/watch/deletecollection resourceslices with nodeName field selector"
        )

    def _own_node(self, node: str, asked: Attributes) -> Decision:
        if asked.subresource == "status":
            return YES if asked.verb in ("update", "patch") else NO_OPINION
        if asked.subresource:
            return NO_OPINION
        if asked.verb in ("create", "update", "patch"):
            return YES
        if asked.verb not in _READS:
            return NO_OPINION
        if asked.name == node:
            return YES
        if not asked.name:
            return _no(f"node '{node}' cannot read all nodes, only its own Node object")
        return _no(f"node '{node}' cannot read '{asked.name}', only its own Node object")

    def _pod(self, node: str, asked: Attributes) -> Decision:
        verb = asked.verb
        if asked.subresource:
            allowed = {"status": ("update", "patch"), "eviction": ("create",)}
            return YES if verb in allowed.get(asked.subresource, ()) else NO_OPINION
        if verb == "get":
            return self._get(node, asked)
        if verb in ("list", "watch"):
            if _limited(asked, ("spec.nodeName",), node):
                return YES
            if asked.name:
                return self._related(node, asked)
            return _no("can only list/watch pods with spec.nodeName field selector")
        return YES if verb in ("create", "delete") else NO_OPINION

    # --- what is related to a node ---

    def _related(self, node: str, asked: Attributes) -> Decision:
        if not asked.name:
            return _no("No Object name found")
        if self._is_related(node, asked.resource, asked.namespace, asked.name):
            return YES
        return _no(f"no relationship found between node '{node}' and this object")

    def _is_related(self, node: str, resource: str, namespace: str, name: str) -> bool:
        match resource:
            case "secrets":
                uses = self._pods.uses(node, namespace)
                return any(name in one.secrets for _, one in uses) or any(
                    (namespace, name) in volume_secrets(volume) for volume in self._volumes(node)
                )
            case "configmaps":
                return any(name in one.configmaps for _, one in self._pods.uses(node, namespace))
            case "persistentvolumeclaims":
                return any(name in one.claims for _, one in self._pods.uses(node, namespace))
            case "persistentvolumes":
                return any(one["metadata"]["name"] == name for one in self._volumes(node))
            case "resourceclaims":
                uses = self._pods.uses(node, namespace)
                return any(name in one.resource_claims for _, one in uses)
            case "serviceaccounts":
                return any(name == one.account for _, one in self._pods.uses(node, namespace))
            case _:
                return self._names_node(node, resource, namespace, name)

    def _names_node(self, node: str, resource: str, namespace: str, name: str) -> bool:
        """Whether an object says itself which node it belongs to."""
        kinds = {"pods": PODS, "volumeattachments": ATTACHMENTS, "resourceslices": SLICES}
        found = self._lister.get(kinds[resource], namespace, name)
        return found is not None and found["spec"].get("nodeName") == node

    def _volumes(self, node: str) -> Iterator[Tree]:
        """The PersistentVolumes that the node's pods use."""
        for namespace, uses in self._pods.uses(node):
            for name in uses.claims:
                claim = self._lister.get(CLAIMS, namespace, name)
                bound = claim["spec"].get("volumeName") if claim is not None else None
                volume = self._lister.get(VOLUMES, "", bound) if bound else None
                ref = (volume["spec"].get("claimRef") or {}) if volume is not None else {}
                if volume is not None and (ref.get("namespace"), ref.get("name")) == (
                    namespace,
                    name,
                ):
                    yield volume


def _limited(asked: Attributes, fields: tuple[str, ...], node: str) -> bool:
    return any(one.field in fields and one.equal and one.value == node for one in asked.fields)


def _no(reason: str) -> Decision:
    return Decision(False, reason)
