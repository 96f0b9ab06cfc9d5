"""The audit policy against a straightforward reading of each rule, and its errors."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from apiserver.audit.policy import (
    LEVELS,
    METADATA,
    NONE,
    REQUEST,
    REQUEST_RESPONSE,
    Decision,
    parse_policy,
)
from apiserver.request import RequestInfo, User
from wherry.api.scheme import BY_PLURAL

HEAD = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy"}
ADMIN = User("admin", groups=("system:masters",))
KUBELET = User("system:node:a", groups=("system:nodes", "system:authenticated"))


def policy(*rules: dict, **fields: object):
    return parse_policy(yaml.safe_dump({**HEAD, **fields, "rules": list(rules)}))


def ask(verb: str, plural: str, name: str = "", namespace: str = "", subresource: str = ""):
    found = next(one for key, one in BY_PLURAL.items() if key[2] == plural)
    return RequestInfo(verb, "/x", found, namespace, name, subresource)


def level(rules, info: RequestInfo, user: User = ADMIN) -> int:
    return rules.decide(info, user).level


def test_the_first_rule_that_fits_decides_and_none_records_nothing():
    rules = policy(
        {"level": "None", "users": ["system:node:a"], "verbs": ["get", "watch"]},
        {"level": "Metadata", "resources": [{"group": "", "resources": ["secrets"]}]},
        {"level": "RequestResponse", "resources": [{"group": "apps"}]},
    )
    assert level(rules, ask("get", "secrets"), KUBELET) == NONE
    assert level(rules, ask("create", "secrets"), KUBELET) == METADATA
    assert level(rules, ask("get", "secrets")) == METADATA
    assert level(rules, ask("update", "deployments", subresource="scale")) == REQUEST_RESPONSE
    assert level(rules, ask("get", "pods")) == NONE


@pytest.mark.parametrize(
    ("resource", "subresource", "fits"),
    [
        ("pods", "", True), ("pods", "log", False), ("pods/log", "log", True),
        ("pods/log", "", False), ("*", "", True), ("*", "log", True), ("*/log", "log", True),
        ("*/log", "exec", False), ("*/log", "", False), ("pods/*", "exec", True),
        ("pods/*", "", True), ("services", "", False),
    ],
)  # fmt: skip
def test_resources_are_named_as_upstream_does(resource, subresource, fits):
    rules = policy({"level": "Request", "resources": [{"group": "", "resources": [resource]}]})
    # `pods/*` means pods, too: upstream's checker compares only what stands before the slash.
    assert level(rules, ask("get", "pods", subresource=subresource)) == (REQUEST if fits else NONE)


def test_names_namespaces_and_groups_narrow_a_rule():
    named = {"group": "", "resources": ["configmaps"], "resourceNames": ["leader"]}
    rules = policy(
        {"level": "Metadata", "resources": [named], "namespaces": ["kube-system", ""]},
        {"level": "Request", "userGroups": ["system:nodes"]},
    )
    assert level(rules, ask("get", "configmaps", "leader", "kube-system")) == METADATA
    assert level(rules, ask("get", "configmaps", "other", "kube-system")) == NONE
    assert level(rules, ask("get", "configmaps", "leader", "default")) == NONE
    assert level(rules, ask("get", "configmaps", "other"), KUBELET) == REQUEST


def test_paths_that_are_no_resources():
    rules = policy(
        {"level": "None", "nonResourceURLs": ["/healthz*", "/version"]},
        {"level": "Metadata", "verbs": ["get"], "nonResourceURLs": ["*"]},
        {"level": "Request", "namespaces": ["default"]},
    )
    for path, want in (("/healthz/etcd", NONE), ("/version", NONE), ("/version/", METADATA)):
        assert level(rules, RequestInfo("get", path)) == want
    assert level(rules, RequestInfo("post", "/metrics")) == NONE
    assert level(rules, ask("get", "pods")) == NONE


def test_stages_and_managed_fields_of_policy_and_rule():
    rules = policy(
        {"level": "Metadata", "verbs": ["get"], "omitStages": ["ResponseStarted"]},
        {"level": "Metadata", "omitManagedFields": False},
        omitStages=["RequestReceived"],
        omitManagedFields=True,
    )
    assert rules.decide(ask("get", "pods"), ADMIN) == Decision(
        METADATA, frozenset({"RequestReceived", "ResponseStarted"}), True
    )
    assert rules.decide(ask("list", "pods"), ADMIN) == Decision(
        METADATA, frozenset({"RequestReceived"}), False
    )


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ([], "0 rules"),
        ([{}], "rules[0].level: Required value"),
        ([{"level": "All"}], "rules[0].level: Unsupported value"),
        ([{"level": "None", "omitStages": ["Never"]}], "rules[0].omitStages[0]: Invalid value"),
        ([{"level": "None", "nonResourceURLs": ["x"]}], "must begin with a '/' character"),
        ([{"level": "None", "nonResourceURLs": ["/a*b"]}], "must be the final character"),
        ([{"level": "None", "nonResourceURLs": ["*"], "namespaces": ["a"]}], "cannot apply to both"),
        ([{"level": "None", "resources": [{"group": "A/b"}]}], "rules[0].resources.group"),
        ([{"level": "None", "resources": [{"resourceNames": ["a"]}]}], "requires at least one"),
        ([{"level": "None", "resource": []}], "unknown field 'rules[0].resource'"),
        ([{"level": "None", "users": "admin"}], "rules[0].users is not a list"),
        (["None"], "not a list of objects"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(rules, words):
    with pytest.raises(ValueError, match=r".") as caught:
        policy(*rules)
    assert words in str(caught.value)


@pytest.mark.parametrize("text", ["{", "- a", "kind: Policy", "a: &a [*a"])
def test_what_is_no_policy_is_refused(text):
    with pytest.raises(ValueError, match=r"decoding|unknown group version"):
        parse_policy(text)


VERBS = st.sampled_from(["get", "list", "create", "delete"])
PLURALS = st.sampled_from(["pods", "secrets", "deployments", "nodes"])
SUBRESOURCES = st.sampled_from(["", "status", "log"])
NAMES = st.sampled_from(["", "a", "b"])
PATTERNS = st.sampled_from(["pods", "pods/log", "pods/*", "*", "*/log", "secrets", "deployments"])


@st.composite
def rules_of(draw: st.DrawFn) -> dict:
    rule: dict = {"level": draw(st.sampled_from(LEVELS))}
    for field, values in (
        ("users", st.sampled_from(["admin", "other"])), ("verbs", VERBS),
        ("userGroups", st.sampled_from(["system:masters", "g"])), ("namespaces", NAMES),
    ):  # fmt: skip
        if draw(st.booleans()):
            rule[field] = draw(st.lists(values, min_size=1, max_size=2))
    if draw(st.booleans()):
        one: dict = {"group": draw(st.sampled_from(["", "apps"]))}
        one["resources"] = draw(st.lists(PATTERNS, max_size=2))
        if one["resources"]:
            one["resourceNames"] = draw(st.lists(NAMES, max_size=1))
        rule["resources"] = [one]
    return rule


def plainly(rules: list[dict], info: RequestInfo, user: User) -> int:
    """Upstream's checker, line by line."""
    for rule in rules:
        if rule.get("users") and user.name not in rule["users"]:
            continue
        if rule.get("userGroups") and not set(user.groups) & set(rule["userGroups"]):
            continue
        if rule.get("verbs") and info.verb not in rule["verbs"]:
            continue
        if rule.get("namespaces") and info.namespace not in rule["namespaces"]:
            continue
        if rule.get("resources") and not any(covers(one, info) for one in rule["resources"]):
            continue
        return LEVELS.index(rule["level"])
    return NONE


def covers(one: dict, info: RequestInfo) -> bool:
    assert info.resource is not None
    if one["group"] != info.resource.group:
        return False
    if not one["resources"]:
        return True
    plural, sub = info.resource.plural, info.subresource
    combined = f"{plural}/{sub}" if sub else plural
    names = one.get("resourceNames")
    for pattern in one["resources"]:
        if names and info.name not in names:
            continue
        if pattern in (combined, "*") or (sub and pattern == "*/" + sub):
            return True
        if pattern.endswith("/*") and plural == pattern[:-2]:
            return True
    return False


@given(st.lists(rules_of(), min_size=1, max_size=4), VERBS, PLURALS, NAMES, NAMES, SUBRESOURCES)
def test_narrowed_rules_decide_as_the_whole_ones(rules, verb, plural, name, namespace, sub):
    compiled = policy(*rules)
    info = ask(verb, plural, name, namespace, sub)
    for _ in range(2):  # once narrowing, once remembered
        assert level(compiled, info) == plainly(rules, info, ADMIN)
