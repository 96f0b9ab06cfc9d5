"""May this user do that? The place for it, and the one mode there is so far.

Source: k8s.io/apiserver/pkg/authorization/authorizer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from apiserver.request import RequestInfo, User
from wherry.api.errors import ApiError, status_error

MODES = ("AlwaysAllow",)


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is asked for. `path` is set only when it is no resource."""

    user: User
    verb: str
    namespace: str = ""
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    allowed: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a user may do in a namespace, as SubjectRulesReviewStatus tells it.

    `incomplete`: there may be more that no list can tell.
    """

    resource_rules: tuple[Mapping[str, Any], ...] = ()
    non_resource_rules: tuple[Mapping[str, Any], ...] = ()
    incomplete: bool = False


class Authorizer(Protocol):
    def authorize(self, attributes: Attributes) -> Decision: ...

    def rules(self, user: User, namespace: str) -> Rules: ...


class AlwaysAllow:
    """Everybody may do everything."""

    def __init__(self) -> None:
        self._yes = Decision(True)

    def authorize(self, attributes: Attributes) -> Decision:
        return self._yes

    def rules(self, user: User, namespace: str) -> Rules:
        everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
        return Rules((everything,), ({"verbs": ["*"], "nonResourceURLs": ["*"]},))


class Union:
    """The first authorizer that allows, allows."""

    def __init__(self, authorizers: Sequence[Authorizer]) -> None:
        self._authorizers = tuple(authorizers)

    def authorize(self, attributes: Attributes) -> Decision:
        reasons = []
        for authorizer in self._authorizers:
            decision = authorizer.authorize(attributes)
            if decision.allowed:
                return decision
            reasons.append(decision.reason)
        return Decision(False, ", ".join(filter(None, reasons)))

    def rules(self, user: User, namespace: str) -> Rules:
        found = [one.rules(user, namespace) for one in self._authorizers]
        return Rules(
            tuple(rule for one in found for rule in one.resource_rules),
            tuple(rule for one in found for rule in one.non_resource_rules),
            any(one.incomplete for one in found),
        )


def authorizer(modes: Sequence[str]) -> Authorizer:
    """The authorizer of `--authorization-mode`; ValueError for a mode that there is not (yet)."""
    for mode in modes:
        if mode not in MODES:
            known = ", ".join(MODES)
            raise ValueError(f"authorization mode {mode!r} is not supported (supported: {known})")
    if not modes:
        raise ValueError("at least one authorization mode must be given")
    return Union([AlwaysAllow() for _ in modes]) if len(modes) > 1 else AlwaysAllow()


def attributes_of(info: RequestInfo, user: User) -> Attributes:
    resource = info.resource
    if resource is None:
        return Attributes(user, info.verb, path=info.path)
    return Attributes(
        user, info.verb, info.namespace, resource.group, resource.version, resource.plural,
        info.subresource, info.name,
    )  # fmt: skip


def denied(attributes: Attributes, reason: str) -> ApiError:
    """403 as upstream words it."""
    asked = attributes
    if asked.path:
        message = f'User "{asked.user.name}" cannot {asked.verb} path "{asked.path}"'
        message = f"forbidden: {message}"
        return status_error("Forbidden", _because(message, reason), details={})
    what = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
    where = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
    qualified = f"{asked.resource}.{asked.group}" if asked.group else asked.resource
    subject = (
        f'{qualified} "{asked.name}" is forbidden' if asked.name else f"{qualified} is forbidden"
    )
    message = (
        f'{subject}: User "{asked.user.name}" cannot {asked.verb} resource "{what}" '
        f'in API group "{asked.group}" {where}'
    )
    details = {"name": asked.name, "group": asked.group, "kind": asked.resource}
    return status_error(
        "Forbidden", _because(message, reason), details={k: v for k, v in details.items() if v}
    )


def _because(message: str, reason: str) -> str:
    return f"{message}: {reason}" if reason else message
