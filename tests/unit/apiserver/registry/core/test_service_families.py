"""One or two IP families of a Service: wishes, updates, refusals."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.registry.core.service_families import set_families

BOTH = ("IPv4", "IPv6")
FOUR, SIX = "10.96.0.9", "fd00::9"
Spec = dict[str, Any]


def spec(**fields: Any) -> Spec:
    return {"type": "ClusterIP", "selector": {"a": "b"}, **fields}


SINGLE = spec(clusterIPs=[FOUR], clusterIP=FOUR, ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack")
DUAL = spec(
    clusterIPs=[FOUR, SIX], clusterIP=FOUR, ipFamilies=[*BOTH], ipFamilyPolicy="PreferDualStack"
)  # fmt: skip
HEADLESS = {"clusterIP": "None", "clusterIPs": ["None"]}


@pytest.mark.parametrize(
    ("wish", "available", "policy", "families"),
    [
        ({}, BOTH, "SingleStack", ["IPv4"]),
        ({}, ("IPv6",), "SingleStack", ["IPv6"]),
        ({"ipFamilies": ["IPv6"]}, BOTH, "SingleStack", ["IPv6"]),
        ({"clusterIPs": [SIX]}, BOTH, "SingleStack", ["IPv6"]),
        ({"ipFamilyPolicy": "PreferDualStack"}, BOTH, "PreferDualStack", [*BOTH]),
        ({"ipFamilyPolicy": "PreferDualStack"}, ("IPv4",), "PreferDualStack", ["IPv4"]),
        ({"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6"]}, BOTH,
         "RequireDualStack", ["IPv6", "IPv4"]),
        ({"ipFamilyPolicy": "RequireDualStack", "clusterIPs": [SIX, FOUR]}, BOTH,
         "RequireDualStack", ["IPv6", "IPv4"]),
        ({**HEADLESS}, BOTH, "SingleStack", ["IPv4"]),
        ({**HEADLESS, "selector": {}}, ("IPv4",), "RequireDualStack", [*BOTH]),
        ({**HEADLESS, "selector": {}, "ipFamilyPolicy": "SingleStack"}, BOTH,
         "SingleStack", ["IPv4"]),
    ],
    ids=str,
)  # fmt: skip
def test_of_a_new_service(
    wish: Spec, available: tuple[str, ...], policy: str, families: list[str]
) -> None:
    made = spec(**wish)
    assert set_families(made, None, available) == []
    assert (made["ipFamilyPolicy"], made["ipFamilies"]) == (policy, families)


@pytest.mark.parametrize(
    ("wish", "available", "field", "words"),
    [
        ({"ipFamilies": [*BOTH]}, BOTH, "spec.ipFamilyPolicy", "multiple IP families are specified"),
        ({"clusterIPs": [FOUR, SIX]}, BOTH, "spec.ipFamilyPolicy",
         "must be 'RequireDualStack' or 'PreferDualStack' when multiple cluster IPs are specified"),
        ({"ipFamilyPolicy": "RequireDualStack"}, ("IPv4",), "spec.ipFamilyPolicy",
         "this cluster is not configured for dual-stack services"),
        ({"ipFamilies": ["IPv6"]}, ("IPv4",), "spec.ipFamilies[0]", "not configured on this cluster"),
        ({"clusterIPs": [SIX]}, ("IPv4",), "spec.clusterIPs[0]",
         "IPv6 is not configured on this cluster"),
    ],
    ids=str,
)  # fmt: skip
def test_refused(wish: Spec, available: tuple[str, ...], field: str, words: str) -> None:
    [error] = set_families(spec(**wish), None, available)
    assert error.field == field
    assert words in str(error)


@pytest.mark.parametrize(
    ("old", "wish", "available", "policy", "families", "addresses"),
    [
        (SINGLE, {"ipFamilyPolicy": "PreferDualStack"}, BOTH, "PreferDualStack", [*BOTH], [FOUR]),
        (SINGLE, {"ipFamilyPolicy": None, "ipFamilies": []}, BOTH, "SingleStack", ["IPv4"], [FOUR]),
        (DUAL, {"ipFamilyPolicy": "SingleStack"}, BOTH, "SingleStack", ["IPv4"], [FOUR]),
        (DUAL, {"ipFamilyPolicy": "SingleStack", "clusterIPs": [FOUR], "ipFamilies": ["IPv4"]},
         BOTH, "SingleStack", ["IPv4"], [FOUR]),
        (DUAL, {"ipFamilyPolicy": None, "ipFamilies": []}, BOTH,
         "PreferDualStack", [*BOTH], [FOUR, SIX]),
        # The cluster lost or found a family since.
        (DUAL, {}, ("IPv4",), "PreferDualStack", [*BOTH], [FOUR, SIX]),
        ({**SINGLE, "ipFamilyPolicy": "PreferDualStack"}, {}, BOTH,
         "PreferDualStack", ["IPv4"], [FOUR]),
        ({**SINGLE, "ipFamilyPolicy": "PreferDualStack"}, {"ipFamilyPolicy": "RequireDualStack"},
         BOTH, "RequireDualStack", [*BOTH], [FOUR]),
    ],
    ids=str,
)  # fmt: skip
def test_of_an_update(
    old: Spec, wish: Spec, available: tuple[str, ...], policy: str, families: list[str],
    addresses: list[str],
) -> None:  # fmt: skip
    changed = {**old, **wish}
    assert set_families(changed, old, available) == []
    found = (changed["ipFamilyPolicy"], changed["ipFamilies"], changed["clusterIPs"])
    assert found == (policy, families, addresses)


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"clusterIPs": [FOUR]}, "must be 'SingleStack' to release the secondary cluster IP"),
        ({"ipFamilies": ["IPv4"]}, "must be 'SingleStack' to release the secondary IP family"),
        ({"ipFamilyPolicy": "SingleStack", "clusterIPs": [FOUR, "fd00::8"]},
         "when multiple cluster IPs are specified"),
    ],
    ids=str,
)  # fmt: skip
def test_letting_go_takes_a_policy(wish: Spec, words: str) -> None:
    errors = set_families({**DUAL, **wish}, DUAL, BOTH)
    assert {error.field for error in errors} == {"spec.ipFamilyPolicy"}
    assert any(words in str(error) for error in errors)
