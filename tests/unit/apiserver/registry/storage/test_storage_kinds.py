"""The storage and node groups: defaults, refusals, what is for life, rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from apiserver.registry.strategies import STRATEGIES
from wherry.api.model import TypedModel
from wherry.api.node_v1 import RuntimeClass
from wherry.api.scheme import resource_of
from wherry.api.storage_v1 import (
    CSIDriver,
    CSINode,
    CSIStorageCapacity,
    StorageClass,
    VolumeAttachment,
    VolumeAttributesClass,
)

NOW = datetime(2026, 1, 1, 1, tzinfo=UTC)
Tree = dict[str, Any]
Say = Callable[..., list[str]]

NODE: Tree = {"drivers": [{"name": "d", "nodeID": "n", "topologyKeys": ["a.io/b"]}]}
ATTACHMENT: Tree = {"attacher": "d", "nodeName": "n", "source": {"persistentVolumeName": "p"}}


@pytest.mark.parametrize(
    ("model", "body", "words"),
    [
        (StorageClass, {"provisioner": "a.io/b"}, []),
        (StorageClass, {}, ["provisioner: Required value"]),
        (
            StorageClass,
            {"provisioner": "x", "reclaimPolicy": "Recycle", "volumeBindingMode": "Soon"},
            [
                'reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"',
                'volumeBindingMode: Unsupported value: "Soon": supported values: "Immediate", '
                '"WaitForFirstConsumer"',
            ],
        ),
        (
            StorageClass,
            {"provisioner": "x", "parameters": {"": "v"}},
            ['parameters: Invalid value: "": field can not be empty.'],
        ),
        (
            StorageClass,
            {
                "provisioner": "x",
                "allowedTopologies": [
                    {"matchLabelExpressions": [{"key": "k", "values": ["a"]}]},
                    {"matchLabelExpressions": [{"key": "k", "values": ["a"]}]},
                ],
            },
            ['allowedTopologies[1].matchLabelExpressions: Duplicate value: ""'],
        ),
        (
            VolumeAttributesClass,
            {"driverName": "d"},
            ["parameters: Required value: must contain at least one key/value pair"],
        ),
        (VolumeAttributesClass, {"driverName": "d", "parameters": {"a": "b"}}, []),
        (CSIDriver, {"spec": {}}, []),
        (
            CSIDriver,
            {
                "spec": {
                    "volumeLifecycleModes": ["Always"],
                    "nodeAllocatableUpdatePeriodSeconds": 9,
                    "tokenRequests": [
                        {"audience": "a", "expirationSeconds": 599},
                        {"audience": "a"},
                    ],
                }
            },
            [
                "spec.tokenRequests[0].expirationSeconds: Invalid value: 599: may not specify a "
                "duration less than 10 minutes",
                'spec.tokenRequests[1].audience: Duplicate value: "a"',
                'spec.volumeLifecycleModes: Unsupported value: "Always": supported values: '
                '"Persistent", "Ephemeral"',
                "spec.nodeAllocatableUpdatePeriodSeconds: Invalid value: 9: must be greater than or "
                "equal to 10 seconds",
            ],
        ),
        (CSINode, {"spec": NODE}, []),
        (
            CSINode,
            {"spec": {"drivers": [{"name": "d", "nodeID": "", "allocatable": {"count": -1}}]}},
            [
                "spec.drivers[0].nodeID: Required value",
                "spec.drivers[0].allocatable.count: Invalid value: -1: must be greater than or "
                "equal to 0",
            ],
        ),
        (
            CSIStorageCapacity,
            {"storageClassName": "s", "capacity": "-1"},
            ['capacity: Invalid value: "-1": must be greater than or equal to 0'],
        ),
        (VolumeAttachment, {"spec": ATTACHMENT}, []),
        (
            VolumeAttachment,
            {
                "spec": {
                    **ATTACHMENT,
                    "source": {"inlineVolumeSpec": {"capacity": {"storage": "1"}}},
                }
            },
            [
                "spec.source.inlineVolumeSpec.capacity: Forbidden: may not be specified in the "
                "context of inline volumes",
                "spec.source.inlineVolumeSpec.csi: Required value: has to be specified in the "
                "context of inline volumes",
                "spec.source.inlineVolumeSpec.accessModes: Required value",
                "spec.source.inlineVolumeSpec: Required value: must specify a volume type",
            ],
        ),
        (RuntimeClass, {"handler": "runc", "overhead": {"podFixed": {"cpu": "10m"}}}, []),
        (RuntimeClass, {}, ["handler: Required value"]),
        (
            RuntimeClass,
            {
                "handler": "h",
                "scheduling": {"tolerations": [{"operator": "Exists"}, {"operator": "Exists"}]},
            },
            ['scheduling.tolerations[1]: Duplicate value: {"operator":"Exists"}'],
        ),
    ],
)
def test_refusals(said: Say, model: type[TypedModel], body: Tree, words: list[str]) -> None:
    assert said(model, body) == words


@pytest.mark.parametrize(
    ("model", "body", "change", "fields"),
    [
        (StorageClass, {"provisioner": "a"}, {"provisioner": "b"}, ["provisioner"]),
        (StorageClass, {"provisioner": "a"}, {"allowVolumeExpansion": True}, []),
        (StorageClass, {"provisioner": "a"}, {"reclaimPolicy": "Retain"}, ["reclaimPolicy"]),
        (
            VolumeAttributesClass,
            {"driverName": "d", "parameters": {"a": "b"}},
            {"parameters": {"a": "c"}},
            ["parameters"],
        ),
        (CSIStorageCapacity, {"storageClassName": "s"}, {"capacity": "1Gi"}, []),
        (
            CSIStorageCapacity,
            {"storageClassName": "s"},
            {"storageClassName": "t"},
            ["storageClassName"],
        ),
        (RuntimeClass, {"handler": "a"}, {"handler": "b"}, ["handler"]),
        (
            VolumeAttachment,
            {"spec": ATTACHMENT},
            {"spec": {**ATTACHMENT, "nodeName": "other"}},
            ["spec"],
        ),
        (
            CSINode,
            {"spec": NODE},
            {"spec": {"drivers": [{**NODE["drivers"][0], "allocatable": {"count": 1}}]}},
            [],
        ),
        (
            CSINode,
            {"spec": NODE},
            {"spec": {"drivers": [{**NODE["drivers"][0], "nodeID": "m"}]}},
            ["spec.drivers"],
        ),
    ],
)
def test_what_is_for_life(
    said_of_change: Say, model: type[TypedModel], body: Tree, change: Tree, fields: list[str]
) -> None:
    errors = said_of_change(model, body, lambda tree: tree.update(change))
    assert [error.partition(":")[0] for error in errors] == fields


def test_a_driver_s_changes_are_counted(build: Any) -> None:
    strategy = STRATEGIES[resource_of(CSIDriver)]
    old = build(CSIDriver, {"spec": {}})
    new = {**old, "metadata": dict(old["metadata"]), "spec": {**old["spec"]}}
    strategy.prepare_for_update(new, old)
    assert "generation" not in new["metadata"]
    new["spec"]["requiresRepublish"] = True
    strategy.prepare_for_update(new, old)
    assert new["metadata"]["generation"] == 1
    new["spec"]["attachRequired"] = False
    errors = [str(one) for one in strategy.validate_update(new, old)]
    assert errors == ["spec.attachedRequired: Invalid value: false: field is immutable"]


def test_an_attachment_s_status_is_the_driver_s(said_of_change: Say, build: Any) -> None:
    tree = build(VolumeAttachment, {"spec": ATTACHMENT, "status": {"attached": True}})
    assert tree["status"] == {"attached": False}

    def fail(tree: Tree) -> None:
        tree["status"]["attachError"] = {"message": "m" * 1025, "errorCode": -1}

    errors = said_of_change(VolumeAttachment, {"spec": ATTACHMENT}, fail, "status")
    assert [error.partition(":")[0] for error in errors] == [
        "status.attachError.message",
        "status.attachError.errorCode",
    ]


@pytest.mark.parametrize(
    ("model", "body", "cells"),
    [
        (
            StorageClass,
            {
                "metadata": {
                    "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}
                },
                "provisioner": "p",
            },
            ("x (default)", "p", "Delete", "Immediate", False, "60m"),
        ),
        (
            CSIDriver,
            {"spec": {"tokenRequests": [{"audience": "a"}, {"audience": "b"}]}},
            ("x", True, False, False, "a,b", False, "Persistent", "60m"),
        ),
        (CSINode, {"spec": NODE}, ("x", 1, "60m")),
        (VolumeAttachment, {"spec": ATTACHMENT}, ("x", "d", "p", "n", False, "60m")),
        (VolumeAttributesClass, {"driverName": "d"}, ("x", "d", "60m")),
        (RuntimeClass, {"handler": "h"}, ("x", "h", "60m")),
    ],
)
def test_rows(build: Any, model: type[TypedModel], body: Tree, cells: tuple[Any, ...]) -> None:
    assert tuple(STRATEGIES[resource_of(model)].row(build(model, body), NOW)) == cells
