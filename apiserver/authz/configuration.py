"""`--authorization-config`: which authorizers are asked, in which order. Pure, but for reading the file.

Conditions in CEL (`matchConditions`) are refused with their place: a rule that is not checked must not
seem to be.

Source: k8s.io/apiserver/pkg/apis/apiserver (AuthorizationConfiguration), its validation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from apiserver.authz.webhook import WebhookConfig
from wherry.api.names import dns1123_subdomain
from wherry.daemon.flags import parse_duration

VERSIONS: Final = tuple(f"apiserver.config.k8s.io/{one}" for one in ("v1", "v1beta1", "v1alpha1"))
KIND: Final = "AuthorizationConfiguration"
TYPES: Final = ("ABAC", "AlwaysAllow", "AlwaysDeny", "Node", "RBAC", "Webhook")
WEBHOOK: Final = "Webhook"
TIMEOUT_SECONDS_MAX: Final = 30.0
FILE_BYTES_MAX: Final = 1024 * 1024
_FIELDS: Final = (
    "authorizedTTL", "cacheAuthorizedRequests", "unauthorizedTTL", "cacheUnauthorizedRequests",
    "timeout", "subjectAccessReviewVersion", "matchConditionSubjectAccessReviewVersion",
    "failurePolicy", "connectionInfo", "matchConditions",
)  # fmt: skip

Tree = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AuthorizerConfig:
    """One authorizer; `webhook` where its type is that."""

    type: str
    webhook: WebhookConfig | None = None


def read(file: Path) -> tuple[AuthorizerConfig, ...]:
    """The file's authorizers. ValueError in one line, OSError."""
    with file.open("rb") as opened:
        text = opened.read(FILE_BYTES_MAX + 1)
    if len(text) > FILE_BYTES_MAX:
        raise ValueError(f"{file} is larger than {FILE_BYTES_MAX} bytes")
    try:
        return parse(yaml.safe_load(text))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} is no YAML") from error
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


def parse(tree: Any) -> tuple[AuthorizerConfig, ...]:
    """A parsed file's meaning; ValueError naming the place of what makes no sense."""
    root = _mapping(tree, "the file")
    if root.get("kind") != KIND or root.get("apiVersion") not in VERSIONS:
        raise ValueError(f"is no {KIND} of {VERSIONS[0]}")
    _known(root, "", ("apiVersion", "kind", "authorizers"))
    listed = root.get("authorizers")
    if not isinstance(listed, list) or not listed:
        raise ValueError(
            "authorizers: Required value: at least one authorization mode must be defined"
        )
    found: list[AuthorizerConfig] = []
    names: set[str] = set()
    for index, one in enumerate(listed):
        at = f"authorizers[{index}]"
        made, name = _authorizer(_mapping(one, at), at)
        if made.type != WEBHOOK and any(other.type == made.type for other in found):
            raise ValueError(f'{at}.type: Duplicate value: "{made.type}"')
        if name in names:
            raise ValueError(f'{at}.name: Duplicate value: "{name}"')
        names.add(name)
        found.append(made)
    return tuple(found)


def _authorizer(tree: Tree, at: str) -> tuple[AuthorizerConfig, str]:
    _known(tree, f"{at}.", ("type", "name", "webhook"))
    kind, name = _text(tree, "type", at), _text(tree, "name", at)
    if not kind:
        raise ValueError(f"{at}.type: Required value")
    if kind not in TYPES:
        supported = ", ".join(f'"{one}"' for one in TYPES)
        raise ValueError(f'{at}.type: Unsupported value: "{kind}": supported values: {supported}')
    if kind == "ABAC":
        raise ValueError(f"{at}.type: ABAC is not supported")
    if not name:
        raise ValueError(f"{at}.name: Required value")
    if problems := dns1123_subdomain(name):
        raise ValueError(
            f'{at}.name: Invalid value: "{name}": authorizer name is invalid: {problems[0]}'
        )
    if kind != WEBHOOK:
        if tree.get("webhook") is not None:
            raise ValueError(
                f"{at}.webhook: Invalid value: webhook is only allowed for type Webhook"
            )
        return AuthorizerConfig(kind), name
    if tree.get("webhook") is None:
        raise ValueError(f"{at}.webhook: Required value: required when type=Webhook")
    at = f"{at}.webhook"
    return AuthorizerConfig(kind, _webhook(_mapping(tree["webhook"], at), name, at)), name


def _webhook(tree: Tree, name: str, at: str) -> WebhookConfig:
    _known(tree, f"{at}.", _FIELDS)
    if tree.get("matchConditions"):
        raise ValueError(f"{at}.matchConditions: CEL expressions are not supported")
    timeout = _seconds(tree, "timeout", at, 0.0)
    if not 0 < timeout <= TIMEOUT_SECONDS_MAX:
        raise ValueError(f"{at}.timeout: must be more than 0s and at most 30s")
    version = _one_of(tree, "subjectAccessReviewVersion", at, ("v1", "v1beta1"))
    if tree.get("matchConditionSubjectAccessReviewVersion") not in (None, "v1"):
        raise ValueError(f"{at}.matchConditionSubjectAccessReviewVersion: must be v1")
    policy = _one_of(tree, "failurePolicy", at, ("NoOpinion", "Deny"))
    info = _mapping(tree.get("connectionInfo"), f"{at}.connectionInfo")
    _known(info, f"{at}.connectionInfo.", ("type", "kubeConfigFile"))
    _one_of(info, "type", f"{at}.connectionInfo", ("KubeConfigFile",))
    path = Path(_text(info, "kubeConfigFile", f"{at}.connectionInfo"))
    if not path.is_absolute():
        raise ValueError(f"{at}.connectionInfo.kubeConfigFile: must be an absolute path")
    return WebhookConfig(
        name,
        path,
        version,
        timeout,
        _kept(tree, "authorizedTTL", "cacheAuthorizedRequests", at, 300.0),
        _kept(tree, "unauthorizedTTL", "cacheUnauthorizedRequests", at, 30.0),
        policy == "Deny",
    )


def _kept(tree: Tree, field: str, switch: str, at: str, default: float) -> float:
    """For how long answers are kept; 0 where they are not."""
    on = tree.get(switch, True)
    if on is not None and not isinstance(on, bool):
        raise ValueError(f"{at}.{switch}: is no boolean")
    seconds = _seconds(tree, field, at, default)
    if seconds <= 0:
        raise ValueError(f"{at}.{field}: must be greater than zero")
    return 0.0 if on is False else seconds


def _seconds(tree: Tree, field: str, at: str, default: float) -> float:
    value = tree.get(field)
    if value is None:
        return default
    try:
        return parse_duration(value if isinstance(value, str) else "")
    except ValueError as error:
        raise ValueError(f"{at}.{field}: {error}") from error


def _one_of(tree: Tree, field: str, at: str, known: Sequence[str]) -> str:
    value = _text(tree, field, at)
    if not value:
        raise ValueError(f"{at}.{field}: Required value")
    if value not in known:
        supported = ", ".join(f'"{one}"' for one in known)
        raise ValueError(
            f'{at}.{field}: Unsupported value: "{value}": supported values: {supported}'
        )
    return value


def _text(tree: Tree, field: str, at: str) -> str:
    value = tree.get(field)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{at}.{field}: is no text")
    return value or ""


def _mapping(value: Any, at: str) -> Tree:
    if not isinstance(value, dict) or any(not isinstance(key, str) for key in value):
        raise ValueError(f"{at} is not a mapping")
    return value


def _known(tree: Tree, at: str, known: Sequence[str]) -> None:
    for field in tree:
        if field not in known:
            raise ValueError(f'unknown field "{at}{field}"')
