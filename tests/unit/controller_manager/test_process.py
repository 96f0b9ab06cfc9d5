"""Choosing controllers, flags, discovery, claims, accounts, CA, slim caches."""

from __future__ import annotations

import pytest

from controller_manager import options
from controller_manager.discovery import parse
from controller_manager.namespace.plan import FINALIZER
from controller_manager.ownership import adoption, claim, releasing
from controller_manager.plan import Create, Update
from controller_manager.registry import CONTROLLERS, ELSEWHERE, asked_in_vain, chosen
from controller_manager.rootca.controller import plan_root_ca
from controller_manager.serviceaccount.controller import plan_account
from wherry.api.apps_v1 import ReplicaSet
from wherry.api.core_v1 import Namespace, Pod, ServiceAccount

ALL = [entry.name for entry in CONTROLLERS if entry.by_default]


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        pytest.param(["*"], ALL, id="all"),
        pytest.param(["*", "-deployment-controller"], [n for n in ALL if n != "deployment-controller"], id="but one"),
        pytest.param(["*", "-podgc"], [n for n in ALL if n != "pod-garbage-collector-controller"], id="old alias"),
        pytest.param(["endpoint"], ["endpoints-controller"], id="only one"),
    ],
)  # fmt: skip
def test_chosen(wishes, expected):
    assert [entry.name for entry in chosen(wishes)] == expected


def test_unknown_controller():
    with pytest.raises(ValueError, match="'nope' is not in the list"):
        chosen(["*", "-nope"])


def test_upstreams_other_names_are_known_and_explained():
    assert chosen(["*", "resourcequota", "-attachdetach"]) == chosen(["*"])
    assert chosen(["attachdetach"]) == []
    (told,) = asked_in_vain(["*", "resourcequota", "-attachdetach"])
    assert told == (
        "resourcequota-controller has nothing to do: the API server keeps the usage of quotas"
    )
    ours = {name for entry in CONTROLLERS for name in (entry.name, entry.alias)}
    assert not ours & ELSEWHERE.keys()


def test_flags_are_upstreams():
    flags = options.parse(
        ["--node-monitor-grace-period=7s", "--leader-elect=false", "--controllers=*,-podgc"]
    )
    assert flags.node_monitor_grace_period == 7.0
    assert flags.leader_elect is False
    assert flags.controllers == ["*", "-podgc"]
    assert (flags.secure_port, flags.concurrent_deployment_syncs) == (10257, 5)
    with pytest.raises(SystemExit):
        options.parse(["--no-such-flag"])


def test_manifests_of_kubeadm_are_understood():
    options.parse(
        [
            "--authentication-kubeconfig=/k", "--requestheader-client-ca-file=/f",
            "--profiling=false", "--use-service-account-credentials=true", "--cloud-provider=external",
            "--kube-api-qps=50", "--feature-gates=A=true,B=false", "--contention-profiling",
        ]
    )  # fmt: skip


def test_discovery_takes_each_resource_once_in_its_preferred_version():
    def entry(name, kind, scope="Namespaced"):
        return {
            "resource": name,
            "responseKind": {"kind": kind},
            "scope": scope,
            "verbs": ["list", "delete"],
        }

    group = {
        "metadata": {"name": "example.com"},
        "versions": [
            {"version": "v2", "freshness": "Current", "resources": [entry("things", "Thing")]},
            {"version": "v1", "freshness": "Stale", "resources": [entry("things", "Thing"), entry("olds", "Old", "Cluster")]},
        ],
    }  # fmt: skip
    found = parse({"items": [group]}, {})
    assert [(r.version, r.plural, r.namespaced) for r in found.resources] == [
        ("v2", "things", True),
        ("v1", "olds", False),
    ]
    assert found.resources[0].path("ns", "a") == "/apis/example.com/v2/namespaces/ns/things/a"
    assert found.stale == ("example.com/v1",)


def replica_set(**metadata):
    return ReplicaSet.from_wire(
        {
            "metadata": {"name": "web", "namespace": "ns", "uid": "rs", **metadata},
            "spec": {"selector": {"matchLabels": {"app": "web"}}},
        }
    )


def pod(name, owner="", app="web", **metadata):
    refs = [{"uid": owner, "controller": True}] if owner else []
    return Pod.from_wire(
        {"metadata": {"name": name, "namespace": "ns", "uid": f"u-{name}", "labels": {"app": app}, "ownerReferences": refs, **metadata}}
    )  # fmt: skip


def test_claims():
    owner = replica_set()
    candidates = [
        pod("mine", "rs"), pod("orphan"), pod("strayed", "rs", app="x"), pod("other", "rs2"),
        pod("leaving", deletionTimestamp="2026-11-21T00:00:00Z"), pod("foreign", app="x"),
    ]  # fmt: skip
    claims = claim(owner, owner.spec.selector, candidates)
    assert [p.metadata.name for p in claims.owned] == ["mine"]
    assert [p.metadata.name for p in claims.adopt] == ["orphan"]
    assert [p.metadata.name for p in claims.release] == ["strayed"]
    gone = replica_set(deletionTimestamp="2026-11-21T00:00:00Z")
    claims = claim(gone, gone.spec.selector, candidates)
    assert (claims.adopt, claims.release) == ((), ())


def test_adoption_and_release_are_guarded_by_uid():
    entry = adoption(replica_set(), pod("orphan")).patch["metadata"]
    assert entry["uid"] == "u-orphan"
    assert entry["ownerReferences"] == [
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "rs", "controller": True, "blockOwnerDeletion": True}
    ]  # fmt: skip
    entry = releasing(replica_set(), pod("strayed", "rs")).patch["metadata"]
    assert entry["ownerReferences"] == [{"$patch": "delete", "uid": "rs"}]


def namespace(**metadata):
    return Namespace.from_wire(
        {"metadata": {"name": "ns", **metadata}, "spec": {"finalizers": [FINALIZER]}}
    )


def test_default_account():
    (action,) = plan_account(namespace(), None).actions
    assert action == Create(
        ServiceAccount.from_wire({"metadata": {"name": "default", "namespace": "ns"}}),
        exists_ok=True,
    )
    assert plan_account(namespace(), ServiceAccount()).actions == ()
    assert plan_account(None, None).actions == ()
    assert plan_account(namespace(deletionTimestamp="2026-11-21T00:00:00Z"), None).actions == ()


def test_root_ca():
    (made,) = plan_root_ca(namespace(), None, "PEM").actions
    assert isinstance(made, Create)
    assert made.object.data == {"ca.crt": "PEM"}
    assert plan_root_ca(namespace(), made.object, "PEM").actions == ()
    (changed,) = plan_root_ca(namespace(), made.object, "NEW").actions
    assert isinstance(changed, Update)
    assert changed.object.data == {"ca.crt": "NEW"}
    assert plan_root_ca(None, None, "PEM").actions == ()
