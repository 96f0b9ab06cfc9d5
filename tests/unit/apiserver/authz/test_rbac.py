"""RBAC's decisions and reasons, and what they cost."""

from __future__ import annotations

import time

import pytest

from apiserver.authz.authorizer import Attributes, Decision
from apiserver.authz.rbac import REMEMBERED_MAX
from apiserver.request import User
from tests.unit.apiserver.authz.policies import Cluster, binding, paths, role, rule

JANE = User("jane", groups=("dev", "system:authenticated"))
ROBOT = User(
    "system:serviceaccount:ci:robot",
    groups=("system:serviceaccounts", "system:serviceaccounts:ci", "system:authenticated"),
)


def may(cluster: Cluster, user: User, verb: str, resource: str, namespace: str = "", name: str = "",
        group: str = "") -> bool:  # fmt: skip
    kind, _, part = resource.partition("/")
    asked = Attributes(user, verb, namespace, group, "v1", kind, part, name)
    return cluster.rbac.authorize(asked).allowed


def path_allowed(cluster: Cluster, user: User, verb: str, path: str) -> bool:
    return cluster.rbac.authorize(Attributes(user, verb, path=path)).allowed


READER = role("reader", rule("get list", "core", "pods"))


@pytest.mark.parametrize(
    ("granted", "asked", "want"),
    [
        (rule("get", "core", "pods"), ("get", "pods", ""), True),
        (rule("get", "core", "pods"), ("list", "pods", ""), False),
        (rule("*", "core", "pods"), ("list", "pods", ""), True),
        (rule("get", "apps", "pods"), ("get", "pods", ""), False),
        (rule("get", "*", "pods"), ("get", "pods", "apps"), True),
        (rule("get", "core", "pods"), ("get", "pods/log", ""), False),
        (rule("get", "core", "pods/log"), ("get", "pods/log", ""), True),
        (rule("get", "core", "pods/log"), ("get", "pods", ""), False),
        (rule("get", "core", "pods/*"), ("get", "pods/log", ""), False),
        (rule("get", "core", "*/log"), ("get", "pods/log", ""), True),
        (rule("update", "apps", "*/scale"), ("update", "deployments/scale", "apps"), True),
        (rule("update", "apps", "*/scale"), ("update", "deployments", "apps"), False),
        (rule("update", "apps", "*/scale"), ("update", "deployments/autoscale", "apps"), False),
        (rule("get", "core", "*"), ("get", "pods/log", ""), True),
        (rule("get", "core", ""), ("get", "pods", ""), False),
        (rule("", "core", "pods"), ("get", "pods", ""), False),
        (paths("*", "*"), ("get", "pods", ""), False),
    ],
)
def test_a_rule_allows_what_it_says(granted: dict, asked: tuple[str, str, str], want: bool) -> None:
    cluster = Cluster([role("r", granted), binding("b", "r", "User jane")])
    verb, resource, group = asked
    assert may(cluster, JANE, verb, resource, "ns", "x", group) is want


def test_names_limit_a_rule() -> None:
    named = role("r", rule("get update", "core", "secrets", "a b"))
    cluster = Cluster([named, binding("b", "r", "User jane")])
    assert may(cluster, JANE, "get", "secrets", "ns", "a")
    assert may(cluster, JANE, "get", "secrets", "ns", "b")
    assert not may(cluster, JANE, "get", "secrets", "ns", "c")
    assert not may(cluster, JANE, "list", "secrets", "ns")
    # A creation has no name yet, so no rule with names allows it.
    assert not may(cluster, JANE, "create", "secrets", "ns")


@pytest.mark.parametrize(
    ("urls", "path", "want"),
    [
        ("/healthz", "/healthz", True),
        ("/healthz", "/healthz/etcd", False),
        ("/healthz/*", "/healthz/etcd", True),
        ("/healthz/*", "/healthz", False),
        ("/healthz*", "/healthzz", True),
        ("*", "/anything", True),
        ("/a**", "/abc", True),
        ("/HEALTHZ", "/healthz", False),
    ],
)
def test_paths(urls: str, path: str, want: bool) -> None:
    cluster = Cluster([role("r", paths("get", urls)), binding("b", "r", "User jane")])
    assert path_allowed(cluster, JANE, "get", path) is want
    assert not path_allowed(cluster, JANE, "post", path)


def test_resource_rules_say_nothing_of_paths() -> None:
    cluster = Cluster([role("r", rule("*", "*", "*")), binding("b", "r", "User jane")])
    assert not path_allowed(cluster, JANE, "get", "/metrics")


def test_subjects() -> None:
    cluster = Cluster([READER, binding("b", "reader", "Group dev", "ServiceAccount ci/robot")])
    assert may(cluster, JANE, "get", "pods", "ns")
    assert may(cluster, ROBOT, "get", "pods", "ns")
    assert not may(cluster, User("dev"), "get", "pods", "ns")
    assert not may(cluster, User("system:serviceaccount:cd:robot"), "get", "pods", "ns")


def test_a_role_binding_grants_in_its_namespace_only() -> None:
    cluster = Cluster(
        [READER, binding("b", "reader", "User jane", "ServiceAccount robot", namespace="ci")]
    )
    assert may(cluster, JANE, "get", "pods", "ci")
    assert not may(cluster, JANE, "get", "pods", "cd")
    assert not may(cluster, JANE, "list", "pods")
    assert may(cluster, ROBOT, "get", "pods", "ci")


def test_a_role_is_found_in_its_own_namespace_only() -> None:
    cluster = Cluster(
        [
            role("edit", rule("*", "core", "*"), namespace="b"),
            binding("x", "edit", "User jane", namespace="a", kind="Role"),
        ]
    )
    asked = Attributes(JANE, "get", "a", resource="pods")
    words = 'RBAC: role.rbac.authorization.k8s.io "edit" not found'
    assert cluster.rbac.authorize(asked) == Decision(False, words)


def test_reasons_are_upstreams() -> None:
    cluster = Cluster(
        [
            READER,
            role("writer", rule("create", "core", "pods"), namespace="ci"),
            binding("all", "reader", "User nobody", "Group dev", "User jane"),
            binding("some", "reader", "ServiceAccount robot", namespace="ci"),
            binding("more", "writer", "ServiceAccount robot", namespace="ci", kind="Role"),
        ]
    )

    def reason(user: User, verb: str) -> str:
        return cluster.rbac.authorize(Attributes(user, verb, "ci", resource="pods")).reason

    allowed = "RBAC: allowed by"
    assert reason(JANE, "get") == (
        f'{allowed} ClusterRoleBinding "all" of ClusterRole "reader" to Group "dev"'
    )
    assert reason(ROBOT, "get") == (
        f'{allowed} RoleBinding "some/ci" of ClusterRole "reader" to ServiceAccount "robot/ci"'
    )
    assert reason(ROBOT, "create") == (
        f'{allowed} RoleBinding "more/ci" of Role "writer" to ServiceAccount "robot/ci"'
    )
    assert reason(JANE, "delete") == ""


def test_what_is_lost_is_told_when_refusing() -> None:
    cluster = Cluster([READER, *(binding(name, f"no-{name}", "User jane") for name in ("a", "b"))])
    asked = Attributes(JANE, "get", resource="pods")
    lost = 'clusterrole.rbac.authorization.k8s.io "no-{}" not found'
    assert cluster.rbac.authorize(asked).reason == (
        f"RBAC: [{lost.format('a')}, {lost.format('b')}]"
    )
    cluster.put(binding("c", "reader", "User jane"))
    assert cluster.rbac.authorize(asked).allowed


def test_changes_count_at_once() -> None:
    cluster = Cluster()
    assert not may(cluster, JANE, "get", "pods", "ns")
    bound = binding("b", "reader", "User jane", "Group dev")
    cluster.put(bound)
    assert not may(cluster, JANE, "get", "pods", "ns")
    cluster.put(READER)
    assert may(cluster, JANE, "get", "pods", "ns")
    cluster.put(role("reader", rule("list", "core", "pods")))
    assert not may(cluster, JANE, "get", "pods", "ns")
    assert may(cluster, JANE, "list", "pods", "ns")
    cluster.put(binding("b", "reader", "Group ops"))
    assert not may(cluster, JANE, "list", "pods", "ns")
    cluster.put(bound)
    assert may(cluster, JANE, "list", "pods", "ns")
    cluster.delete(bound)
    assert not may(cluster, JANE, "list", "pods", "ns")


def test_a_cache_that_begins_anew_is_followed() -> None:
    bound = binding("b", "reader", "User jane")
    local = binding("l", "reader", "User jane", namespace="ns")
    cluster = Cluster([READER, bound, local])
    assert may(cluster, JANE, "get", "pods")
    cluster.begin_anew([READER, local])
    assert not may(cluster, JANE, "get", "pods")
    assert may(cluster, JANE, "get", "pods", "ns")
    cluster.begin_anew([local])
    assert not may(cluster, JANE, "get", "pods", "ns")


def test_the_rules_of_a_user() -> None:
    cluster = Cluster(
        [
            READER,
            role("probe", paths("get", "/healthz")),
            role("own", rule("update", "core", "secrets", "mine"), namespace="ns"),
            binding("a", "reader", "User jane"),
            binding("b", "probe", "Group dev"),
            binding("c", "own", "User jane", namespace="ns", kind="Role"),
            binding("d", "gone", "User jane"),
        ]
    )
    rules = cluster.rbac.rules(JANE, "ns")
    assert rules.resource_rules == (
        {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]},
        {
            "verbs": ["update"],
            "apiGroups": [""],
            "resources": ["secrets"],
            "resourceNames": ["mine"],
        },
    )
    assert rules.non_resource_rules == ({"verbs": ["get"], "nonResourceURLs": ["/healthz"]},)
    assert rules.error == 'clusterrole.rbac.authorization.k8s.io "gone" not found'
    assert not rules.incomplete


def crowd(count: int) -> Cluster:
    """Jane's one binding, and those of `count` others, cluster-wide and in namespaces."""
    others = [
        binding(f"other-{n:05}", "reader", f"User user-{n}", namespace=f"ns-{n % 50}" if n % 2 else "")
        for n in range(count)
    ]  # fmt: skip
    return Cluster([READER, binding("janes", "reader", "User jane"), *others])


def test_ten_thousand_bindings_cost_no_more_than_ten() -> None:
    work = []
    for count in (10, 10_000):
        cluster = crowd(count)
        cluster.policy.follow()
        bindings = cluster.policy.bindings
        before = bindings.looked_at
        for namespace in ("", "ns-1", "ns-2"):
            assert may(cluster, JANE, "get", "pods", namespace)
            assert not may(cluster, JANE, "delete", "pods", namespace)
        first = bindings.looked_at - before
        for _ in range(100):
            assert may(cluster, JANE, "get", "pods", "ns-1")
        assert bindings.looked_at - before == first, "an answer is remembered"
        cluster.put(binding("late", "reader", "User late"))
        assert may(cluster, JANE, "get", "pods", "ns-1")
        assert bindings.looked_at - before == first + 2, "one change costs one look"
        work.append(first)
    assert work[0] == work[1]


def test_what_is_remembered_is_bounded() -> None:
    cluster = crowd(1)
    for number in range(REMEMBERED_MAX + 50):
        path_allowed(cluster, JANE, "get", f"/p{number}")
    assert len(cluster.rbac._answers) == REMEMBERED_MAX


def test_long_questions_are_answered_and_not_remembered() -> None:
    cluster = crowd(1)
    assert not path_allowed(cluster, JANE, "get", "/" + "x" * 10_000)
    assert not cluster.rbac._answers


@pytest.mark.parametrize(
    "changes",
    [{"subjects": [{"kind": "User"}]}, {"subjects": "jane"}, {"roleRef": None}],
    ids=["subject", "subjects", "role"],
)
def test_a_binding_that_makes_no_sense_grants_nothing(changes: dict) -> None:
    """Somebody wrote it into the store past the API; the others go on."""
    good = binding("b", "reader", "User jane")
    cluster = Cluster([READER, good, binding("c", "reader", "User joe")])
    assert may(cluster, JANE, "get", "pods")
    cluster.put({**good, **changes})
    assert not may(cluster, JANE, "get", "pods")
    assert may(cluster, User("joe"), "get", "pods")
    cluster.put(good)
    assert may(cluster, JANE, "get", "pods")


def test_a_role_that_makes_no_sense_grants_nothing() -> None:
    cluster = Cluster([READER, binding("b", "reader", "User jane")])
    assert may(cluster, JANE, "get", "pods")
    cluster.put({**READER, "rules": ["everything"]})
    assert not may(cluster, JANE, "get", "pods")


def test_a_remembered_decision_is_quick() -> None:
    cluster = crowd(1000)
    asked = Attributes(JANE, "get", "ns-1", "", "v1", "pods", "", "p")
    cluster.rbac.authorize(asked)
    best = min(_seconds(cluster, asked) for _ in range(5))
    assert best < 50e-6


def _seconds(cluster: Cluster, asked: Attributes) -> float:
    began = time.perf_counter()
    for _ in range(200):
        cluster.rbac.authorize(asked)
    return (time.perf_counter() - began) / 200
