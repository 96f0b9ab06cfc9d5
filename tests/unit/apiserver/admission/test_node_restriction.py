"""What a node may write: of itself, of its pods, and nothing else."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from apiserver.admission.attributes import (
    CERTIFICATE_REQUESTS,
    CLAIMS,
    NODES,
    PODS,
    SERVICE_ACCOUNTS,
    SERVICES,
)
from apiserver.admission.mirror_pods import MIRROR, referred_to
from apiserver.admission.node_labels import changed, forbidden, is_allowed
from apiserver.admission.node_restriction import (
    AUDIENCE_VERB,
    CSI_NODES,
    LEASES,
    SLICES,
    NodeRestriction,
)
from apiserver.request import User
from tests.unit.apiserver.admission.objects import Objects, Rights, Tree, write
from wherry.api.errors import ApiError

N1 = User("system:node:n1", groups=("system:nodes", "system:authenticated"))
MASTER = User("admin", groups=("system:masters",))
NODE = {"metadata": {"name": "n1", "uid": "node-uid", "labels": {}}, "spec": {}}
OWNER = {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "node-uid", "controller": True}


def pod(node: str = "n1", name: str = "p", **spec: Any) -> Tree:
    metadata = {"name": name, "namespace": "ns", "uid": f"uid-{name}"}
    return {"metadata": metadata, "spec": {"nodeName": node, "containers": [{"name": "c"}], **spec}}


def mirror(**spec: Any) -> Tree:
    made = pod(**spec)
    made["metadata"] |= {"annotations": {MIRROR: "x"}, "ownerReferences": [dict(OWNER)]}
    return made


def ask(*arguments: Any, objects: Objects | None = None, user: User = N1, **more: Any) -> None:
    rights = more.pop("rights", Rights())
    found = objects or Objects(("nodes", NODE))
    NodeRestriction(rights).admit(write(*arguments, user=user, **more), found)


def refusal(*arguments: Any, **more: Any) -> str:
    """Why it is refused, without the object's name."""
    with pytest.raises(ApiError) as caught:
        ask(*arguments, **more)
    assert caught.value.code == 403, caught.value.message
    return caught.value.message.partition("is forbidden: ")[2]


class TestWho:
    def test_others_than_nodes_are_not_its_business(self) -> None:
        for user in (MASTER, User("system:node:n1"), User("x", groups=("system:nodes",))):
            ask("UPDATE", NODES, {"metadata": {"name": "n2"}}, NODE, user=user)
            ask("CREATE", PODS, pod("other"), user=user)

    def test_a_node_without_a_name_may_nothing(self) -> None:
        nobody = User("system:node:", groups=("system:nodes",))
        why = refusal("UPDATE", NODES, NODE, NODE, user=nobody)
        assert why == 'could not determine node from user "system:node:"'

    def test_other_resources_are_left_to_the_authorizer(self) -> None:
        assert SERVICES not in NodeRestriction.about


class TestPods:
    def test_a_mirror_of_its_own(self) -> None:
        ask("CREATE", PODS, mirror())

    @pytest.mark.parametrize(
        ("change", "why"),
        [
            (
                {"annotations": {}},
                'pod does not have "kubernetes.io/config.mirror" annotation, node "n1" can only '
                "create mirror pods",
            ),
            (
                {"ownerReferences": [OWNER, OWNER]},
                'node "n1" can only create pods with a single owner reference set to itself',
            ),
            (
                {"ownerReferences": []},
                'node "n1" can only create pods with an owner reference set to itself',
            ),
            (
                {"ownerReferences": [{**OWNER, "name": "n2"}]},
                'node "n1" can only create pods with an owner reference set to itself',
            ),
            (
                {"ownerReferences": [{**OWNER, "kind": "Pod"}]},
                'node "n1" can only create pods with an owner reference set to itself',
            ),
            (
                {"ownerReferences": [{**OWNER, "controller": False}]},
                'node "n1" can only create pods with a controller owner reference set to itself',
            ),
            (
                {"ownerReferences": [{**OWNER, "blockOwnerDeletion": True}]},
                'node "n1" must not set blockOwnerDeletion on an owner reference',
            ),
            (
                {"ownerReferences": [{**OWNER, "uid": "old"}]},
                "node n1 UID mismatch: expected old got node-uid",
            ),
        ],
    )
    def test_other_pods_it_may_not_make(self, change: Tree, why: str) -> None:
        made = mirror()
        made["metadata"] |= change
        assert refusal("CREATE", PODS, made) == why

    def test_not_for_another_node(self) -> None:
        why = 'node "n1" can only create pods with spec.nodeName set to itself'
        assert refusal("CREATE", PODS, mirror(node="n2")) == why

    def test_a_node_that_is_not_registered(self) -> None:
        with pytest.raises(ApiError) as caught:
            ask("CREATE", PODS, mirror(), objects=Objects())
        assert caught.value.message == 'nodes "n1" not found'

    @pytest.mark.parametrize(
        ("spec", "kind"),
        [
            ({"serviceAccountName": "a"}, "serviceaccounts"),
            ({"imagePullSecrets": [{"name": "s"}]}, "secrets"),
            (
                {"containers": [{"name": "c", "envFrom": [{"secretRef": {"name": "s"}}]}]},
                "secrets",
            ),
            (
                {
                    "initContainers": [
                        {
                            "name": "c",
                            "env": [{"valueFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}}],
                        }
                    ]
                },
                "configmaps",
            ),
            ({"volumes": [{"name": "v", "secret": {"secretName": "s"}}]}, "secrets"),
            ({"volumes": [{"name": "v", "configMap": {"name": "m"}}]}, "configmaps"),
            ({"resourceClaims": [{"name": "r"}]}, "resourceclaims"),
            (
                {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]},
                "persistentvolumeclaims",
            ),
            (
                {"volumes": [{"name": "v", "ephemeral": {}}]},
                "persistentvolumeclaims (via ephemeral volumes)",
            ),
            ({"volumes": [{"name": "v", "csi": {"driver": "d"}}]}, "csidrivers (via CSI volumes)"),
            (
                {
                    "volumes": [
                        {"name": "v", "projected": {"sources": [{"serviceAccountToken": {}}]}}
                    ]
                },
                "serviceaccounts (via projected volumes)",
            ),
            (
                {
                    "volumes": [
                        {"name": "v", "projected": {"sources": [{"clusterTrustBundle": {}}]}}
                    ]
                },
                "clustertrustbundles",
            ),
        ],
    )
    def test_a_mirror_refers_to_nothing(self, spec: Tree, kind: str) -> None:
        why = f'node "n1" can not create pods that reference {kind}'
        assert refusal("CREATE", PODS, mirror(**spec)) == why

    def test_what_is_no_reference(self) -> None:
        harmless = [
            {"name": "a", "hostPath": {"path": "/"}}, {"name": "b", "emptyDir": {}},
            {"name": "c", "projected": {"sources": [{"downwardAPI": {}}]}},
        ]  # fmt: skip
        assert referred_to(mirror(volumes=harmless)) == ""
        ask("CREATE", PODS, mirror(volumes=harmless))

    def test_deleting(self) -> None:
        ask("DELETE", PODS, None, pod())
        why = 'node "n1" can only delete pods with spec.nodeName set to itself'
        assert refusal("DELETE", PODS, None, pod("n2")) == why

    def test_status(self) -> None:
        ask("UPDATE", PODS, {**pod(), "status": {"phase": "Running"}}, pod(), subresource="status")
        why = 'node "n1" can only update pod status for pods with spec.nodeName set to itself'
        assert refusal("UPDATE", PODS, pod("n2"), pod("n2"), subresource="status") == why
        labelled = pod()
        labelled["metadata"] = {**labelled["metadata"], "labels": {"a": "b"}}
        why = 'node "n1" cannot update labels through pod status'
        assert refusal("UPDATE", PODS, labelled, pod(), subresource="status") == why
        claims = {**pod(), "status": {"resourceClaimStatuses": [{"name": "a"}]}}
        why = 'node "n1" cannot update resource claim statues'
        assert refusal("UPDATE", PODS, claims, pod(), subresource="status") == why

    def test_the_rest_of_a_pod(self) -> None:
        why = refusal("UPDATE", PODS, pod(), pod())
        assert why == (
            'unexpected operation "UPDATE", node "n1" can only create and delete mirror pods'
        )
        for part in ("ephemeralcontainers", "resize", "binding"):
            why = refusal("UPDATE", PODS, pod(), pod(), subresource=part)
            assert why == (
                f"unexpected pod subresource \"{part}\", only 'status' and 'eviction' are allowed"
            )

    def test_evicting(self) -> None:
        objects = Objects(("pods", pod()), ("pods", pod("n2", "q")))
        eviction: Tree = {"metadata": {}}
        asked = {"subresource": "eviction", "objects": objects}
        ask("CREATE", PODS, eviction, name="p", **asked)
        why = "node n1 can only evict pods with spec.nodeName set to itself"
        assert refusal("CREATE", PODS, eviction, name="q", **asked) == why
        with pytest.raises(ApiError) as caught:
            ask("CREATE", PODS, eviction, name="gone", **asked)
        assert caught.value.message == 'pods "gone" not found'


def node(name: str = "n1", labels: dict[str, str] | None = None, **spec: Any) -> Tree:
    return {"metadata": {"name": name, "labels": labels or {}}, "spec": spec}


class TestNodes:
    def test_its_own(self) -> None:
        labels = {"kubernetes.io/os": "linux", "mine": "x"}
        ask("CREATE", NODES, node(labels=labels, taints=[{"key": "t"}]))
        ask("UPDATE", NODES, node(labels=labels), node())
        ask("UPDATE", NODES, node(), node(), subresource="status")
        ask("DELETE", NODES, None, node())

    @pytest.mark.parametrize("operation", ["CREATE", "UPDATE", "DELETE"])
    def test_not_another(self, operation: Any) -> None:
        tree = None if operation == "DELETE" else node("n2")
        old = None if operation == "CREATE" else node("n2")
        why = 'node "n1" is not allowed to modify node "n2"'
        assert refusal(operation, NODES, tree, old) == why

    def test_not_its_taints_nor_owners(self) -> None:
        tainted = node(taints=[{"key": "t", "effect": "NoSchedule"}])
        why = 'node "n1" is not allowed to modify taints'
        assert refusal("UPDATE", NODES, node(), tainted) == why
        assert refusal("UPDATE", NODES, tainted, node()) == why
        owned = node()
        owned["metadata"]["ownerReferences"] = [{"kind": "ConfigMap", "name": "gone"}]
        why = 'node "n1" is not allowed to modify ownerReferences'
        assert refusal("UPDATE", NODES, owned, node()) == why

    def test_not_labels_that_draw_pods(self) -> None:
        steering = {"a.node-restriction.kubernetes.io/x": "1", "node-role.kubernetes.io/master": ""}
        why = refusal("CREATE", NODES, node(labels=steering))
        assert why == (
            'node "n1" is not allowed to set the following labels: '
            "a.node-restriction.kubernetes.io/x, node-role.kubernetes.io/master"
        )
        why = refusal("UPDATE", NODES, node(labels=steering), node())
        assert why == (
            "is not allowed to modify labels: "
            "a.node-restriction.kubernetes.io/x, node-role.kubernetes.io/master"
        )
        assert refusal("UPDATE", NODES, node(), node(labels=steering)) == why
        ask("UPDATE", NODES, node(labels={**steering, "mine": "1"}), node(labels=steering))

    def test_no_config_source(self) -> None:
        source = node(configSource={"configMap": {}})
        why = 'node "n1" is not allowed to create pods with a non-nil configSource'
        assert refusal("CREATE", NODES, source) == why
        why = 'node "n1" is not allowed to update configSource to a new non-nil configSource'
        assert refusal("UPDATE", NODES, source, node()) == why
        ask("UPDATE", NODES, source, source)

    @pytest.mark.parametrize(
        ("key", "allowed"),
        [
            ("mine", True),
            ("example.com/x", True),
            ("kubernetes.io/hostname", True),
            ("topology.kubernetes.io/zone", True),
            ("kubelet.kubernetes.io/x", True),
            ("a.kubelet.kubernetes.io/x", True),
            ("node.kubernetes.io/x", True),
            ("kubernetes.io/role", False),
            ("a.kubernetes.io/x", False),
            ("k8s.io/x", False),
            ("a.k8s.io/x", False),
            ("notkubernetes.io/x", True),
            ("node-restriction.kubernetes.io/x", False),
            ("a.node-restriction.kubernetes.io/x", False),
        ],
    )
    def test_labels(self, key: str, allowed: bool) -> None:
        assert is_allowed(key) is allowed
        assert forbidden([key]) == ([] if allowed else [key])

    def test_changed(self) -> None:
        assert changed({"a": "1", "b": "2"}, {"b": "3", "c": "4"}) == {"a", "b", "c"}
        assert changed({"a": "1"}, {"a": "1"}) == set()


class TestOwnObjects:
    def test_leases(self) -> None:
        mine = {"metadata": {"name": "n1"}}
        ask("CREATE", LEASES, mine, namespace="kube-node-lease")
        ask("UPDATE", LEASES, mine, mine, namespace="kube-node-lease")
        why = 'can only access leases in the "kube-node-lease" system namespace'
        assert refusal("UPDATE", LEASES, mine, mine, namespace="kube-system") == why
        other = {"metadata": {"name": "n2"}}
        why = "can only access node lease with the same name as the requesting node"
        for operation, old in (("CREATE", None), ("UPDATE", other)):
            assert refusal(operation, LEASES, other, old, namespace="kube-node-lease") == why
        assert refusal("DELETE", LEASES, None, other, namespace="kube-node-lease") == why

    def test_csi_nodes(self) -> None:
        ask("CREATE", CSI_NODES, {"metadata": {"name": "n1"}})
        why = "can only access CSINode with the same name as the requesting node"
        assert refusal("CREATE", CSI_NODES, {"metadata": {"name": "n2"}}) == why

    def test_resource_slices(self) -> None:
        mine = {"metadata": {"name": "s"}, "spec": {"nodeName": "n1"}}
        other = {"metadata": {"name": "s"}, "spec": {"nodeName": "n2"}}
        ask("CREATE", SLICES, mine)
        ask("DELETE", SLICES, None, mine)
        ask("UPDATE", SLICES, other, other)  # the authorizer's to say
        for operation, tree, old, word in (
            ("CREATE", other, None, "create"),
            ("CREATE", {"metadata": {"name": "s"}, "spec": {}}, None, "create"),
            ("DELETE", None, other, "delete"),
        ):
            why = f"can only {word} ResourceSlice with the same NodeName as the requesting node"
            assert refusal(operation, SLICES, tree, old) == why

    def test_claims(self) -> None:
        old: Tree = {
            "metadata": {"name": "c", "resourceVersion": "1"}, "spec": {"volumeName": "v"},
            "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}},
        }  # fmt: skip
        grown: Tree = {
            **old, "metadata": {"name": "c", "managedFields": [{}]},
            "status": {
                "phase": "Bound", "capacity": {"storage": "2Gi"}, "conditions": [{}],
                "allocatedResources": {}, "allocatedResourceStatuses": {},
            },
        }  # fmt: skip
        ask("UPDATE", CLAIMS, grown, old, subresource="status")
        lost = {**grown, "status": {"phase": "Lost"}}
        why = refusal("UPDATE", CLAIMS, lost, old, subresource="status")
        assert why == (
            'node "n1" is not allowed to update fields other than status.quantity and '
            "status.conditions: status.phase"
        )
        labelled = {**old, "metadata": {"name": "c", "labels": {"a": "b"}}}
        assert "metadata.labels" in refusal("UPDATE", CLAIMS, labelled, old, subresource="status")
        assert refusal("UPDATE", CLAIMS, grown, old) == "may only update PVC status"
        assert refusal("CREATE", CLAIMS, grown) == "may only update PVC status"


def token(audiences: list[str] | None = None, **ref: str) -> Tree:
    bound = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "uid-p", **ref}
    return {"spec": {"audiences": audiences or [], "boundObjectRef": bound}}


class TestTokens:
    mounted = pod(
        volumes=[
            {"name": "a", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
            {
                "name": "b",
                "projected": {"sources": [{"serviceAccountToken": {"audience": "vault"}}]},
            },
            {"name": "c", "csi": {"driver": "inline.csi"}},
            {"name": "d", "persistentVolumeClaim": {"claimName": "claim"}},
            {"name": "e", "ephemeral": {}},
        ]
    )
    objects = Objects(
        ("pods", mounted),
        ("pods", pod("n2", "q")),
        ("csidrivers", {"metadata": {"name": "inline.csi"}, "spec": {"tokenRequests": [
            {"audience": "inline"}
        ]}}),
        ("csidrivers", {"metadata": {"name": "pv.csi"}, "spec": {"tokenRequests": [
            {"audience": "pv"}
        ]}}),
        ("persistentvolumeclaims", {
            "metadata": {"name": "claim", "namespace": "ns"}, "spec": {"volumeName": "vol"},
        }),
        ("persistentvolumeclaims", {
            "metadata": {"name": "p-e", "namespace": "ns"}, "spec": {},
        }),
        ("persistentvolumes", {
            "metadata": {"name": "vol"}, "spec": {"csi": {"driver": "pv.csi"}},
        }),
    )  # fmt: skip

    def request(self, tree: Tree, **more: Any) -> str:
        asked = {"subresource": "token", "name": "account", "objects": self.objects, **more}
        try:
            ask("CREATE", SERVICE_ACCOUNTS, tree, **asked)
        except ApiError as error:
            return error.message.partition("is forbidden: ")[2] or error.message
        return ""

    @pytest.mark.parametrize("audience", ["", "vault", "inline", "pv"])
    def test_for_an_audience_that_a_volume_of_its_pod_names(self, audience: str) -> None:
        assert self.request(token([audience] if audience else [])) == ""

    @pytest.mark.parametrize(
        ("tree", "why"),
        [
            ({"spec": {}}, "node requested token not bound to a pod"),
            (token(kind="Secret"), "node requested token not bound to a pod"),
            (token(kind="Node", name="n1"), "node requested token not bound to a pod"),
            (token(apiVersion=""), "node requested token not bound to a pod"),
            (token(uid=""), "node requested token with a pod binding without a uid"),
            (token(name="gone"), 'pods "gone" not found'),
            (
                token(uid="old"),
                "the UID in the bound object reference (old) does not match the UID in record. The "
                "object might have been deleted and then recreated",
            ),
            (
                token(name="q", uid="uid-q"),
                "node requested token bound to a pod scheduled on a different node",
            ),
            (token(["a", "b"]), "node may only request 0 or 1 audiences"),
            (
                token(["other"]),
                'audience "other" not found in pod spec volume, system:node:n1 is not authorized '
                "to request tokens for this audience",
            ),
        ],
    )
    def test_refused(self, tree: Tree, why: str) -> None:
        assert self.request(tree) == why

    def test_an_audience_it_may_ask_for(self) -> None:
        rights = Rights((AUDIENCE_VERB, "other", "", "account"))
        assert self.request(token(["other"]), rights=rights) == ""
        (asked,) = rights.asked
        assert (asked.namespace, asked.group, asked.version) == ("ns", "", "v1")

    def test_other_users(self) -> None:
        assert self.request(token(["x", "y"]), user=MASTER) == ""


def csr(name: str, signer: str) -> Tree:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject)
    pem = request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    spec = {"signerName": signer, "request": base64.b64encode(pem).decode()}
    return {"metadata": {"name": "r"}, "spec": spec}


class TestCertificates:
    @pytest.mark.parametrize("signer", ["kubelet-serving", "kube-apiserver-client-kubelet"])
    def test_in_its_own_name_only(self, signer: str) -> None:
        signer = f"kubernetes.io/{signer}"
        ask("CREATE", CERTIFICATE_REQUESTS, csr("system:node:n1", signer))
        why = refusal("CREATE", CERTIFICATE_REQUESTS, csr("system:node:n2", signer))
        assert why == "can only create a node CSR with CN=system:node:n1"
        broken = {"metadata": {"name": "r"}, "spec": {"signerName": signer, "request": "eA=="}}
        why = refusal("CREATE", CERTIFICATE_REQUESTS, broken)
        assert why.startswith("unable to parse csr: ")

    def test_other_signers(self) -> None:
        ask("CREATE", CERTIFICATE_REQUESTS, csr("anything", "example.com/x"))
