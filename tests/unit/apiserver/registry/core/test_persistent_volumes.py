"""PersistentVolumes and claims: what is added, refused, and kept for life."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from apiserver.registry.strategies import STRATEGIES
from wherry.api.core_v1 import PersistentVolume, PersistentVolumeClaim
from wherry.api.scheme import resource_of

NOW = datetime(2026, 1, 1, 1, tzinfo=UTC)
Tree = dict[str, Any]
Say = Callable[..., list[str]]

VOLUME: Tree = {
    "capacity": {"storage": "1Gi"},
    "accessModes": ["ReadWriteOnce"],
    "hostPath": {"path": "/x"},
}
CSI: Tree = {**VOLUME, "csi": {"driver": "d.example.com", "volumeHandle": "h"}}
del CSI["hostPath"]
CLAIM: Tree = {
    "accessModes": ["ReadWriteOnce"],
    "resources": {"requests": {"storage": "1Gi"}},
}
AFFINITY: Tree = {"required": {"nodeSelectorTerms": [{"matchExpressions": []}]}}


def without(spec: Tree, field: str) -> Tree:
    return {key: value for key, value in spec.items() if key != field}


class TestVolume:
    def test_defaults_and_stamps(self, build: Any) -> None:
        tree = build(PersistentVolume, {"spec": VOLUME, "status": {"phase": "Bound"}})
        assert tree["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
        assert tree["spec"]["volumeMode"] == "Filesystem"
        assert tree["spec"]["hostPath"] == {"path": "/x", "type": ""}
        assert tree["status"] == {
            "phase": "Pending",
            "lastPhaseTransitionTime": "2026-01-01T01:00:00Z",
        }

    @pytest.mark.parametrize(
        ("spec", "words"),
        [
            (VOLUME, []),
            (CSI, []),
            ({**without(VOLUME, "hostPath")}, ["spec: Required value: must specify a volume type"]),
            (without(VOLUME, "accessModes"), ["spec.accessModes: Required value"]),
            (
                {**VOLUME, "accessModes": ["ReadWriteOncePod", "ReadOnlyMany"]},
                [
                    "spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access "
                    "modes"
                ],
            ),
            (
                {**VOLUME, "capacity": {"storage": "0"}},
                ['spec.capacity[storage]: Invalid value: "0": must be greater than zero'],
            ),
            (
                {**VOLUME, "csi": CSI["csi"]},
                ["spec.csi: Forbidden: may not specify more than 1 volume type"],
            ),
            (
                {**without(VOLUME, "hostPath"), "local": {"path": "/d"}},
                ["spec.nodeAffinity: Required value: Local volume requires node affinity"],
            ),
            (
                {**without(VOLUME, "hostPath"), "local": {"path": "/d"}, "nodeAffinity": AFFINITY},
                [],
            ),
            (
                {**VOLUME, "nodeAffinity": {}},
                [
                    "spec.nodeAffinity.required: Required value: must specify required node constraints"
                ],
            ),
            (
                {
                    **VOLUME,
                    "hostPath": {"path": "//"},
                    "persistentVolumeReclaimPolicy": "Recycle",
                },
                [
                    "spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a "
                    "hostPath mount of '/'"
                ],
            ),
            (
                {**CSI, "csi": {"driver": "", "volumeHandle": ""}},
                [
                    "spec.csi.driver: Required value",
                    "spec.csi.volumeHandle: Required value",
                ],
            ),
            (
                {**VOLUME, "volumeAttributesClassName": "c"},
                [
                    "spec.csi: Required value: has to be specified when using "
                    "volumeAttributesClassName"
                ],
            ),
            (
                {**VOLUME, "volumeMode": "Tape"},
                [
                    'spec.volumeMode: Unsupported value: "Tape": supported values: "Block", '
                    '"Filesystem"'
                ],
            ),
        ],
    )
    def test_refusals(self, said: Say, spec: Tree, words: list[str]) -> None:
        assert said(PersistentVolume, {"spec": spec}) == words

    def test_where_the_data_is_never_changes(self, said_of_change: Say) -> None:
        def move(tree: Tree) -> None:
            tree["spec"]["hostPath"]["path"] = "/y"

        (error,) = said_of_change(PersistentVolume, {"spec": VOLUME}, move)
        assert error.startswith(
            "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource"
        )

    def test_the_secret_for_growing_may_be_named_once(self, said_of_change: Say) -> None:
        def name(tree: Tree) -> None:
            tree["spec"]["csi"]["controllerExpandSecretRef"] = {"name": "s", "namespace": "n"}

        assert said_of_change(PersistentVolume, {"spec": CSI}, name) == []

    def test_a_class_of_attributes_does_not_go(self, said_of_change: Say) -> None:
        body = {"spec": {**CSI, "volumeAttributesClassName": "c"}}

        def drop(tree: Tree) -> None:
            del tree["spec"]["volumeAttributesClassName"]

        assert said_of_change(PersistentVolume, body, drop) == [
            "spec.volumeAttributesClassName: Forbidden: update from non-nil value to nil is forbidden"
        ]

    def test_the_phase_s_time(self, build: Any, ctx: Any) -> None:
        strategy = STRATEGIES[resource_of(PersistentVolume)]
        old = build(PersistentVolume, {"spec": VOLUME})
        old["status"]["lastPhaseTransitionTime"] = "2025-01-01T00:00:00Z"
        same = {**old, "status": dict(old["status"])}
        strategy.stamp(same, old, ctx)
        assert same["status"]["lastPhaseTransitionTime"] == "2025-01-01T00:00:00Z"
        moved = {**old, "status": {**old["status"], "phase": "Bound"}}
        strategy.stamp(moved, old, ctx)
        assert moved["status"]["lastPhaseTransitionTime"] == "2026-01-01T01:00:00Z"

    def test_row(self, build: Any) -> None:
        spec = {**VOLUME, "claimRef": {"namespace": "n", "name": "c"}, "storageClassName": "s"}
        tree = build(PersistentVolume, {"spec": spec})
        row = STRATEGIES[resource_of(PersistentVolume)].row(tree, NOW)
        assert tuple(row) == (
            "x", "1Gi", "RWO", "Retain", "Pending", "n/c", "s", "<unset>", "", "60m", "Filesystem",
        )  # fmt: skip


class TestClaim:
    @pytest.mark.parametrize(
        ("source", "found"),
        [
            ({"dataSource": {"kind": "PersistentVolumeClaim", "name": "a"}}, True),
            (
                {
                    "dataSource": {
                        "apiGroup": "snapshot.storage.k8s.io",
                        "kind": "VolumeSnapshot",
                        "name": "a",
                    }
                },
                True,
            ),
            ({"dataSource": {"apiGroup": "x.io", "kind": "Foo", "name": "a"}}, False),
            ({"dataSourceRef": {"apiGroup": "x.io", "kind": "Foo", "name": "a"}}, True),
            (
                {"dataSourceRef": {"kind": "PersistentVolumeClaim", "name": "a", "namespace": "n"}},
                False,
            ),
        ],
    )
    def test_sources_say_the_same(self, build: Any, source: Tree, found: bool) -> None:
        spec = build(PersistentVolumeClaim, {"spec": {**CLAIM, **source}})["spec"]
        assert ("dataSource" in spec) == ("dataSourceRef" in spec) == found
        if found:
            assert spec["dataSource"] == spec["dataSourceRef"]

    @pytest.mark.parametrize(
        ("spec", "words"),
        [
            (CLAIM, []),
            (
                {},
                [
                    "spec.accessModes: Required value: at least 1 access mode is required",
                    "spec.resources[storage]: Required value",
                ],
            ),
            (
                {**CLAIM, "resources": {"requests": {"storage": "-1"}}},
                ['spec.resources[storage]: Invalid value: "-1": must be greater than zero'],
            ),
            (
                {**CLAIM, "dataSourceRef": {"kind": "Foo", "name": ""}},
                [
                    "spec.dataSource.name: Required value",
                    "spec.dataSource: Invalid value: \"Foo\": must be 'PersistentVolumeClaim' when "
                    "referencing the default apiGroup",
                    "spec.dataSourceRef.name: Required value",
                    "spec.dataSourceRef: Invalid value: \"Foo\": must be 'PersistentVolumeClaim' "
                    "when referencing the default apiGroup",
                ],
            ),
        ],
    )
    def test_refusals(self, said: Say, spec: Tree, words: list[str]) -> None:
        assert said(PersistentVolumeClaim, {"spec": spec}) == words

    @pytest.mark.parametrize(
        ("change", "fields"),
        [
            ({"volumeName": "v"}, []),
            ({"storageClassName": "s"}, []),
            ({"accessModes": ["ReadWriteMany"]}, ["spec"]),
            ({"volumeMode": "Block"}, ["spec", "volumeMode"]),
            ({"resources": {"requests": {"storage": "2Gi"}}}, ["spec"]),
            ({"resources": {"requests": {"storage": "512Mi"}}}, ["spec"]),
        ],
    )
    def test_an_unbound_claim(self, said_of_change: Say, change: Tree, fields: list[str]) -> None:
        errors = said_of_change(
            PersistentVolumeClaim, {"spec": CLAIM}, lambda tree: tree["spec"].update(change)
        )
        assert [error.partition(":")[0] for error in errors] == fields

    @pytest.mark.parametrize(
        ("size", "words"),
        [
            ("2Gi", []),
            (
                "512Mi",
                [
                    "spec.resources.requests.storage: Forbidden: field can not be less than "
                    "status.capacity"
                ],
            ),
        ],
    )
    def test_a_bound_claim_grows(self, said_of_change: Say, size: str, words: list[str]) -> None:
        def bind(tree: Tree) -> None:
            tree["spec"]["volumeName"] = "v"
            tree["status"] = {"phase": "Bound", "capacity": {"storage": "1Gi"}}

        def resize(tree: Tree) -> None:
            tree["spec"]["resources"] = {"requests": {"storage": size}}

        found = said_of_change(PersistentVolumeClaim, {"spec": CLAIM}, resize, before=bind)
        assert found == words

    def test_status(self, said_of_change: Say) -> None:
        def report(tree: Tree) -> None:
            tree["status"]["capacity"] = {"storage": "-1"}
            tree["status"]["allocatedResourceStatuses"] = {"storage": "Sideways"}

        errors = said_of_change(PersistentVolumeClaim, {"spec": CLAIM}, report, "status")
        assert [error.partition(":")[0] for error in errors] == [
            "status.capacity[storage]",
            "status.allocatedResourceStatus",
        ]

    def test_row(self, build: Any) -> None:
        tree = build(PersistentVolumeClaim, {"spec": {**CLAIM, "storageClassName": "s"}})
        strategy = STRATEGIES[resource_of(PersistentVolumeClaim)]
        assert tuple(strategy.row(tree, NOW)) == (
            "x", "Pending", "", "", "", "s", "<unset>", "60m", "Filesystem",
        )  # fmt: skip
        tree["spec"]["volumeName"] = "v"
        tree["status"] = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadOnlyMany"]}
        assert tuple(strategy.row(tree, NOW))[2:5] == ("v", "1Gi", "ROX")
