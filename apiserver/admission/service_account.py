"""ServiceAccount: every pod runs as one, and finds its token where clients look for it.

Source: kubernetes/plugin/pkg/admission/serviceaccount.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from apiserver.admission.attributes import PODS, SERVICE_ACCOUNTS, is_main, refuse
from apiserver.admission.interface import Attributes, Lister, Plugin
from apiserver.admission.mountable_secrets import debugger_problem, is_enforced, pod_problem
from apiserver.authz.pod_references import references
from wherry.api.names import generate_name

DEFAULT_NAME = "default"
MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
VOLUME_PREFIX = "kube-api-access-"
TOKEN_SECONDS = 3607
MIRROR_ANNOTATION = "kubernetes.io/config.mirror"

Tree = dict[str, Any]


class ServiceAccount(Plugin):
    name = "ServiceAccount"
    about = frozenset({PODS})

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        # One name for all pods: only a pod's own volumes may not have it, and then specs of one
        # template stay equal, which saves validating each anew.
        self._volume = generate_name(VOLUME_PREFIX, chance)

    def admit(self, attributes: Attributes, lister: Lister) -> None:
        if not is_main(attributes, PODS, "CREATE") or attributes.tree is None:
            return
        pod = attributes.tree
        if MIRROR_ANNOTATION in pod["metadata"].get("annotations", {}):
            self._check_mirror(attributes, pod["spec"])
            return
        spec: Tree = pod["spec"]
        spec["serviceAccountName"] = spec.get("serviceAccountName") or DEFAULT_NAME
        spec["serviceAccount"] = spec["serviceAccountName"]
        account = self._account(attributes, lister, spec["serviceAccountName"])
        if wants_token(spec, account):
            mount_token(spec, self._volume, self._chance)
        if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
            spec["imagePullSecrets"] = [dict(one) for one in account["imagePullSecrets"]]

    def validate(self, attributes: Attributes, lister: Lister) -> None:
        """The account must be there still (a later plug-in may have named another one), and may say
        which Secrets its pods use."""
        pod = attributes.tree
        debugged = (attributes.operation, attributes.subresource) == (
            "UPDATE",
            "ephemeralcontainers",
        )
        if not debugged and not is_main(attributes, PODS, "CREATE"):
            return
        if pod is None or MIRROR_ANNOTATION in pod["metadata"].get("annotations", {}):
            return
        name = pod["spec"].get("serviceAccountName", "")
        if debugged and lister.get(SERVICE_ACCOUNTS, attributes.namespace, name) is None:
            return
        account = self._account(attributes, lister, name)
        if is_enforced(account):
            problem = debugger_problem if debugged else pod_problem
            if why := problem(pod["spec"], account):
                raise refuse(attributes, why)

    def _account(self, attributes: Attributes, lister: Lister, name: str) -> Mapping[str, Any]:
        namespace = attributes.namespace
        account = lister.get(SERVICE_ACCOUNTS, namespace, name)
        if account is None:
            why = (
                f"error looking up service account {namespace}/{name}: "
                f'serviceaccount "{name}" not found'
            )
            raise refuse(attributes, why)
        return account

    def _check_mirror(self, attributes: Attributes, spec: Mapping[str, Any]) -> None:
        if spec.get("serviceAccountName"):
            raise refuse(attributes, "a mirror pod may not reference service accounts")
        if references({"metadata": {"name": attributes.name}, "spec": spec}).secrets:
            raise refuse(attributes, "a mirror pod may not reference secrets")
        for volume in spec.get("volumes", ()):
            sources = (volume.get("projected") or {}).get("sources") or ()
            if any("serviceAccountToken" in source for source in sources):
                why = "a mirror pod may not use ServiceAccountToken volume projections"
                raise refuse(attributes, why)


def wants_token(spec: Mapping[str, Any], account: Mapping[str, Any]) -> bool:
    """The pod's own word, else the account's, else yes."""
    for owner in (spec, account):
        said = owner.get("automountServiceAccountToken")
        if said is not None:
            return bool(said)
    return True


def mount_token(spec: Tree, name: str, chance: random.Random) -> None:
    """Give every container without a mount at the usual path one, from one new projected volume.

    `name` is the volume's, unless the pod has one so called.
    """
    needy = [
        container
        for container in (*spec.get("initContainers", ()), *(spec.get("containers") or ()))
        if all(mount.get("mountPath") != MOUNT_PATH for mount in container.get("volumeMounts", ()))
    ]
    if not needy:
        return
    taken = {volume.get("name") for volume in spec.get("volumes", ())}
    while name in taken:
        name = generate_name(VOLUME_PREFIX, chance)
    spec["volumes"] = [*spec.get("volumes", ()), token_volume(name)]
    for container in needy:
        mount = {"name": name, "readOnly": True, "mountPath": MOUNT_PATH}
        container["volumeMounts"] = [*container.get("volumeMounts", ()), mount]


def token_volume(name: str) -> Tree:
    """Token, the cluster's certificate authority, and the pod's namespace."""
    namespace = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    ca = {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    sources: list[Tree] = [
        {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
        {"configMap": ca},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": namespace}]}},
    ]
    return {"name": name, "projected": {"sources": sources, "defaultMode": 0o644}}
