"""RoleBindings and ClusterRoleBindings: who may do it.

Source: pkg/apis/rbac/validation, pkg/apis/rbac/v1/defaults.go, printRoleBinding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, Final

from apiserver.registry.printing import AGE, NAME, created
from apiserver.registry.rbac.guard import Guard
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.metadata import segment_name
from apiserver.registry.validation.words import each, invalids, unsupported
from apiserver.request import RequestContext
from wherry.api import names
from wherry.api.errors import FieldError, invalid, required
from wherry.api.rbac_v1 import ClusterRoleBinding, RoleBinding
from wherry.api.scheme import resource_of

GROUP: Final = "rbac.authorization.k8s.io"
SUBJECTS: Final = ("ServiceAccount", "User", "Group")
_COLUMNS: Final = (
    NAME,
    Column("Role", description="What they may do."),
    AGE,
    Column("Users", description="The users who may.", priority=1),
    Column("Groups", description="The groups who may.", priority=1),
    Column("ServiceAccounts", description="The service accounts who may.", priority=1),
)


class _BindingStrategy(Strategy):
    """The role is for life; the subjects are not."""

    allow_create_on_update = True
    columns = _COLUMNS
    roles: ClassVar[tuple[str, ...]]
    # Who may write them is checked where somebody is there to check it.
    guard: Guard | None = None

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return segment_name(name, prefix=False)

    def default(self, tree: Tree) -> None:
        if not tree["roleRef"]["apiGroup"]:
            tree["roleRef"]["apiGroup"] = GROUP
        for subject in tree.get("subjects", ()):
            if subject["kind"] in ("User", "Group"):
                subject.setdefault("apiGroup", GROUP)

    def stamp(self, tree: Tree, old: Mapping[str, Any] | None, ctx: RequestContext) -> None:
        if self.guard is not None:
            self.guard.binding(self.resource, tree, old, ctx)

    def validate(self, tree: Tree) -> list[FieldError]:
        role = tree["roleRef"]
        errors: list[FieldError] = []
        if role["apiGroup"] != GROUP:
            errors.append(unsupported("roleRef.apiGroup", role["apiGroup"], (GROUP,)))
        if role["kind"] not in self.roles:
            errors.append(unsupported("roleRef.kind", role["kind"], self.roles))
        if not role["name"]:
            errors.append(required("roleRef.name"))
        errors += invalids("roleRef.name", role["name"], names.path_segment(role["name"]))
        namespaced = self.resource.namespaced
        check = partial(_subject, namespaced=namespaced)
        return errors + each(tree.get("subjects", ()), "subjects", check)

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        errors = self.validate(tree)
        if tree["roleRef"] != old["roleRef"]:
            errors.append(invalid("roleRef", tree["roleRef"], "cannot change roleRef"))
        return errors

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        role = tree["roleRef"]
        accounts = [
            f"{one.get('namespace', '')}/{one['name']}" for one in _of_kind(tree, "ServiceAccount")
        ]
        return (
            tree["metadata"]["name"],
            f"{role['kind']}/{role['name']}",
            created(tree, now),
            ", ".join(one["name"] for one in _of_kind(tree, "User")),
            ", ".join(one["name"] for one in _of_kind(tree, "Group")),
            ", ".join(accounts),
        )


class RoleBindingStrategy(_BindingStrategy):
    """Of a Role of its namespace, or of a ClusterRole within its namespace."""

    resource = resource_of(RoleBinding)
    roles = ("Role", "ClusterRole")


class ClusterRoleBindingStrategy(_BindingStrategy):
    """Of a ClusterRole, everywhere."""

    resource = resource_of(ClusterRoleBinding)
    roles = ("ClusterRole",)


def _of_kind(tree: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
    return [one for one in tree.get("subjects", ()) if one["kind"] == kind]


def _subject(subject: Mapping[str, Any], path: str, *, namespaced: bool) -> list[FieldError]:
    kind, name, group = subject["kind"], subject["name"], subject.get("apiGroup", "")
    errors = [] if name else [required(f"{path}.name")]
    if kind == "ServiceAccount":
        if name:
            errors += invalids(f"{path}.name", name, names.dns1123_subdomain(name))
        if group:
            errors.append(unsupported(f"{path}.apiGroup", group, ("",)))
        if not namespaced and not subject.get("namespace"):
            errors.append(required(f"{path}.namespace"))
    elif kind in SUBJECTS:
        if not name:
            errors.append(invalid(f"{path}.name", name, f"{kind.lower()} name cannot be empty"))
        if group != GROUP:
            errors.append(unsupported(f"{path}.apiGroup", group, (GROUP,)))
    else:
        errors.append(unsupported(f"{path}.kind", kind, SUBJECTS))
    return errors
