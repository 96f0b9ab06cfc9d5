"""NodeRestriction: a node writes of itself and of the pods that run on it, and nothing else.

The Node authorizer has decided by names; here the objects are known. Off by default, as upstream's;
clusters that Wherry makes switch it on.

Source: plugin/pkg/admission/noderestriction.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final

from cryptography import x509

from apiserver.admission import node_labels
from apiserver.admission.attributes import (
    CERTIFICATE_REQUESTS,
    CLAIMS,
    NODES,
    PODS,
    SERVICE_ACCOUNTS,
    refuse,
)
from apiserver.admission.interface import Attributes, Lister, Plugin
from apiserver.admission.mirror_pods import mirror_problem, referred_to
from apiserver.admission.token_audiences import asks_for
from apiserver.authz.authorizer import Attributes as Asked
from apiserver.authz.authorizer import Authorizer
from apiserver.authz.node import LEASES_NAMESPACE, SLICES, node_of
from wherry.api.errors import go_quote, not_found
from wherry.api.scheme import BY_PLURAL

LEASES: Final = BY_PLURAL["coordination.k8s.io", "v1", "leases"]
CSI_NODES: Final = BY_PLURAL["storage.k8s.io", "v1", "csinodes"]
AUDIENCE_VERB: Final = "request-serviceaccounts-token-audience"
KUBELET_SIGNERS: Final = frozenset(
    {"kubernetes.io/kubelet-serving", "kubernetes.io/kube-apiserver-client-kubelet"}
)
# What a node may write of a claim's status: how far its volume has grown.
_CLAIM_STATUS: Final = ("capacity", "conditions", "allocatedResources", "allocatedResourceStatuses")
_NOTHING: Final[Mapping[str, Any]] = {}

Tree = Mapping[str, Any]


class NodeRestriction(Plugin):
    name = "NodeRestriction"
    about = frozenset(
        {
            PODS, NODES, CLAIMS, SERVICE_ACCOUNTS, LEASES, CSI_NODES, SLICES, CERTIFICATE_REQUESTS,
        }
    )  # fmt: skip

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer
        self._rules = {
            PODS: self._pod,
            NODES: self._node,
            CLAIMS: self._claim,
            SERVICE_ACCOUNTS: self._token,
            LEASES: self._lease,
            CSI_NODES: self._csi_node,
            SLICES: self._slice,
            CERTIFICATE_REQUESTS: self._certificate,
        }

    def admit(self, attributes: Attributes, lister: Lister) -> None:
        if attributes.operation == "CONNECT":
            return
        node = node_of(attributes.user)
        if node is None:
            return
        if not node:
            name = go_quote(attributes.user.name)
            raise refuse(attributes, f"could not determine node from user {name}")
        self._rules[attributes.resource](attributes, node, lister)

    # --- pods ---

    def _pod(self, attributes: Attributes, node: str, lister: Lister) -> None:
        if attributes.subresource == "status":
            self._pod_status(attributes, node)
        elif attributes.subresource == "eviction":
            pod = self._stored_pod(attributes, attributes.name, lister)
            if pod["spec"].get("nodeName") != node:
                why = f"node {node} can only evict pods with spec.nodeName set to itself"
                raise refuse(attributes, why)
        elif attributes.subresource:
            part = go_quote(attributes.subresource)
            why = f"unexpected pod subresource {part}, only 'status' and 'eviction' are allowed"
            raise refuse(attributes, why)
        elif attributes.operation == "CREATE":
            self._mirror_pod(attributes, node, lister)
        elif attributes.operation == "DELETE":
            if _spec(attributes.old).get("nodeName") != node:
                why = f'node "{node}" can only delete pods with spec.nodeName set to itself'
                raise refuse(attributes, why)
        else:
            why = (
                f'unexpected operation "{attributes.operation}", node "{node}" can only create and '
                "delete mirror pods"
            )
            raise refuse(attributes, why)

    def _mirror_pod(self, attributes: Attributes, node: str, lister: Lister) -> None:
        assert attributes.tree is not None, "a creation has an object"
        if why := mirror_problem(attributes.tree, node):
            raise refuse(attributes, why)
        stored = lister.get(NODES, "", node)
        if stored is None:
            raise not_found("nodes", node)
        said = attributes.tree["metadata"]["ownerReferences"][0].get("uid", "")
        uid = stored["metadata"]["uid"]
        if said != uid:
            raise refuse(attributes, f"node {node} UID mismatch: expected {said} got {uid}")
        if kind := referred_to(attributes.tree):
            raise refuse(attributes, f'node "{node}" can not create pods that reference {kind}')

    def _pod_status(self, attributes: Attributes, node: str) -> None:
        old, new = attributes.old, attributes.tree
        if attributes.operation != "UPDATE" or old is None or new is None:
            raise refuse(attributes, f'unexpected operation "{attributes.operation}"')
        if _spec(old).get("nodeName") != node:
            why = "can only update pod status for pods with spec.nodeName set to itself"
            raise refuse(attributes, f'node "{node}" {why}')
        if _labels(old) != _labels(new):
            raise refuse(attributes, f'node "{node}" cannot update labels through pod status')
        before, after = old.get("status") or _NOTHING, new.get("status") or _NOTHING
        for field, what in (
            ("resourceClaimStatuses", "resource claim statues"),  # upstream's own spelling
            ("extendedResourceClaimStatus", "extended resource claim status"),
        ):
            if before.get(field) != after.get(field):
                raise refuse(attributes, f'node "{node}" cannot update {what}')

    def _stored_pod(self, attributes: Attributes, name: str, lister: Lister) -> Tree:
        pod = lister.get(PODS, attributes.namespace, name)
        if pod is None:
            raise not_found("pods", name)
        return pod

    # --- the node itself ---

    def _node(self, attributes: Attributes, node: str, lister: Lister) -> None:
        name = attributes.name or _name(attributes.tree)
        if name != node:
            why = f'node "{node}" is not allowed to modify node "{name}"'
            raise refuse(attributes, why)
        new = attributes.tree
        if new is None:
            return
        old = attributes.old if attributes.operation == "UPDATE" else None
        self._node_spec(attributes, node, new, old)
        keys = node_labels.forbidden(node_labels.changed(_labels(new), _labels(old)))
        if keys and old is None:
            words = "is not allowed to set the following labels"
            raise refuse(attributes, f'node "{node}" {words}: {", ".join(keys)}')
        if keys:
            raise refuse(attributes, f"is not allowed to modify labels: {', '.join(keys)}")

    def _node_spec(self, attributes: Attributes, node: str, new: Tree, old: Tree | None) -> None:
        source = _spec(new).get("configSource")
        if old is None:
            if source is not None:
                why = "is not allowed to create pods with a non-nil configSource"
                raise refuse(attributes, f'node "{node}" {why}')
            return
        if source is not None and source != _spec(old).get("configSource"):
            why = "is not allowed to update configSource to a new non-nil configSource"
            raise refuse(attributes, f'node "{node}" {why}')
        if (_spec(new).get("taints") or []) != (_spec(old).get("taints") or []):
            raise refuse(attributes, f'node "{node}" is not allowed to modify taints')
        if _owners(new) != _owners(old):
            raise refuse(attributes, f'node "{node}" is not allowed to modify ownerReferences')

    def _lease(self, attributes: Attributes, node: str, lister: Lister) -> None:
        if attributes.namespace != LEASES_NAMESPACE:
            why = f'can only access leases in the "{LEASES_NAMESPACE}" system namespace'
            raise refuse(attributes, why)
        if (attributes.name or _name(attributes.tree)) != node:
            why = "can only access node lease with the same name as the requesting node"
            raise refuse(attributes, why)

    def _csi_node(self, attributes: Attributes, node: str, lister: Lister) -> None:
        if (attributes.name or _name(attributes.tree)) != node:
            why = "can only access CSINode with the same name as the requesting node"
            raise refuse(attributes, why)

    def _slice(self, attributes: Attributes, node: str, lister: Lister) -> None:
        """What the authorizer can't see: the node of a new slice, and of each of many deleted."""
        for operation, tree in (("CREATE", attributes.tree), ("DELETE", attributes.old)):
            if attributes.operation == operation and _spec(tree).get("nodeName") != node:
                why = f"can only {operation.lower()} ResourceSlice with the same NodeName"
                raise refuse(attributes, f"{why} as the requesting node")

    # --- what pods use ---

    def _claim(self, attributes: Attributes, node: str, lister: Lister) -> None:
        if attributes.subresource != "status":
            raise refuse(attributes, "may only update PVC status")
        old, new = attributes.old, attributes.tree
        if attributes.operation != "UPDATE" or old is None or new is None:
            raise refuse(attributes, f'unexpected operation "{attributes.operation}"')
        before, after = _comparable(old), _comparable(new)
        if before != after:
            fields = sorted(k for k in before | after if before.get(k) != after.get(k))
            words = "is not allowed to update fields other than status.quantity and"
            raise refuse(
                attributes, f'node "{node}" {words} status.conditions: {", ".join(fields)}'
            )

    def _token(self, attributes: Attributes, node: str, lister: Lister) -> None:
        if attributes.operation != "CREATE" or attributes.subresource != "token":
            return
        spec = _spec(attributes.tree)
        ref = spec.get("boundObjectRef") or _NOTHING
        if (ref.get("apiVersion"), ref.get("kind")) != ("v1", "Pod") or not ref.get("name"):
            raise refuse(attributes, "node requested token not bound to a pod")
        if not ref.get("uid"):
            raise refuse(attributes, "node requested token with a pod binding without a uid")
        pod = self._stored_pod(attributes, ref["name"], lister)
        if ref["uid"] != pod["metadata"]["uid"]:
            why = (
                f"the UID in the bound object reference ({ref['uid']}) does not match the UID in "
                "record. The object might have been deleted and then recreated"
            )
            raise refuse(attributes, why)
        if pod["spec"].get("nodeName") != node:
            why = "node requested token bound to a pod scheduled on a different node"
            raise refuse(attributes, why)
        self._audience(attributes, spec.get("audiences") or [], pod, lister)

    def _audience(
        self, attributes: Attributes, audiences: list[str], pod: Tree, lister: Lister
    ) -> None:
        """A token is for whom one of the pod's volumes asks a token, or whom the node may ask for."""
        if len(audiences) > 1:
            raise refuse(attributes, "node may only request 0 or 1 audiences")
        audience = audiences[0] if audiences else ""
        if asks_for(pod, audience, lister):
            return
        user = attributes.user
        asked = Asked(
            user, AUDIENCE_VERB, attributes.namespace, "", "v1", audience, "", attributes.name
        )
        if not self._authorizer.authorize(asked).allowed:
            why = (
                f"audience {go_quote(audience)} not found in pod spec volume, {user.name} is not "
                "authorized to request tokens for this audience"
            )
            raise refuse(attributes, why)

    def _certificate(self, attributes: Attributes, node: str, lister: Lister) -> None:
        spec = _spec(attributes.tree)
        if attributes.operation != "CREATE" or spec.get("signerName") not in KUBELET_SIGNERS:
            return
        try:
            found = x509.load_pem_x509_csr(base64.b64decode(spec.get("request") or ""))
        except (ValueError, TypeError) as error:
            raise refuse(attributes, f"unable to parse csr: {error}") from error
        names = found.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        wanted = f"system:node:{node}"
        if [one.value for one in names] != [wanted]:
            raise refuse(attributes, f"can only create a node CSR with CN={wanted}")


def _comparable(claim: Tree) -> dict[str, Any]:
    """All of a claim that a node must leave as it is, by path."""
    metadata, status = claim["metadata"], claim.get("status") or _NOTHING
    ignored = ("resourceVersion", "managedFields")
    found = {f"metadata.{key}": value for key, value in metadata.items() if key not in ignored}
    found |= {f"spec.{key}": value for key, value in _spec(claim).items()}
    return found | {
        f"status.{key}": value for key, value in status.items() if key not in _CLAIM_STATUS
    }


def _spec(tree: Tree | None) -> Tree:
    return (tree or _NOTHING).get("spec") or _NOTHING


def _labels(tree: Tree | None) -> Mapping[str, str]:
    return (tree or _NOTHING).get("metadata", _NOTHING).get("labels") or _NOTHING


def _owners(tree: Tree) -> list[Any]:
    return tree["metadata"].get("ownerReferences") or []


def _name(tree: Tree | None) -> str:
    name: str = (tree or _NOTHING).get("metadata", _NOTHING).get("name", "")
    return name
