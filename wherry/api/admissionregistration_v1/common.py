"""What several kinds of this group share."""

from __future__ import annotations

from wherry.api.meta_v1.meta import LabelSelector
from wherry.api.model import Base64, Int32, Model, wire


class MatchCondition(Model):
    name: str = wire("", required=True, zero="kept")
    expression: str = wire("", required=True, zero="kept")


class NamedRuleWithOperations(Model):
    ATOMIC = True

    resource_names: list[str] = wire([], list_type="atomic")
    api_groups: list[str] = wire([], list_type="atomic", number="2.2.1")
    api_versions: list[str] = wire([], list_type="atomic", number="2.2.2")
    operations: list[str] = wire([], list_type="atomic", number="2.1")
    resources: list[str] = wire([], list_type="atomic", number="2.2.3")
    scope: str = wire("", enum=("*", "Cluster", "Namespaced"), number="2.2.4")


class MatchResources(Model):
    ATOMIC = True

    namespace_selector: LabelSelector | None = None
    object_selector: LabelSelector | None = None
    resource_rules: list[NamedRuleWithOperations] = wire([], list_type="atomic")
    exclude_resource_rules: list[NamedRuleWithOperations] = wire([], list_type="atomic")
    match_policy: str | None = wire(None, enum=("Equivalent", "Exact"), number="7")


class ParamKind(Model):
    ATOMIC = True

    api_version: str = ""
    kind: str = ""


class Variable(Model):
    expression: str = wire("", required=True, zero="kept", number="2")
    name: str = wire("", required=True, zero="kept", number="1")


class ParamRef(Model):
    ATOMIC = True

    name: str = ""
    namespace: str = ""
    selector: LabelSelector | None = None
    parameter_not_found_action: str | None = None


class ServiceReference(Model):
    namespace: str = wire("", required=True, zero="kept")
    name: str = wire("", required=True, zero="kept")
    path: str | None = None
    port: Int32 | None = None


class WebhookClientConfig(Model):
    service: ServiceReference | None = None
    ca_bundle: Base64 = b""
    url: str | None = None


class RuleWithOperations(Model):
    operations: list[str] = wire([], list_type="atomic")
    api_groups: list[str] = wire([], list_type="atomic", number="2.1")
    api_versions: list[str] = wire([], list_type="atomic", number="2.2")
    resources: list[str] = wire([], list_type="atomic", number="2.3")
    scope: str = wire("", enum=("*", "Cluster", "Namespaced"), number="2.4")
