"""Which IP families a Service has, and whether one or two. Pure.

A Service gets one family of the cluster's default unless it asks; `PreferDualStack` takes two where the
cluster has two, `RequireDualStack` insists. An update adds the second family by policy, and lets go of it
only by `SingleStack`; what prefers two and is otherwise unchanged stays as it is, whatever the cluster
has become.

Source: pkg/registry/core/service/storage/alloc.go (initIPFamilyFields).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from apiserver.registry.core.service_fields import HEADLESS, is_headless, needs_cluster_ip
from apiserver.registry.validation.words import parse_ip
from wherry.api.errors import FieldError, invalid

Spec = Mapping[str, Any]
Tree = dict[str, Any]

FAMILIES: Final = ("IPv4", "IPv6")
SINGLE: Final = "SingleStack"
PREFER_DUAL: Final = "PreferDualStack"
REQUIRE_DUAL: Final = "RequireDualStack"
_NOT_DUAL: Final = "this cluster is not configured for dual-stack services"
_POLICY: Final = "spec.ipFamilyPolicy"


def keeps_families(spec: Spec, old: Spec | None) -> bool:
    """Whether an update leaves alone a Service that prefers two families."""
    if old is None or not needs_cluster_ip(spec) or spec.get("type") != old.get("type"):
        return False
    prefers = spec.get("ipFamilyPolicy") == PREFER_DUAL
    preferred = old.get("ipFamilyPolicy") in (None, PREFER_DUAL)
    same = all(spec.get(field, []) == old.get(field, []) for field in ("clusterIPs", "ipFamilies"))
    return prefers and preferred and same


def set_families(spec: Tree, old: Spec | None, available: Sequence[str]) -> list[FieldError]:
    """Decide `ipFamilyPolicy` and `ipFamilies`; what is wrong with the wishes.

    `available` are the cluster's families, its default first. The fields are known to be sound, each and
    together (`service_addresses.related_address_fields`).
    """
    if not needs_cluster_ip(spec) or keeps_families(spec, old):
        return []
    bare = spec.get("clusterIP") == HEADLESS and not spec.get("selector")
    if spec.get("ipFamilyPolicy") is None:
        before = old.get("ipFamilyPolicy") if old else None
        spec["ipFamilyPolicy"] = before or (REQUIRE_DUAL if bare else SINGLE)
    errors = _reduced(spec, old) if old else []
    errors += _too_many(spec)
    families, unknown = _inferred(spec, available)
    errors += unknown
    if not errors and not bare:
        errors = _not_there(spec["ipFamilyPolicy"], families, available)
    if errors:
        return errors
    families = families or list(available[:1])
    wants_two = spec["ipFamilyPolicy"] != SINGLE and len(families) == 1
    if wants_two and (bare or len(available) == 2):
        families = [*families, FAMILIES[families == ["IPv4"]]]
    spec["ipFamilies"] = families
    return []


def _reduced(spec: Tree, old: Spec) -> list[FieldError]:
    """A single stack lets go of the second family; otherwise leaving it out is a mistake."""
    policy, errors = spec["ipFamilyPolicy"], []
    for field, what in (("clusterIPs", "cluster IP"), ("ipFamilies", "IP family")):
        found, before = spec.get(field, []), old.get(field, [])
        if policy == SINGLE and found == before:
            if len(found) > 1:
                spec[field] = list(found[:1])
        elif policy != SINGLE and 0 < len(found) < len(before):
            words = f"must be 'SingleStack' to release the secondary {what}"
            errors.append(invalid(_POLICY, policy, words))
    return errors


def _too_many(spec: Spec) -> list[FieldError]:
    if spec["ipFamilyPolicy"] != SINGLE:
        return []
    words = "must be 'RequireDualStack' or 'PreferDualStack' when multiple {} are specified"
    return [
        invalid(_POLICY, SINGLE, words.format(what))
        for field, what in (("clusterIPs", "cluster IPs"), ("ipFamilies", "IP families"))
        if len(spec.get(field, ())) == 2
    ]


def _inferred(spec: Spec, available: Sequence[str]) -> tuple[list[str], list[FieldError]]:
    """The families asked for, and those that given addresses imply."""
    families: list[str] = list(spec.get("ipFamilies", ()))
    errors: list[FieldError] = []
    addresses = [] if is_headless(spec) else spec.get("clusterIPs", [])
    for index, address in enumerate(addresses):
        parsed = parse_ip(address)
        if index < len(families) or parsed is None:
            continue
        if (family := f"IPv{parsed.version}") in available:
            families.append(family)
        else:
            words = f"{family} is not configured on this cluster"
            errors.append(invalid(f"spec.clusterIPs[{index}]", addresses, words))
    return families, errors


def _not_there(policy: str, families: Sequence[str], available: Sequence[str]) -> list[FieldError]:
    errors: list[FieldError] = []
    if policy == REQUIRE_DUAL and len(available) < 2:
        errors.append(invalid(_POLICY, policy, _NOT_DUAL))
    return errors + [
        invalid(f"spec.ipFamilies[{index}]", family, "not configured on this cluster")
        for index, family in enumerate(families)
        if family not in available
    ]
