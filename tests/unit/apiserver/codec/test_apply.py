"""Server-side apply: who wins, who owns, what goes away."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.codec.apply import Applier, Conflicts, apply, conflict_causes
from apiserver.codec.client_side_apply import ANNOTATION, keep_annotation, taken_over
from apiserver.codec.field_sets import paths
from apiserver.codec.managed_fields import read_entries, track
from apiserver.codec.typed_check import misfits
from apiserver.codec.typed_trees import root_type
from wherry.api.apps_v1 import Deployment
from wherry.api.core_v1 import ConfigMap, Pod, Service
from wherry.api.model import TypedModel
from wherry.api.shape import shape_of

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
Tree = dict[str, Any]


def head(model: type[TypedModel], **rest: Any) -> Tree:
    return {"kind": model.GVK.kind, "apiVersion": model.GVK.api_version, **rest}


def applied(
    live: Tree | None,
    config: Tree,
    manager: str = "one",
    *,
    model: type[TypedModel] = ConfigMap,
    force: bool = False,
    minutes: int = 0,
    subresource: str = "",
) -> Tree:
    """The object after an apply that must not conflict."""
    found = attempt(
        live, config, manager, model=model, force=force, minutes=minutes, subresource=subresource
    )
    assert not isinstance(found, Conflicts), conflict_causes(found)
    return found


def attempt(
    live: Tree | None,
    config: Tree,
    manager: str = "one",
    *,
    model: type[TypedModel] = ConfigMap,
    force: bool = False,
    minutes: int = 0,
    subresource: str = "",
) -> Tree | Conflicts:
    before = copy.deepcopy((live, config))
    applier = Applier(manager, model.GVK.api_version, subresource)
    found = apply(
        live, config, read_entries(live or {}), shape_of(model), applier, force=force,
        now=NOW + timedelta(minutes=minutes),
    )  # fmt: skip
    assert (live, config) == before, "arguments are shared and must not change"
    return found


def updated(live: Tree, new: Tree, manager: str, model: type[TypedModel] = ConfigMap) -> Tree:
    new = copy.deepcopy(new)
    track(new, live, shape_of(model), manager=manager, api_version=model.GVK.api_version, now=NOW)
    return new


def config_map(**data: str) -> Tree:
    found = {"data": data} if data else {}  # an empty map is a field of its own
    return head(ConfigMap, metadata={"name": "c"}, **found)


def deployment(**spec: Any) -> Tree:
    return head(Deployment, metadata={"name": "d"}, spec=spec)


def containers(*found: Tree) -> Tree:
    return deployment(template={"spec": {"containers": list(found)}})


def owned(tree: Tree) -> dict[str, list[str]]:
    return {one.manager: list(paths(one.fields)) for one in read_entries(tree)}


def test_an_apply_creates_and_owns_exactly_what_it_says() -> None:
    made = applied(
        None,
        deployment(replicas=0, paused=False, selector={"matchLabels": {"a": "b"}}),
        model=Deployment,
    )
    assert made["spec"]["replicas"] == 0
    assert owned(made) == {"one": [".spec.paused", ".spec.replicas", ".spec.selector"]}
    (entry,) = made["metadata"]["managedFields"]
    assert entry["operation"] == "Apply"
    assert entry["time"] == "2026-01-01T12:00:00Z"


def test_nothing_but_identity_owns_nothing() -> None:
    made = applied(None, head(ConfigMap, metadata={"name": "c", "namespace": "d"}))
    assert "managedFields" not in made["metadata"]


def test_applying_again_changes_nothing_not_even_the_time() -> None:
    first = applied(None, config_map(a="1"))
    assert applied(first, config_map(a="1"), minutes=5) == first


def test_what_an_applier_leaves_out_goes() -> None:
    first = applied(None, config_map(a="1", b="2"))
    second = applied(first, config_map(a="1"), minutes=1)
    assert second["data"] == {"a": "1"}
    assert owned(second) == {"one": [".data.a"]}


def test_what_an_applier_leaves_out_stays_for_another_owner() -> None:
    both = applied(applied(None, config_map(a="1", b="2")), config_map(b="2"), "two")
    left = applied(both, config_map(a="1"))
    assert left["data"] == {"a": "1", "b": "2"}
    assert owned(left) == {"one": [".data.a"], "two": [".data.b"]}


def test_what_an_updater_added_stays() -> None:
    first = applied(None, config_map(a="1", b="2"))
    second = updated(first, {**first, "data": {"a": "1", "b": "2", "c": "3"}}, "editor")
    third = applied(second, config_map(a="1"))
    assert third["data"] == {"a": "1", "c": "3"}
    assert owned(third) == {"one": [".data.a"], "editor": [".data.c"]}


def test_a_conflict_names_field_and_owner() -> None:
    first = applied(None, config_map(a="1", b="2"))
    found = attempt(first, config_map(a="9", b="2"), "two")
    assert isinstance(found, Conflicts)
    message, causes = conflict_causes(found)
    assert message == 'Apply failed with 1 conflict: conflict with "one": .data.a'
    assert causes == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".data.a"}
    ]


def test_several_conflicts_are_told_by_manager() -> None:
    live = containers({"name": "c", "image": "i", "env": [{"name": "E", "value": "v"}]})
    first = updated({}, {**live, "metadata": {"name": "d"}}, "edit", Deployment)
    first = applied(None, live, model=Deployment)
    second = updated(
        first,
        {**copy.deepcopy(first), "spec": {**first["spec"], "replicas": 4}},
        "edit",
        Deployment,
    )
    want = containers({"name": "c", "image": "x", "env": [{"name": "E", "value": "w"}]})
    want["spec"]["replicas"] = 5
    found = attempt(second, want, "two", model=Deployment)
    assert isinstance(found, Conflicts)
    assert conflict_causes(found)[0] == (
        'Apply failed with 3 conflicts: conflicts with "edit" using apps/v1:\n'
        "- .spec.replicas\n"
        'conflicts with "one":\n'
        '- .spec.template.spec.containers[name="c"].env[name="E"].value\n'
        '- .spec.template.spec.containers[name="c"].image'
    )


def test_force_takes_the_field() -> None:
    first = applied(None, config_map(a="1", b="2"))
    second = applied(first, config_map(a="9"), "two", force=True)
    assert second["data"] == {"a": "9", "b": "2"}
    assert owned(second) == {"one": [".data.b"], "two": [".data.a"]}


def test_the_same_value_is_shared() -> None:
    shared = applied(applied(None, config_map(a="1")), config_map(a="1"), "two")
    assert owned(shared) == {"one": [".data.a"], "two": [".data.a"]}


def test_an_untracked_object_belongs_to_its_past() -> None:
    live = head(ConfigMap, metadata={"name": "c", "uid": "u"}, data={"a": "1"})
    shared = applied(live, config_map(b="2"))
    assert owned(shared) == {"before-first-apply": [".data", ".data.a"], "one": [".data.b"]}


def test_list_items_merge_by_key_and_keep_unowned_parts() -> None:
    first = applied(None, containers({"name": "c", "image": "i"}), model=Deployment)
    container = first["spec"]["template"]["spec"]["containers"][0]
    container["imagePullPolicy"] = "Always"  # as a default would
    second = applied(
        first,
        containers({"name": "n", "image": "j"}, {"name": "c", "image": "i"}),
        model=Deployment,
    )
    found = second["spec"]["template"]["spec"]["containers"]
    assert [one["name"] for one in found] == ["n", "c"]
    assert found[1]["imagePullPolicy"] == "Always"
    third = applied(second, containers({"name": "n", "image": "j"}), model=Deployment)
    assert [one["name"] for one in third["spec"]["template"]["spec"]["containers"]] == ["n"]


def test_live_items_keep_their_places_among_the_applied() -> None:
    def volumes(*names: str) -> Tree:
        return head(Pod, metadata={"name": "p"}, spec={"volumes": [{"name": n} for n in names]})

    first = applied(None, volumes("a", "x", "b", "y"), model=Pod)
    second = applied(first, volumes("b", "n", "a"), "two", model=Pod)
    assert [one["name"] for one in second["spec"]["volumes"]] == ["x", "b", "y", "n", "a"]


def test_a_port_without_protocol_is_the_tcp_port() -> None:
    ports = head(Service, metadata={"name": "s"}, spec={"ports": [{"port": 80, "name": "a"}]})
    first = applied(None, ports, model=Service)
    first["spec"]["ports"][0]["protocol"] = "TCP"
    ports["spec"]["ports"][0]["name"] = "b"
    second = applied(first, ports, model=Service)
    assert second["spec"]["ports"] == [
        {"name": "b", "protocol": "TCP", "port": 80, "targetPort": 0}
    ]
    assert '.spec.ports[port=80,protocol="TCP"].name' in owned(second)["one"]


def test_sets_merge_by_value() -> None:
    def finalizers(*found: str) -> Tree:
        return head(ConfigMap, metadata={"name": "c", "finalizers": list(found)})

    both = applied(applied(None, finalizers("a/1", "b/2")), finalizers("c/3"), "two")
    assert both["metadata"]["finalizers"] == ["a/1", "b/2", "c/3"]
    left = applied(both, finalizers("b/2"))
    assert left["metadata"]["finalizers"] == ["b/2", "c/3"]


def test_atomic_parts_are_one_field() -> None:
    first = applied(None, deployment(selector={"matchLabels": {"a": "1"}}), model=Deployment)
    found = attempt(
        first, deployment(selector={"matchLabels": {"b": "1"}}), "two", model=Deployment
    )
    assert isinstance(found, Conflicts)
    assert list(paths(found.fields)) == [".spec.selector"]


def test_status_belongs_to_the_status_subresource() -> None:
    config = {**deployment(replicas=1), "status": {"replicas": 3}}
    main = applied(None, config, model=Deployment)
    assert owned(main) == {"one": [".spec.replicas"]}
    status = applied(main, config, "two", model=Deployment, subresource="status")
    assert owned(status)["two"] == [".status.replicas"]
    assert status["metadata"]["managedFields"][1]["subresource"] == "status"


def test_quantities_that_mean_the_same_do_not_conflict() -> None:
    def limits(cpu: str) -> Tree:
        return containers({"name": "c", "resources": {"limits": {"cpu": cpu}}})

    shared = applied(
        applied(None, limits("1"), model=Deployment), limits("1000m"), "two", model=Deployment
    )
    assert set(owned(shared)) == {"one", "two"}


def test_kubectl_takes_over_what_client_side_apply_wrote() -> None:
    live = config_map(a="1", b="changed")
    annotation = (
        '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"},"data":{"a":"1","b":"2"}}'
    )
    live["metadata"]["annotations"] = {ANNOTATION: annotation}
    assert list(paths(taken_over(live, shape_of(ConfigMap), "v1"))) == [
        ".apiVersion", ".data.a", ".kind", ".metadata.name",
    ]  # fmt: skip
    keep_annotation(live, config_map(a="2"))
    assert live["metadata"]["annotations"][ANNOTATION] == (
        '{"apiVersion":"v1","data":{"a":"2"},"kind":"ConfigMap","metadata":{"name":"c"}}\n'
    )


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"apiVersion":"v1","data":{"a":1}}'])
def test_an_annotation_that_says_nothing_allows_nothing(text: str) -> None:
    live = config_map(a="1")
    live["metadata"]["annotations"] = {ANNOTATION: text}
    assert taken_over(live, shape_of(ConfigMap), "v1") == {}


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"nope": 1}, ".spec.nope: field not declared in schema"),
        ({"replicas": "1"}, ".spec.replicas: expected numeric (int or float), got string"),
        ({"paused": 1}, ".spec.paused: expected boolean, got 1"),
        ({"template": []}, ".spec.template: expected map, got list"),
        (
            {"template": {"spec": {"containers": {}}}},
            ".spec.template.spec.containers: expected list, got map",
        ),
        (
            {"template": {"spec": {"containers": [{"name": "a"}, {"name": "a"}]}}},
            '.spec.template.spec.containers: duplicate entries for key [name="a"]',
        ),
        (
            {"template": {"spec": {"containers": [{"name": "a", "image": 1}]}}},
            '.spec.template.spec.containers[name="a"].image: expected string, got 1',
        ),
        (
            {"selector": {"matchExpressions": [{"key": "k", "op": "In"}]}},
            ".spec.selector.matchExpressions[0].op: field not declared in schema",
        ),
    ],
)
def test_what_does_not_fit_is_told_with_its_path(spec: Tree, problem: str) -> None:
    assert misfits(deployment(**spec), root_type(shape_of(Deployment))) == [problem]


# --- properties ---

KEYS = st.sampled_from("abcdef")
DATA = st.dictionaries(KEYS, st.sampled_from(["1", "2", "3"]), max_size=5)


@st.composite
def configs(draw: st.DrawFn) -> Tree:
    """A Pod with parts of every topology: maps, lists by key, sets, atomic lists."""
    names = draw(st.lists(KEYS, unique=True, max_size=3))
    found = []
    for name in names:
        container: Tree = {"name": name}
        if draw(st.booleans()):
            container["image"] = draw(st.sampled_from(["i", "j"]))
        if draw(st.booleans()):
            container["command"] = draw(st.lists(KEYS, max_size=2))
        if env := draw(DATA):
            container["env"] = [{"name": key, "value": value} for key, value in env.items()]
        found.append(container)
    metadata: Tree = {"name": "p"}
    if labels := draw(DATA):
        metadata["labels"] = labels
    if finalizers := draw(st.lists(KEYS, unique=True, max_size=3)):
        metadata["finalizers"] = finalizers
    config = head(Pod, metadata=metadata)
    if found:
        config["spec"] = {"containers": found}
    return config


@given(configs(), configs(), configs())
def test_applying_twice_is_applying_once(first: Tree, second: Tree, third: Tree) -> None:
    live = applied(None, first, "one", model=Pod)
    live = applied(live, second, "two", model=Pod, force=True)
    once = applied(live, third, "one", model=Pod, force=True)
    assert applied(once, third, "one", model=Pod, minutes=3) == once


@given(DATA, DATA)
def test_only_ones_own_fields_go_when_left_out(first: Tree, second: Tree) -> None:
    live = applied(None, config_map(**first))
    assert applied(live, config_map(**second)).get("data", {}) == second


@given(configs(), configs())
def test_a_sole_applier_gets_what_it_says(first: Tree, second: Tree) -> None:
    live = applied(None, first, model=Pod)
    anew = applied(None, second, model=Pod)
    after = applied(live, second, model=Pod)
    assert owned(after) == owned(anew)
    assert after["metadata"].get("labels") == anew["metadata"].get("labels")
    assert after["spec"]["containers"] == anew["spec"]["containers"]


@given(DATA, DATA)
def test_disjoint_appliers_leave_each_other_alone(first: Tree, second: Tree) -> None:
    second = {key: value for key, value in second.items() if key not in first}
    both = applied(applied(None, config_map(**first), "one"), config_map(**second), "two")
    assert both.get("data", {}) == {**first, **second}
    assert applied(both, config_map(**first), "one") == both


@given(DATA, DATA)
def test_a_conflict_names_exactly_the_overlap(first: Tree, second: Tree) -> None:
    found = attempt(applied(None, config_map(**first), "one"), config_map(**second), "two")
    overlap = {f".data.{key}" for key in first if key in second and first[key] != second[key]}
    assert isinstance(found, Conflicts) == bool(overlap)
    if isinstance(found, Conflicts):
        assert set(paths(found.fields)) == overlap


@given(configs(), configs())
def test_force_gives_the_applier_all_it_says(first: Tree, second: Tree) -> None:
    after = applied(applied(None, first, "one", model=Pod), second, "two", model=Pod, force=True)
    alone = applied(None, second, "two", model=Pod)
    assert owned(after).get("two") == owned(alone).get("two")
    labels = second["metadata"].get("labels", {})
    assert labels.items() <= after["metadata"].get("labels", {}).items()
