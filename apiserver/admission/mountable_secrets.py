"""What a pod may use of a ServiceAccount that says `kubernetes.io/enforce-mountable-secrets`: only the Secrets
it lists. Pure.

Source: limitSecretReferences of plugin/pkg/admission/serviceaccount.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

ANNOTATION: Final = "kubernetes.io/enforce-mountable-secrets"

Tree = Mapping[str, Any]


def is_enforced(account: Tree) -> bool:
    text = (account["metadata"].get("annotations") or {}).get(ANNOTATION, "")
    return text in ("1", "t", "T", "true", "TRUE", "True")


def pod_problem(spec: Tree, account: Tree) -> str:
    """The first Secret that the account does not list; "" when it lists them all."""
    allowed = _names(account.get("secrets"))
    because = _because(account)
    for volume in spec.get("volumes") or ():
        secret = volume.get("secret")
        if secret is not None and secret.get("secretName", "") not in allowed:
            return f'volume with secret.secretName="{secret.get("secretName", "")}" {because}'
    for kind, field in (("init container", "initContainers"), ("container", "containers")):
        for problem in _variables(kind, spec.get(field) or (), allowed, because):
            return problem
    pulls = _names(account.get("imagePullSecrets"))
    for index, one in enumerate(spec.get("imagePullSecrets") or ()):
        name = one.get("name", "")
        if name not in pulls:
            words = because.removesuffix("secret") + "imagePullSecret"
            return f'imagePullSecrets[{index}].name="{name}" {words}'
    return ""


def debugger_problem(spec: Tree, account: Tree) -> str:
    """As `pod_problem`, for ephemeral containers."""
    found = _variables(
        "ephemeral container", spec.get("ephemeralContainers") or (),
        _names(account.get("secrets")), _because(account),
    )  # fmt: skip
    return next(found, "")


def _variables(
    kind: str, containers: Iterable[Tree], allowed: frozenset[str], because: str
) -> Iterator[str]:
    for container in containers:
        for variable in container.get("env") or ():
            ref = (variable.get("valueFrom") or {}).get("secretKeyRef")
            if ref is not None and ref.get("name", "") not in allowed:
                yield (
                    f"{kind} {container['name']} with envVar {variable['name']} referencing "
                    f'secret.secretName="{ref.get("name", "")}" {because}'
                )


def _because(account: Tree) -> str:
    name = account["metadata"]["name"]
    return f"is not allowed because service account {name} does not reference that secret"


def _names(references: Iterable[Tree] | None) -> frozenset[str]:
    return frozenset(one.get("name", "") for one in references or ())
