"""Admission of claims, volumes, Ingresses, runtimes and certificate requests."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from apiserver.admission.attributes import (
    CERTIFICATE_REQUESTS,
    CLAIMS,
    INGRESSES,
    PODS,
    VOLUMES,
)
from apiserver.admission.certificate_subject import CertificateSubjectRestriction
from apiserver.admission.chain import PLUGINS
from apiserver.admission.default_ingress_class import DefaultIngressClass
from apiserver.admission.interface import Attributes
from apiserver.admission.runtime_class import RuntimeClass
from apiserver.admission.storage_classes import DefaultStorageClass, PersistentVolumeClaimResize
from apiserver.admission.storage_protection import StorageObjectInUseProtection
from apiserver.request import User
from wherry.api.errors import ApiError
from wherry.api.scheme import Resource

Tree = dict[str, Any]
DEFAULT_STORAGE = "storageclass.kubernetes.io/is-default-class"
DEFAULT_INGRESS = "ingressclass.kubernetes.io/is-default-class"


class Objects:
    """A lister over a few objects."""

    def __init__(self, **found: list[Tree]) -> None:
        self._found = found

    def get(self, resource: Resource, namespace: str, name: str) -> Mapping[str, Any] | None:
        kinds = self._found.get(resource.plural, [])
        return next((one for one in kinds if one["metadata"]["name"] == name), None)

    def list(self, resource: Resource, namespace: str = "") -> list[Mapping[str, Any]]:
        return [*self._found.get(resource.plural, [])]


def write(operation: Any, resource: Resource, tree: Tree, old: Tree | None = None) -> Attributes:
    return Attributes(operation, resource, "", "ns", "x", tree, old, User("u"), False)


def of_class(name: str, day: int, annotation: str = "", **fields: Any) -> Tree:
    metadata: Tree = {"name": name, "creationTimestamp": f"2026-01-{day:02}T00:00:00Z"}
    if annotation:
        metadata["annotations"] = {annotation: "true"}
    return {"metadata": metadata, **fields}


def claim(size: str = "1Gi", phase: str = "Bound", **spec: Any) -> Tree:
    return {
        "metadata": {"name": "x"},
        "spec": {"resources": {"requests": {"storage": size}}, **spec},
        "status": {"phase": phase},
    }


def test_the_order_is_upstream_s() -> None:
    order = [
        "NamespaceLifecycle", "ServiceAccount", "TaintNodesByCondition", "Priority",
        "DefaultTolerationSeconds", "DefaultStorageClass", "StorageObjectInUseProtection",
        "PersistentVolumeClaimResize", "RuntimeClass", "CertificateSubjectRestriction",
        "DefaultIngressClass",
    ]  # fmt: skip
    assert [name for name in PLUGINS if name in order] == order


class TestDefaults:
    CLASSES = Objects(
        storageclasses=[
            of_class("old", 1, DEFAULT_STORAGE),
            of_class("b", 2, DEFAULT_STORAGE),
            of_class("a", 2, DEFAULT_STORAGE),
            of_class("newest", 3),
        ],
        ingressclasses=[of_class("i", 1, DEFAULT_INGRESS)],
    )

    def test_the_newest_default_of_storage(self) -> None:
        tree = claim()
        DefaultStorageClass().admit(write("CREATE", CLAIMS, tree), self.CLASSES)
        assert tree["spec"]["storageClassName"] == "a"

    @pytest.mark.parametrize(
        "tree",
        [
            claim(storageClassName=""),
            {
                **claim(),
                "metadata": {
                    "name": "x",
                    "annotations": {"volume.beta.kubernetes.io/storage-class": "s"},
                },
            },
        ],
    )
    def test_who_names_a_class_keeps_it(self, tree: Tree) -> None:
        before = tree["spec"].get("storageClassName")
        DefaultStorageClass().admit(write("CREATE", CLAIMS, tree), self.CLASSES)
        assert tree["spec"].get("storageClassName") == before

    def test_ingress(self) -> None:
        tree: Tree = {"metadata": {}, "spec": {}}
        DefaultIngressClass().admit(write("CREATE", INGRESSES, tree), self.CLASSES)
        assert tree["spec"] == {"ingressClassName": "i"}
        chosen: Tree = {"metadata": {}, "spec": {"ingressClassName": "mine"}}
        DefaultIngressClass().admit(write("CREATE", INGRESSES, chosen), self.CLASSES)
        assert chosen["spec"] == {"ingressClassName": "mine"}


def test_storage_is_protected_once() -> None:
    for resource, finalizer in (
        (CLAIMS, "kubernetes.io/pvc-protection"),
        (VOLUMES, "kubernetes.io/pv-protection"),
    ):
        tree: Tree = {"metadata": {}}
        for _ in range(2):
            StorageObjectInUseProtection().admit(write("CREATE", resource, tree), Objects())
        assert tree["metadata"]["finalizers"] == [finalizer]
    pod: Tree = {"metadata": {}}
    StorageObjectInUseProtection().admit(write("CREATE", PODS, pod), Objects())
    assert pod == {"metadata": {}}


class TestResize:
    @pytest.mark.parametrize(
        ("old", "new", "expands", "part"),
        [
            (claim(storageClassName="s"), claim("2Gi", storageClassName="s"), True, ""),
            (claim(storageClassName="s"), claim("1024Mi", storageClassName="s"), False, ""),
            (claim(storageClassName="s"), claim("2Gi", storageClassName="s"), False, "only dynam"),
            (claim(), claim("2Gi"), True, "only dynam"),
            (claim(phase="Pending"), claim("2Gi", phase="Pending"), True, "Only bound"),
        ],
    )
    def test_who_may_grow(self, old: Tree, new: Tree, expands: bool, part: str) -> None:
        classes = Objects(storageclasses=[of_class("s", 1, allowVolumeExpansion=expands)])
        attributes = write("UPDATE", CLAIMS, new, old)
        if not part:
            PersistentVolumeClaimResize().validate(attributes, classes)
            return
        with pytest.raises(ApiError, match=part) as refused:
            PersistentVolumeClaimResize().validate(attributes, classes)
        assert refused.value.code == 403


class TestRuntime:
    CLASSES = Objects(
        runtimeclasses=[
            of_class("plain", 1, handler="h"),
            of_class(
                "heavy", 1, handler="h", overhead={"podFixed": {"cpu": "100m"}},
                scheduling={"nodeSelector": {"a": "b"}, "tolerations": [{"key": "k"}]},
            ),
        ]
    )  # fmt: skip

    def admitted(self, **spec: Any) -> Tree:
        tree = {"metadata": {"name": "x"}, "spec": spec}
        attributes = write("CREATE", PODS, tree)
        RuntimeClass().admit(attributes, self.CLASSES)
        RuntimeClass().validate(attributes, self.CLASSES)
        return tree["spec"]

    def test_what_a_class_brings(self) -> None:
        spec = self.admitted(
            runtimeClassName="heavy",
            nodeSelector={"c": "d"},
            tolerations=[{"key": "own"}, {"key": "k"}],
        )
        assert spec["overhead"] == {"cpu": "100m"}
        assert spec["nodeSelector"] == {"c": "d", "a": "b"}
        assert spec["tolerations"] == [{"key": "own"}, {"key": "k"}]

    def test_nothing(self) -> None:
        assert self.admitted() == {}
        assert self.admitted(runtimeClassName="plain") == {"runtimeClassName": "plain"}
        same = self.admitted(runtimeClassName="heavy", overhead={"cpu": "0.1"})
        assert same["overhead"] == {"cpu": "100m"}

    @pytest.mark.parametrize(
        ("spec", "part"),
        [
            ({"runtimeClassName": "none"}, 'RuntimeClass "none" not found'),
            ({"runtimeClassName": "heavy", "overhead": {"cpu": "1"}}, "doesn't match"),
            ({"overhead": {"cpu": "1"}}, "without corresponding RuntimeClass"),
            ({"runtimeClassName": "heavy", "nodeSelector": {"a": "c"}}, "conflict: "),
        ],
    )
    def test_refusals(self, spec: Tree, part: str) -> None:
        with pytest.raises(ApiError, match=part):
            self.admitted(**spec)


@pytest.mark.parametrize(
    ("signer", "group", "refused"),
    [
        ("kubernetes.io/kube-apiserver-client", "system:masters", True),
        ("kubernetes.io/kube-apiserver-client", "people", False),
        ("example.com/x", "system:masters", False),
    ],
)
def test_no_certificate_makes_masters(signer: str, group: str, refused: bool) -> None:
    name = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, group)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    signed = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    pem = signed.public_bytes(serialization.Encoding.PEM)
    spec = {"signerName": signer, "request": base64.b64encode(pem).decode()}
    attributes = write("CREATE", CERTIFICATE_REQUESTS, {"metadata": {"name": "x"}, "spec": spec})
    if not refused:
        CertificateSubjectRestriction().validate(attributes, Objects())
        return
    with pytest.raises(ApiError, match="system:masters group is not allowed"):
        CertificateSubjectRestriction().validate(attributes, Objects())
