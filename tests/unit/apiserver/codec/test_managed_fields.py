"""Who owns what after which write."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apiserver.codec.managed_fields import ANCIENT, MAX_UPDATE_MANAGERS, track
from wherry.api.apps_v1 import Deployment
from wherry.api.core_v1 import ConfigMap, Pod
from wherry.api.model import format_time
from wherry.api.shape import shape_of

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
Tree = dict[str, Any]


def pod(**spec: Any) -> Tree:
    container = {
        "name": "c",
        "image": "i",
        "ports": [{"containerPort": 80, "protocol": "TCP"}],
        "resources": {},
    }
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": "p", "namespace": "d", "labels": {"app": "web"}},
        "spec": {"containers": [container], "restartPolicy": "Always", **spec},
        "status": {},
    }


def write(new: Tree, old: Tree | None, manager: str, *, minutes: int = 0, **more: Any) -> Tree:
    """The object after `manager` wrote `new`; `new` itself is left alone."""
    new = copy.deepcopy(new)
    before = copy.deepcopy(old)
    now = NOW + timedelta(minutes=minutes)
    track(new, old, shape_of(Pod), manager=manager, api_version="v1", now=now, **more)
    assert old == before, "the stored object is shared and must not change"
    return new


def managed(tree: Tree) -> dict[str, Tree]:
    return {
        entry["manager"] + ("/" + entry["subresource"] if "subresource" in entry else ""): entry["fieldsV1"]
        for entry in tree["metadata"].get("managedFields", ())
    }  # fmt: skip


CREATED = {
    "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
    "f:spec": {
        "f:containers": {
            'k:{"name":"c"}': {
                ".": {},
                "f:image": {},
                "f:name": {},
                "f:ports": {
                    ".": {},
                    'k:{"containerPort":80,"protocol":"TCP"}': {
                        ".": {},
                        "f:containerPort": {},
                        "f:protocol": {},
                    },
                },
                "f:resources": {},
            }
        },
        "f:restartPolicy": {},
    },
}


def test_a_creator_owns_what_it_set() -> None:
    created = write(pod(), None, "kubectl-create")
    assert created["metadata"]["managedFields"] == [
        {
            "manager": "kubectl-create",
            "operation": "Update",
            "apiVersion": "v1",
            "time": "2026-01-01T12:00:00Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": CREATED,
        }
    ]


@pytest.mark.parametrize(
    ("model", "tree", "expected"),
    [
        (
            Deployment,
            {
                "metadata": {"generateName": "x-", "finalizers": ["a/b"]},
                "spec": {
                    "replicas": 1,
                    "selector": {"matchLabels": {"a": "b"}},
                    "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": None}},
                    "strategy": {"type": "Recreate"},
                },
                "status": {"replicas": 3},
            },
            {
                "f:metadata": {
                    "f:finalizers": {".": {}, 'v:"a/b"': {}},
                    "f:generateName": {},
                },
                "f:spec": {
                    "f:replicas": {},
                    "f:selector": {},
                    "f:strategy": {"f:type": {}},
                    "f:template": {"f:metadata": {"f:labels": {".": {}, "f:a": {}}}},
                },
            },
        ),
        (
            ConfigMap,
            {"metadata": {"name": "c"}, "data": {"a.b": "1", "c": ""}},
            {"f:data": {".": {}, "f:a.b": {}, "f:c": {}}},
        ),
        (
            Pod,
            {
                "metadata": {"ownerReferences": [{"uid": "u", "kind": "ReplicaSet"}]},
                "spec": {
                    "containers": [],
                    "nodeSelector": {"a": "b"},
                    "tolerations": [{"key": "k"}],
                    "securityContext": {},
                },
                "status": {},
            },
            {
                "f:metadata": {"f:ownerReferences": {".": {}, 'k:{"uid":"u"}': {}}},
                "f:spec": {
                    "f:containers": {},
                    "f:nodeSelector": {},
                    "f:securityContext": {},
                    "f:tolerations": {},
                },
            },
        ),
    ],
    ids=["deployment", "configmap", "pod"],
)
def test_fields_of_a_new_object(model, tree, expected) -> None:
    tree = {"kind": "K", "apiVersion": "v1", **tree}
    track(tree, None, shape_of(model), manager="m", api_version="v1", now=NOW)
    assert tree["metadata"]["managedFields"][0]["fieldsV1"] == expected


def test_who_changes_a_field_takes_it_over() -> None:
    created = write(pod(), None, "alice")
    changed = copy.deepcopy(created)
    changed["spec"]["restartPolicy"] = "Never"
    changed["spec"]["nodeName"] = "n"
    updated = managed(write(changed, created, "bob", minutes=1))
    assert updated["bob"] == {"f:spec": {"f:nodeName": {}, "f:restartPolicy": {}}}
    assert "f:restartPolicy" not in updated["alice"]["f:spec"]
    assert "f:containers" in updated["alice"]["f:spec"]


def test_what_vanishes_belongs_to_nobody() -> None:
    created = write(pod(), None, "alice")
    changed = copy.deepcopy(created)
    del changed["spec"]["containers"][0]["ports"]
    updated = managed(write(changed, created, "bob"))
    assert list(updated) == ["alice"]
    assert "f:ports" not in updated["alice"]["f:spec"]["f:containers"]['k:{"name":"c"}']


def test_a_manager_without_fields_disappears() -> None:
    created = write(pod(nodeName="n"), None, "alice")
    second = write({**created, "spec": {**created["spec"], "hostname": "h"}}, created, "bob")
    third = write({**second, "spec": created["spec"]}, second, "carol")
    assert set(managed(third)) == {"alice"}


def test_a_second_write_of_one_manager_adds_to_its_entry() -> None:
    created = write(pod(), None, "alice")
    changed = {**created, "spec": {**created["spec"], "nodeName": "n"}}
    [entry] = write(changed, created, "alice", minutes=5)["metadata"]["managedFields"]
    assert entry["time"] == "2026-01-01T12:05:00Z"
    assert entry["fieldsV1"]["f:spec"].keys() == {"f:containers", "f:nodeName", "f:restartPolicy"}


def test_no_change_keeps_the_entry_and_its_time() -> None:
    created = write(pod(), None, "alice")
    for manager in ("alice", "bob"):
        assert write(created, created, manager, minutes=5) == created


def test_clients_that_drop_managed_fields_do_not_delete_them() -> None:
    created = write(pod(), None, "alice")
    for sent in ([], None, [{"manager": "x", "operation": "Nonsense"}]):
        tree = copy.deepcopy(created)
        tree["metadata"]["managedFields"] = sent
        assert write(tree, created, "bob") == created


def test_one_empty_entry_resets() -> None:
    created = write(pod(), None, "alice")
    tree = copy.deepcopy(created)
    tree["metadata"]["managedFields"] = [{}]
    tree["spec"]["nodeName"] = "n"
    reset = write(tree, created, "bob")
    assert "managedFields" not in reset["metadata"]
    changed = {**reset, "spec": {**reset["spec"], "hostname": "h"}}
    assert "managedFields" not in write(changed, reset, "bob")["metadata"]


def test_a_client_may_edit_the_entries_but_not_through_a_subresource() -> None:
    created = write(pod(), None, "alice")
    tree = copy.deepcopy(created)
    tree["metadata"]["managedFields"][0]["manager"] = "eve"
    assert set(managed(write(tree, created, "bob"))) == {"eve"}
    assert set(managed(write(tree, created, "bob", subresource="status"))) == {"alice"}


def test_status_and_the_rest_are_apart() -> None:
    created = write(pod(), None, "alice")
    changed = copy.deepcopy(created)
    changed["status"] = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    changed["spec"]["nodeName"] = "n"
    by_status = managed(write(changed, created, "kubelet", subresource="status"))
    assert by_status["kubelet/status"] == {
        "f:status": {
            "f:conditions": {
                ".": {},
                'k:{"type":"Ready"}': {".": {}, "f:status": {}, "f:type": {}},
            },
            "f:phase": {},
        }
    }
    by_main = managed(write(changed, created, "bob"))
    assert by_main["bob"] == {"f:spec": {"f:nodeName": {}}}


def test_entries_are_sorted_by_time_then_manager() -> None:
    tree = write(pod(), None, "zoe")
    for minutes, manager, field in ((1, "bob", "nodeName"), (1, "amy", "hostname")):
        changed = {**tree, "spec": {**tree["spec"], field: "x"}}
        tree = write(changed, tree, manager, minutes=minutes)
    assert list(managed(tree)) == ["zoe", "amy", "bob"]


def test_too_many_managers_share_an_entry() -> None:
    tree = write(pod(), None, "first")
    for number in range(15):
        labels = {**tree["metadata"]["labels"], f"l{number}": "x"}
        changed = {**tree, "metadata": {**tree["metadata"], "labels": labels}}
        tree = write(changed, tree, f"m{number}", minutes=number + 1)
    entries = tree["metadata"]["managedFields"]
    assert len(entries) == MAX_UPDATE_MANAGERS
    assert entries[0]["manager"] == ANCIENT
    assert entries[0]["time"] == format_time(NOW + timedelta(minutes=6))
    assert "f:l5" in entries[0]["fieldsV1"]["f:metadata"]["f:labels"]
    assert entries[-1]["manager"] == "m14"


@pytest.mark.parametrize(
    ("manager", "expected"), [("a\x00b", "ab"), ("x" * 200, "x" * 128), ("", "unknown")]
)
def test_manager_names_are_tidied(manager: str, expected: str) -> None:
    assert list(managed(write(pod(), None, manager))) == [expected]
