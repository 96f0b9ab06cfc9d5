"""What several kinds of this group share."""

from __future__ import annotations

from wherry.api.model import Model, wire


class RoleRef(Model):
    ATOMIC = True

    api_group: str = wire("", zero="kept")
    kind: str = wire("", required=True, zero="kept")
    name: str = wire("", required=True, zero="kept")


class Subject(Model):
    ATOMIC = True

    kind: str = wire("", required=True, zero="kept")
    api_group: str = ""
    name: str = wire("", required=True, zero="kept")
    namespace: str = ""


class PolicyRule(Model):
    verbs: list[str] = wire([], required=True, zero="kept", list_type="atomic")
    api_groups: list[str] = wire([], list_type="atomic")
    resources: list[str] = wire([], list_type="atomic")
    resource_names: list[str] = wire([], list_type="atomic")
    non_resource_urls: list[str] = wire([], list_type="atomic")
