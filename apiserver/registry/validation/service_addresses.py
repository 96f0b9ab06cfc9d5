"""Addresses and families of Services.

Source: ValidateServiceClusterIPsRelatedFields of pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from apiserver.registry.core.service_fields import EXTERNAL_NAME, HEADLESS
from apiserver.registry.validation.words import ip, parse_ip
from wherry.api.errors import FieldError, duplicate, invalid, not_supported

Tree = Mapping[str, Any]

FAMILIES: Final = ("IPv4", "IPv6")
FAMILY_POLICIES: Final = ("PreferDualStack", "RequireDualStack", "SingleStack")
CLUSTER_IPS_MAX: Final = 2


def related_address_fields(spec: Tree) -> list[FieldError]:
    """`clusterIP`, `clusterIPs`, `ipFamilies` and `ipFamilyPolicy`, alone and together."""
    if spec.get("type") == EXTERNAL_NAME:
        return []
    single, addresses = spec.get("clusterIP", ""), spec.get("clusterIPs", [])
    errors: list[FieldError] = []
    if not single and addresses:
        detail = "must be empty when `clusterIP` is not specified"
        errors.append(invalid("spec.clusterIPs", addresses, detail))
    elif single and addresses and addresses[0] != single:
        detail = "first value must match `clusterIP`"
        errors.append(invalid("spec.clusterIPs", addresses, detail))
    families = spec.get("ipFamilies", ())
    for index, family in enumerate(families):
        path = f"spec.ipFamilies[{index}]"
        if family not in FAMILIES:
            errors.append(not_supported(path, family, FAMILIES))
        if family in families[:index]:
            errors.append(duplicate(path, family))
    policy = spec.get("ipFamilyPolicy")
    if policy is not None and policy not in FAMILY_POLICIES:
        errors.append(not_supported("spec.ipFamilyPolicy", policy, FAMILY_POLICIES))
    return errors + _cluster_ips(addresses, families, clean=not errors)


def _cluster_ips(
    addresses: Sequence[str], families: Sequence[str], *, clean: bool
) -> list[FieldError]:
    path = "spec.clusterIPs"
    if addresses[:1] == [HEADLESS]:
        if len(addresses) == 1:
            return []
        detail = "'None' must be the first and only value"
        return [invalid(path, addresses, detail)]
    errors: list[FieldError] = []
    for index, address in enumerate(addresses):
        errors += ip(address, f"{path}[{index}]")
    bad = bool(errors)
    if len(addresses) > CLUSTER_IPS_MAX:
        detail = f"may only hold up to {CLUSTER_IPS_MAX} values"
        errors.append(invalid(path, addresses, detail))
    if bad:
        return errors
    versions = [parsed.version for one in addresses if (parsed := parse_ip(one))]
    if len(versions) > 1 and sorted(versions) != [4, 6]:
        detail = "may specify no more than one IP for each IP family"
        errors.append(invalid(path, addresses, detail))
    if clean and not errors:
        for index, (version, family) in enumerate(zip(versions, families, strict=False)):
            if f"IPv{version}" != family:
                detail = f"expected an {family} value as indicated by `ipFamilies[{index}]`"
                errors.append(invalid(f"{path}[{index}]", addresses[index], detail))
    return errors
