"""Discovery documents: which groups, versions and resources there are. Pure functions of descriptors.

The legacy form (one document per group and version) and the aggregated one (everything at /api and
/apis). Source: k8s.io/apiserver/pkg/endpoints/discovery.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from apiserver.registry.views import VIEWS
from wherry.api.scheme import Resource, Subresource

# Upstream lists groups by their priority; clients resolve a bare kind name in this order.
GROUP_ORDER = (
    "", "apiregistration.k8s.io", "apps", "events.k8s.io", "authentication.k8s.io",
    "authorization.k8s.io", "autoscaling", "batch", "certificates.k8s.io", "networking.k8s.io",
    "policy", "rbac.authorization.k8s.io", "storage.k8s.io", "admissionregistration.k8s.io",
    "apiextensions.k8s.io", "scheduling.k8s.io", "coordination.k8s.io", "node.k8s.io",
    "discovery.k8s.io", "resource.k8s.io", "flowcontrol.apiserver.k8s.io",
)  # fmt: skip

Tree = dict[str, Any]
Versions = dict[str, dict[str, list[Resource]]]


def grouped(resources: Iterable[Resource]) -> Versions:
    """group → version → resources; groups in upstream's order, newest version first."""
    found: Versions = {}
    for resource in resources:
        found.setdefault(resource.group, {}).setdefault(resource.version, []).append(resource)
    rank = {group: number for number, group in enumerate(GROUP_ORDER)}
    return {
        group: dict(sorted(found[group].items(), key=lambda one: version_rank(one[0])))
        for group in sorted(found, key=lambda group: (rank.get(group, len(rank)), group))
    }


def version_rank(version: str) -> tuple[int, int, int]:
    """Sorts v2, v1, v1beta2, v1beta1, v1alpha1. Source: apimachinery/pkg/version."""
    body = version.removeprefix("v")
    for maturity, word in ((1, "beta"), (2, "alpha")):
        major, found, minor = body.partition(word)
        if found:
            return maturity, -int(major), -int(minor)
    return 0, -int(body), 0


def api_versions(versions: Sequence[str], address: str) -> Tree:
    """The answer of /api."""
    servers = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {
        "kind": "APIVersions",
        "versions": list(versions),
        "serverAddressByClientCIDRs": servers,
    }


def group_of(name: str, versions: Sequence[str]) -> Tree:
    """One group, as /apis lists it."""
    known = [{"groupVersion": f"{name}/{one}", "version": one} for one in versions]
    return {"name": name, "versions": known, "preferredVersion": known[0]}


def api_group(name: str, versions: Sequence[str]) -> Tree:
    """The answer of /apis/<group>."""
    return {"kind": "APIGroup", "apiVersion": "v1", **group_of(name, versions)}


def api_group_list(groups: Versions) -> Tree:
    """The answer of /apis."""
    named = [group_of(name, list(versions)) for name, versions in groups.items() if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": named}


def resource_list(group_version: str, resources: Iterable[Resource]) -> Tree:
    """The answer of /api/v1 and /apis/<group>/<version>."""
    rows: list[Tree] = []
    for resource in resources:
        rows.append(_row(resource))
        rows.extend(_subresource_row(resource, sub) for sub in resource.subresources)
    head: Tree = {"kind": "APIResourceList"}
    if "/" in group_version:
        head["apiVersion"] = "v1"
    return {**head, "groupVersion": group_version, "resources": rows}


def _row(resource: Resource) -> Tree:
    row: Tree = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": sorted(resource.verbs),
    }
    if resource.short_names:
        row["shortNames"] = list(resource.short_names)
    if resource.categories:
        row["categories"] = list(resource.categories)
    if "watch" in resource.verbs:  # it is stored
        row["storageVersionHash"] = _storage_version_hash(resource)
    return row


def _storage_version_hash(resource: Resource) -> str:
    """Another one tells clients that what is stored wants migrating."""
    stored = VIEWS[resource].stored if resource in VIEWS else resource
    name = "/".join((stored.group, stored.version, stored.kind))
    return base64.b64encode(hashlib.sha256(name.encode()).digest()[:8]).decode()


def _subresource_row(resource: Resource, sub: Subresource) -> Tree:
    row: Tree = {
        "name": f"{resource.plural}/{sub.name}",
        "singularName": "",
        "namespaced": resource.namespaced,
    }
    if (sub.kind.group, sub.kind.version) != (resource.group, resource.version):
        row["group"], row["version"] = sub.kind.group, sub.kind.version
    return {**row, "kind": sub.kind.kind, "verbs": sorted(sub.verbs)}


def aggregated(groups: Versions, api_version: str) -> Tree:
    """Everything at once. `api_version` is apidiscovery.k8s.io/v2 or v2beta1: the same shape."""
    items = []
    for name, versions in groups.items():
        metadata: Tree = {"name": name} if name else {}
        known = [
            {
                "version": version,
                "resources": [_aggregated_row(resource) for resource in resources],
                "freshness": "Current",
            }
            for version, resources in versions.items()
        ]
        items.append({"metadata": metadata, "versions": known})
    return {
        "kind": "APIGroupDiscoveryList", "apiVersion": api_version, "metadata": {}, "items": items,
    }  # fmt: skip


def _aggregated_row(resource: Resource) -> Tree:
    row: Tree = {
        "resource": resource.plural,
        "responseKind": resource.gvk._asdict(),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": sorted(resource.verbs),
    }
    if resource.short_names:
        row["shortNames"] = list(resource.short_names)
    if resource.categories:
        row["categories"] = list(resource.categories)
    if resource.subresources:
        row["subresources"] = [
            {
                "subresource": sub.name,
                "responseKind": sub.kind._asdict(),
                "verbs": sorted(sub.verbs),
            }
            for sub in resource.subresources
        ]
    return row
