"""The file of trusted issuers: what it means, and where it is refused."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
import yaml

from apiserver.authn.authentication_config import parse
from apiserver.authn.authenticator import Anonymous
from apiserver.authn.oidc import Mapped

GOOD: dict[str, Any] = {
    "apiVersion": "apiserver.config.k8s.io/v1beta1",
    "kind": "AuthenticationConfiguration",
    "jwt": [
        {
            "issuer": {
                "url": "https://x", "discoveryURL": "https://y/z", "audiences": ["a", "b"],
                "audienceMatchPolicy": "MatchAny",
            },
            "claimValidationRules": [{"claim": "hd", "requiredValue": "example.com"}],
            "claimMappings": {
                "username": {"claim": "sub", "prefix": "x:"},
                "groups": {"claim": "roles", "prefix": ""},
                "uid": {"claim": "id"},
            },
        }
    ],
    "anonymous": {"enabled": True, "conditions": [{"path": "/livez"}, {"path": "/readyz"}]},
}  # fmt: skip


def test_what_it_means() -> None:
    found = parse(yaml.safe_dump(GOOD))
    (issuer,) = found.issuers
    assert (issuer.url, issuer.discovery) == ("https://x", "https://y/z")
    assert issuer.audiences == ("a", "b")
    mapped = (issuer.username, issuer.groups, issuer.uid)
    assert mapped == (Mapped("sub", "x:"), Mapped("roles", ""), Mapped("id"))
    assert issuer.required == {"hd": "example.com"}
    assert "none" not in issuer.algorithms
    assert not any(name.startswith("HS") for name in issuer.algorithms)
    assert found.anonymous == Anonymous(True, frozenset({"/livez", "/readyz"}))


def test_without_anonymous_the_flag_decides() -> None:
    tree = {key: value for key, value in GOOD.items() if key != "anonymous"}
    assert parse(yaml.safe_dump(tree)).anonymous is None


MAPPINGS = "jwt[0].claimMappings"


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("apiVersion", "v1", "is no AuthenticationConfiguration"),
        ("jwt.0.issuer.url", "http://x", "jwt[0].issuer.url: Invalid value"),
        ("jwt.0.issuer.url", "https://u:p@x", "must not contain a username"),
        ("jwt.0.issuer.url", "https://x?q=1", "must not contain a query"),
        ("jwt.0.issuer.url", "https://own", "must not overlap"),
        ("jwt.0.issuer.discoveryURL", "https://x/", "must be different from URL"),
        ("jwt.0.issuer.audiences", [], "jwt[0].issuer.audiences: Required value"),
        ("jwt.0.issuer.audienceMatchPolicy", "", "must be MatchAny for multiple audiences"),
        ("jwt.0.issuer.audienceMatchPolicy", "MatchAll", "must be MatchAny"),
        ("jwt.0.issuer.nope", 1, "jwt[0].issuer.nope: Extra inputs"),
        ("jwt.0.claimMappings.username", {"claim": "sub"}, f"{MAPPINGS}.username.prefix: Required"),
        ("jwt.0.claimMappings.username", {"prefix": "x"}, f"{MAPPINGS}.username.claim: Required"),
        ("jwt.0.claimMappings.username", {}, "claim is required"),
        ("jwt.0.claimMappings.username", {"expression": "claims.sub"},
         f"{MAPPINGS}.username.expression: Value error, CEL expressions are not supported"),
        ("jwt.0.claimMappings.extra", [{"key": "a/b", "valueExpression": "claims.x"}],
         "CEL expressions are not supported"),
        ("jwt.0.claimValidationRules", [{"expression": "true"}],
         "jwt[0].claimValidationRules[0].expression: Value error, CEL"),
        ("jwt.0.claimValidationRules", [{"requiredValue": "x"}],
         "jwt[0].claimValidationRules[0]: Required value: claim or expression is required"),
        ("jwt.0.claimValidationRules", [{"claim": "a"}, {"claim": "a"}],
         "jwt[0].claimValidationRules[1].claim: Duplicate value"),
        ("jwt.0.claimValidationRules", [{"claim": "a", "message": "m"}], "message can't be set"),
        ("jwt.0.userValidationRules", [{"expression": "true"}], "CEL expressions"),
        ("jwt.0.userValidationRules", [{"message": "m"}], "expression is required"),
        ("jwt.0.claimMappings.extra", [{"key": "a/b"}], "valueExpression is required"),
        ("anonymous", {"enabled": False, "conditions": [{"path": "/x"}]}, "should be set to true"),
        ("anonymous", {"enabled": "yes"}, "anonymous.enabled"),
    ],
)  # fmt: skip
def test_where_it_is_refused(path: str, value: Any, words: str) -> None:
    tree = copy.deepcopy(GOOD)
    at: Any = tree
    *way, last = (int(step) if step.isdigit() else step for step in path.split("."))
    for step in way:
        at = at[step]
    at[last] = value
    with pytest.raises(ValueError, match=re.escape(words)):
        parse(yaml.safe_dump(tree), ("https://own",))


def test_the_same_issuer_twice() -> None:
    tree = {**GOOD, "jwt": [GOOD["jwt"][0]] * 2}
    with pytest.raises(ValueError, match=r"jwt\[1\].issuer.url: Duplicate value"):
        parse(yaml.safe_dump(tree))


@pytest.mark.parametrize("text", ["", "[]", "{", "a: b: c"])
def test_what_is_no_configuration(text: str) -> None:
    with pytest.raises(ValueError, match=r"file|YAML"):
        parse(text)
