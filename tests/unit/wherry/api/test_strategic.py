"""Strategic merge: directives, order, and the law apply(three-way diff) == target."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.api.apps_v1 import Deployment
from wherry.api.core_v1 import Pod
from wherry.api.shape import shape_of
from wherry.api.strategic import PatchError, apply, create_three_way

POD = shape_of(Pod)
DEPLOYMENT = shape_of(Deployment)


def pod(*names: str, **spec) -> dict:
    return {"spec": {"containers": [{"name": name, "image": "i"} for name in names], **spec}}


def names(tree: dict) -> list[str]:
    return [container["name"] for container in tree["spec"]["containers"]]


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ([{"name": "b", "image": "j"}], ["a", "b", "c"]),
        ([{"name": "new"}], ["new", "a", "b", "c"]),
        ([{"name": "c"}, {"name": "new"}], ["a", "b", "c", "new"]),
        ([{"$patch": "delete", "name": "b"}], ["a", "c"]),
        ([{"$patch": "replace"}, {"name": "x"}], ["x"]),
        ([{"$patch": "replace"}], []),
    ],
    ids=str,
)
def test_lists_merge_by_key(patch, expected: list[str]) -> None:
    original = pod("a", "b", "c")
    patched = apply(original, {"spec": {"containers": patch}}, POD)
    assert names(patched) == expected
    assert original == pod("a", "b", "c")


def test_the_stated_order_holds() -> None:
    patch = {
        "spec": {
            "$setElementOrder/containers": [{"name": "c"}, {"name": "new"}, {"name": "a"}],
            "containers": [{"name": "new"}],
        }
    }
    assert names(apply(pod("a", "b", "c"), patch, POD)) == ["b", "c", "new", "a"]


@pytest.mark.parametrize(
    ("original", "patch", "expected"),
    [
        ({"spec": {"nodeName": "n"}}, {"spec": {"nodeName": None}}, {"spec": {}}),
        ({"metadata": {"labels": {"a": "1", "b": "2"}}}, {"metadata": {"labels": {"a": None}}},
         {"metadata": {"labels": {"b": "2"}}}),
        ({"metadata": {"labels": {"a": "1"}}}, {"metadata": {"labels": {"$patch": "replace", "c": "3"}}},
         {"metadata": {"labels": {"c": "3"}}}),
        ({"spec": {"affinity": {"nodeAffinity": {}}}}, {"spec": {"affinity": {"$patch": "delete"}}},
         {"spec": {"affinity": {}}}),
        ({"metadata": {"finalizers": ["a", "b"]}},
         {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}, {"metadata": {"finalizers": ["b"]}}),
        ({"metadata": {"finalizers": ["a"]}}, {"metadata": {"finalizers": ["b", "a"]}},
         {"metadata": {"finalizers": ["b", "a"]}}),
        ({"spec": {"tolerations": [{"key": "a"}]}}, {"spec": {"tolerations": [{"key": "b"}]}},
         {"spec": {"tolerations": [{"key": "b"}]}}),
        ({"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}},
         {"spec": {"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}]}},
         {"spec": {"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]}}),
        ({}, {"spec": {"affinity": {"nodeAffinity": None}}}, {"spec": {"affinity": {}}}),
    ],
    ids=lambda value: str(value)[:60],
)  # fmt: skip
def test_directives(original, patch, expected) -> None:
    assert apply(original, patch, POD) == expected


@pytest.mark.parametrize(
    "patch",
    [
        {"spec": {"containers": [{"image": "x"}]}},
        {"spec": {"containers": ["x"]}},
        {"spec": {"$patch": "what"}},
        {"spec": {"$retainKeys": ["a"], "nodeName": "n"}},
        {"metadata": {"$deleteFromPrimitiveList/finalizers": "a"}},
        {"metadata": {"finalizers": [{"a": 1}]}},
        {"spec": {"containers": [{"name": ["a"]}]}},
        {"spec": {"$patch": ["delete"]}},
        {"spec": {"$retainKeys": [["a"]], "nodeName": "n"}},
        {"spec": {"$setElementOrder/containers": [{"name": "a"}], "containers": [{"name": "z"}]}},
        {"spec": {"$setElementOrder/hostNetwork": [True]}},
        {"spec": {"$setElementOrder/nodeSelector": ["a"]}},
        {"spec": {"$setElementOrder/dnsPolicy": ["x"], "dnsPolicy": ["x"]}},
    ],
    ids=str,
)
def test_malformed_patches(patch) -> None:
    tree = pod("a", hostNetwork=True, nodeSelector={"disk": "ssd"}, dnsPolicy="Default")
    with pytest.raises(PatchError):
        apply({**tree, "metadata": {"finalizers": ["f"]}}, patch, POD)


def test_a_three_way_patch_leaves_others_fields_alone() -> None:
    original = pod("a", nodeSelector={"disk": "ssd"})
    modified = pod("a", hostname="h")
    current = pod("a", "sidecar", nodeSelector={"disk": "ssd", "zone": "z"}, nodeName="n1")
    patched = apply(current, create_three_way(original, modified, current, POD), POD)
    assert patched == pod("a", "sidecar", nodeName="n1", hostname="h")


def test_changing_the_strategy_drops_the_old_ones_parameters() -> None:
    def deployment(strategy: dict) -> dict:
        return {"spec": {"strategy": strategy}}

    rolling = deployment({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}})
    recreate = deployment({"type": "Recreate"})
    patch = create_three_way({}, recreate, rolling, DEPLOYMENT)
    assert patch == deployment({"type": "Recreate", "$retainKeys": ["type"]})
    assert apply(rolling, patch, DEPLOYMENT) == recreate


def test_items_with_equal_keys_are_replaced_whole() -> None:
    def dns(*protocols: str) -> dict:
        ports = [{"containerPort": 53, "protocol": protocol} for protocol in protocols]
        return {"spec": {"containers": [{"name": "dns", "ports": ports}]}}

    patch = create_three_way(dns("TCP"), dns("UDP", "TCP"), dns("TCP"), POD)
    assert apply(dns("TCP"), patch, POD) == dns("UDP", "TCP")


some = st.sampled_from(["x", "y", "z"])
labels = st.dictionaries(some, some, max_size=3)


def keyed(key: str, **fields):
    return st.lists(st.fixed_dictionaries({key: some}, optional=fields), max_size=3, unique_by=lambda i: i[key])  # fmt: skip


pods = st.fixed_dictionaries(
    {},
    optional={
        "metadata": st.fixed_dictionaries(
            {},
            optional={"labels": labels, "finalizers": st.lists(some, unique=True, max_size=3)},
        ),
        "spec": st.fixed_dictionaries(
            {},
            optional={
                "nodeName": some,
                "nodeSelector": labels,
                "tolerations": st.lists(st.fixed_dictionaries({"key": some}), max_size=2),
                "containers": keyed(
                    "name",
                    image=some,
                    env=keyed("name", value=some),
                    ports=keyed("containerPort", protocol=some),
                ),
                "volumes": keyed("name", hostPath=st.fixed_dictionaries({"path": some})),
            },
        ),
    },
)


@given(pods, pods)
def test_applying_a_diff_gives_the_target(current, modified) -> None:
    before = copy.deepcopy((current, modified))
    patch = create_three_way(current, modified, current, POD)
    assert apply(current, patch, POD) == modified
    assert (current, modified) == before


@given(pods)
def test_no_change_is_no_patch(tree) -> None:
    assert create_three_way(tree, tree, tree, POD) == {}


@given(pods, pods, pods)
def test_applying_twice_changes_nothing_more(original, modified, current) -> None:
    once = apply(current, create_three_way(original, modified, current, POD), POD)
    assert create_three_way(modified, modified, once, POD) == {}
