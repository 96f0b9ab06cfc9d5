"""Random roles, bindings, changes and questions: the authorizer and the plain model always agree.

WHERRY_FUZZ_SEED repeats a run, WHERRY_FUZZ_SECONDS makes it longer (`make soak`).
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from apiserver.authz.authorizer import Attributes, Decision
from apiserver.authz.covering import broken_down, missing
from apiserver.authz.rules import compile_rules
from apiserver.request import User
from tests.unit.apiserver.authz.model import Model
from tests.unit.apiserver.authz.policies import Cluster

SEED: Final = int(os.environ.get("WHERRY_FUZZ_SEED") or random.SystemRandom().getrandbits(32))
SECONDS: Final = float(os.environ.get("WHERRY_FUZZ_SECONDS") or 60)
ROUND: Final = settings(
    max_examples=20,
    deadline=None,
    database=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)

pytestmark = pytest.mark.timeout(SECONDS + 120)


def for_a_while(property_of: Callable[..., None], share: float) -> None:
    """Rounds of examples, each from the next seed, for a share of the time."""
    began, number = time.monotonic(), SEED
    while time.monotonic() - began < SECONDS * share:
        print(f"WHERRY_FUZZ_SEED={number}")  # the last one told repeats a failure
        seed(number)(property_of)()
        number += 1


# Small words, so that what is granted and what is asked often meet.
VERBS = ("get", "list", "*")
GROUPS = ("", "apps", "*")
RESOURCES = ("pods", "pods/log", "pods/*", "*/log", "secrets", "*", "")
NAMES = ("a", "b")
URLS = ("/a", "/a/b", "/a/*", "/a*", "/*", "*", "**")
SPACES = ("n1", "n2")
ROLES = ("r1", "r2", "lost")
ROBOT = "system:serviceaccount:n1:robot"
USERS = ("jane", ROBOT)
TEAMS = ("dev", "jane")
PEOPLE = tuple(
    User(name, groups=groups) for name in USERS for groups in ((), ("dev",), ("dev", "jane"))
)
QUESTIONS = (
    *(
        Attributes(user, verb, space, group, "v1", resource, part, name)
        for user in PEOPLE
        for verb in ("get", "list")
        for space in ("", *SPACES)
        for group in GROUPS[:-1]
        for resource, part in (("pods", ""), ("pods", "log"), ("secrets", "log"))
        for name in ("", "a")
    ),
    *(Attributes(user, "get", path=path) for user in PEOPLE for path in ("/a", "/a/b", "/ab", "/")),
)


def some(values: tuple[str, ...], low: int = 1, high: int = 3) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=low, max_size=high, unique=True)


@st.composite
def rules(draw: Any) -> dict[str, Any]:
    verbs = draw(some(VERBS, 0))
    if draw(st.integers(0, 3)) == 0:
        return {"verbs": verbs, "nonResourceURLs": draw(some(URLS))}
    made = {"verbs": verbs, "apiGroups": draw(some(GROUPS)), "resources": draw(some(RESOURCES))}
    if draw(st.integers(0, 2)) == 0:
        made["resourceNames"] = draw(some(NAMES))
    return made


@st.composite
def subjects(draw: Any) -> dict[str, str]:
    kind = draw(st.sampled_from(("User", "Group", "ServiceAccount")))
    if kind == "ServiceAccount":
        where = draw(st.sampled_from(("", *SPACES)))
        return {"kind": kind, "name": "robot", **({"namespace": where} if where else {})}
    return {"kind": kind, "name": draw(st.sampled_from(USERS if kind == "User" else TEAMS))}


@st.composite
def objects(draw: Any) -> dict[str, Any]:
    namespace = draw(st.sampled_from(("", *SPACES)))
    metadata = {
        "name": draw(st.sampled_from(ROLES[:2])),
        **({"namespace": namespace} if namespace else {}),
    }
    if draw(st.booleans()):
        kind = "Role" if namespace else "ClusterRole"
        return {"kind": kind, "metadata": metadata, "rules": draw(st.lists(rules(), max_size=3))}
    kinds = ("Role", "ClusterRole") if namespace else ("ClusterRole",)
    return {
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "metadata": metadata | {"name": draw(st.sampled_from(("b1", "b2", "b3")))},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": draw(st.sampled_from(kinds)),
            "name": draw(st.sampled_from(ROLES)),
        },
        "subjects": draw(st.lists(subjects(), max_size=3)),
    }


steps = st.one_of(
    st.tuples(st.just("put"), objects()),
    st.tuples(st.just("put"), objects()),
    st.tuples(st.just("delete"), objects()),
    st.tuples(st.just("anew"), st.none()),
)


@ROUND
@given(st.lists(objects(), min_size=2, max_size=8), st.lists(steps, max_size=4))
def agrees_with_the_model(first: list[Any], changes: list[Any]) -> None:
    model, cluster = Model(), Cluster()
    for tree in first:
        model.put(tree)
        cluster.put(tree)
    all_agree(model, cluster)
    for what, value in changes:
        if what == "put":
            model.put(value)
            cluster.put(value)
        elif what == "delete":
            model.delete(value)
            cluster.delete(value)
        else:
            cluster.begin_anew(list(model.objects.values()))
        all_agree(model, cluster)


def all_agree(model: Model, cluster: Cluster) -> None:
    for question in QUESTIONS:
        want = Decision(*model.authorize(question))
        # Twice: the second answer is remembered.
        assert cluster.rbac.authorize(question) == want, question
        assert cluster.rbac.authorize(question) == want, question
    for user in PEOPLE:
        for space in ("", *SPACES):
            rules, _ = cluster.policy.rules_for(user, space)
            assert [rule.tree for rule in rules] == model.rules(user, space)


@ROUND
@given(st.lists(rules(), max_size=4), rules())
def covered_is_allowed(owned: list[Any], wanted: Any) -> None:
    """Who holds rules that cover another may do all that the other allows."""
    if missing(compile_rules(owned), [wanted]):
        return
    for question in QUESTIONS:
        if question.user is PEOPLE[0] and _may(question, [wanted]):
            assert _may(question, owned), question


@ROUND
@given(rules())
def is_the_sum_of_its_parts(rule: Any) -> None:
    parts = list(broken_down(rule))
    assert not missing(compile_rules([rule]), parts)
    assert not missing(compile_rules(parts), [rule])


def _may(question: Attributes, rules: list[Any]) -> bool:
    model = Model()
    everywhere = question._replace(namespace="")
    model.put({"kind": "ClusterRole", "metadata": {"name": "r"}, "rules": rules})
    model.put(
        {
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "b"},
            "roleRef": {"kind": "ClusterRole", "name": "r"},
            "subjects": [{"kind": "User", "name": question.user.name}],
        }
    )
    return model.authorize(everywhere)[0]


def test_the_authorizer_and_the_model_agree() -> None:
    for_a_while(agrees_with_the_model, 0.7)


def test_who_holds_rules_that_cover_another_may_do_what_it_allows() -> None:
    for_a_while(covered_is_allowed, 0.2)


def test_a_rule_is_the_sum_of_its_parts() -> None:
    for_a_while(is_the_sum_of_its_parts, 0.1)
