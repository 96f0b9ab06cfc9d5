"""Webhook configurations: whom to ask before an object is stored.

Not here: asking them. Match conditions are checked as far as that needs no CEL compiler.
Source: pkg/apis/admissionregistration/{validation,v1/defaults.go}, k8s.io/apiserver/pkg/util/webhook.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from apiserver.registry.printing import AGE, NAME, created
from apiserver.registry.strategy import Column, Strategy, Tree
from apiserver.registry.validation.admission_rules import (
    FAILURE_POLICIES,
    MATCH_POLICIES,
    REINVOCATIONS,
    chosen,
    default_rules,
    match_conditions_errors,
    rule_errors,
)
from apiserver.registry.validation.metadata import subdomain_name
from apiserver.registry.validation.selector import label_selector
from apiserver.registry.validation.words import each, invalids
from wherry.api import names
from wherry.api.admissionregistration_v1 import (
    MutatingWebhookConfiguration,
    ValidatingWebhookConfiguration,
)
from wherry.api.errors import FieldError, duplicate, invalid, not_supported, required
from wherry.api.scheme import resource_of

REVIEW_VERSIONS: Final = ("v1", "v1beta1")
HARMLESS: Final = ("None", "NoneOnDryRun")
SIDE_EFFECTS: Final = (*HARMLESS, "Some", "Unknown")
TIMEOUT_DEFAULT, TIMEOUT_MAX = 10, 30
SERVICE_PORT: Final = 443
_URL_FORM: Final = "; desired format: https://host[/path]"


class Leniency(NamedTuple):
    """What an old object may have had wrong, and so its update too."""

    side_effects: bool = False
    review_versions: bool = False
    same_names: bool = False
    match_conditions: bool = False


class _WebhooksStrategy(Strategy):
    """What the two kinds share. A reader of old objects is lenient with what was once allowed."""

    has_generation = True
    columns = (NAME, Column("Webhooks", "integer", description="How many there are."), AGE)

    def name_errors(self, name: str, *, prefix: bool) -> list[str]:
        return subdomain_name(name, prefix=prefix)

    def default(self, tree: Tree) -> None:
        for hook in tree.get("webhooks", ()):
            _default(hook)

    def validate(self, tree: Tree) -> list[FieldError]:
        return _webhooks(tree.get("webhooks", ()), Leniency())

    def validate_update(self, tree: Tree, old: Mapping[str, Any]) -> list[FieldError]:
        before = old.get("webhooks", ())
        hooks = tree.get("webhooks", ())
        found = [one["name"] for one in before]
        lenient = Leniency(
            side_effects=any(one["sideEffects"] not in HARMLESS for one in before),
            review_versions=any(
                one["admissionReviewVersions"] and not _reviewed(one) for one in before
            ),
            same_names=len(set(found)) < len(found),
            match_conditions=_conditions(hooks) == _conditions(before),
        )
        return _webhooks(hooks, lenient)

    def row(self, tree: Mapping[str, Any], now: datetime) -> Sequence[Any]:
        return (tree["metadata"]["name"], len(tree.get("webhooks", ())), created(tree, now))


class ValidatingWebhookConfigurationStrategy(_WebhooksStrategy):
    resource = resource_of(ValidatingWebhookConfiguration)


class MutatingWebhookConfigurationStrategy(_WebhooksStrategy):
    resource = resource_of(MutatingWebhookConfiguration)

    def default(self, tree: Tree) -> None:
        super().default(tree)
        for hook in tree.get("webhooks", ()):
            if hook.get("reinvocationPolicy") is None:
                hook["reinvocationPolicy"] = "Never"


def _default(hook: Tree) -> None:
    defaults: Tree = {
        "failurePolicy": "Fail",
        "matchPolicy": "Equivalent",
        "namespaceSelector": {},
        "objectSelector": {},
        "timeoutSeconds": TIMEOUT_DEFAULT,
    }
    for field, value in defaults.items():
        if hook.get(field) is None:
            hook[field] = value
    service = hook["clientConfig"].get("service")
    if service is not None and service.get("port") is None:
        service["port"] = SERVICE_PORT
    default_rules(hook.get("rules", ()))


def _conditions(hooks: Sequence[Mapping[str, Any]]) -> list[Any]:
    return [hook.get("matchConditions", ()) for hook in hooks]


def _reviewed(hook: Mapping[str, Any]) -> bool:
    return any(one in REVIEW_VERSIONS for one in hook["admissionReviewVersions"] or ())


def _webhooks(hooks: Sequence[Mapping[str, Any]], lenient: Leniency) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, hook in enumerate(hooks):
        path, name = f"webhooks[{index}]", hook["name"]
        errors += _webhook(hook, path, lenient)
        errors += _versions(hook, f"{path}.admissionReviewVersions", lenient)
        if name and name in seen and not lenient.same_names:
            errors.append(duplicate(f"{path}.name", name))
        seen.add(name)
    return errors


def _webhook(hook: Mapping[str, Any], path: str, lenient: Leniency) -> list[FieldError]:
    errors = _full_name(hook["name"], f"{path}.name")
    errors += each(hook.get("rules", ()), f"{path}.rules", rule_errors)
    errors += chosen(hook, "failurePolicy", path, FAILURE_POLICIES)
    errors += chosen(hook, "matchPolicy", path, MATCH_POLICIES)
    allowed = SIDE_EFFECTS if lenient.side_effects else HARMLESS
    effects = hook["sideEffects"]
    if effects is None:
        errors.append(required(f"{path}.sideEffects", f"must specify one of {', '.join(allowed)}"))
    elif effects not in allowed:
        errors.append(not_supported(f"{path}.sideEffects", effects, allowed))
    timeout = hook.get("timeoutSeconds")
    if timeout is not None and not 1 <= timeout <= TIMEOUT_MAX:
        words = "the timeout value must be between 1 and 30 seconds"
        errors.append(invalid(f"{path}.timeoutSeconds", timeout, words))
    errors += label_selector(hook.get("namespaceSelector"), f"{path}.namespaceSelector")
    errors += label_selector(hook.get("objectSelector"), f"{path}.objectSelector")
    errors += chosen(hook, "reinvocationPolicy", path, REINVOCATIONS)
    errors += client_errors(hook["clientConfig"], f"{path}.clientConfig")
    if not lenient.match_conditions:
        conditions = hook.get("matchConditions", ())
        errors += match_conditions_errors(conditions, f"{path}.matchConditions")
    return errors


def _full_name(name: str, path: str) -> list[FieldError]:
    if not name:
        return [required(path)]
    if problems := names.dns1123_subdomain(name):
        return invalids(path, name, problems)
    if name.count(".") < 2:
        words = "should be a domain with at least three segments separated by dots"
        return [invalid(path, name, words)]
    return []


def _versions(hook: Mapping[str, Any], path: str, lenient: Leniency) -> list[FieldError]:
    versions = hook["admissionReviewVersions"] or ()
    known = ", ".join(REVIEW_VERSIONS)
    if not versions:
        return [required(path, f"must specify one of {known}")]
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, version in enumerate(versions):
        at = f"{path}[{index}]"
        if version in seen:
            errors.append(invalid(at, version, "duplicate version"))
            continue
        seen.add(version)
        errors += invalids(at, version, names.dns1035_label(version))
    if not _reviewed(hook) and not lenient.review_versions:
        errors.append(invalid(path, versions, f"must include at least one of {known}"))
    return errors


def client_errors(client: Mapping[str, Any], path: str) -> list[FieldError]:
    """Where a webhook is: at a URL or behind a Service."""
    url, service = client.get("url"), client.get("service")
    if (url is None) == (service is None):
        return [required(path, "exactly one of url or service is required")]
    if service is not None:
        return _service(service, f"{path}.service")
    assert url is not None
    return _url(url, f"{path}.url")


def _url(url: str, path: str) -> list[FieldError]:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        return [required(path, f"url must be a valid URL: {error}{_URL_FORM}")]
    errors: list[FieldError] = []
    if parts.scheme != "https":
        words = f"'https' is the only allowed URL scheme{_URL_FORM}"
        errors.append(invalid(path, parts.scheme, words))
    user, _, host = parts.netloc.rpartition("@")
    if not host:
        errors.append(invalid(path, host, f"host must be specified{_URL_FORM}"))
    for value, what in (
        (user, "user information is"),
        (parts.fragment, "fragments are"),
        (parts.query, "query parameters are"),
    ):
        if value:
            errors.append(invalid(path, value, f"{what} not permitted in the URL"))
    return errors


def _service(service: Mapping[str, Any], path: str) -> list[FieldError]:
    missing = [field for field in ("name", "namespace") if not service[field]]
    errors = [required(f"{path}.{field}", f"service {field} is required") for field in missing]
    port = service.get("port")
    if port is not None and (problems := names.port_number(port)):
        errors.append(invalid(f"{path}.port", port, "port is not valid: " + ",".join(problems)))
    return errors + _service_path(service.get("path") or "", f"{path}.path")


def _service_path(url_path: str, path: str) -> list[FieldError]:
    if url_path in ("", "/"):
        return []
    if url_path == "//":
        return [invalid(path, url_path, "segment[0] may not be empty")]
    errors: list[FieldError] = []
    if not url_path.startswith("/"):
        errors.append(invalid(path, url_path, "must start with a '/'"))
    for index, step in enumerate(url_path[1:].removesuffix("/").split("/")):
        if not step:
            errors.append(invalid(path, url_path, f"segment[{index}] may not be empty"))
            continue
        problems = names.dns1123_subdomain(step)
        errors += invalids(path, url_path, [f"segment[{index}]: {one}" for one in problems])
    return errors
