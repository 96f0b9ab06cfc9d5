"""Volumes grow with their claims, if they are ours."""

from __future__ import annotations

import pytest

from controller_manager.plan import NOTHING, Emit, Patch
from controller_manager.volumeexpander.plan import WAITING, plan_growth
from wherry.api.core_v1 import PersistentVolume, PersistentVolumeClaim
from wherry.api.volumes import LOCAL_PATH, PROVISIONED_BY


def claim(size="2Gi", phase="Bound", **metadata):
    return PersistentVolumeClaim.from_wire(
        {
            "metadata": {"name": "data", "namespace": "ns", "uid": "c1", **metadata},
            "spec": {"volumeName": "v", "resources": {"requests": {"storage": size}}},
            "status": {"phase": phase},
        }
    )


def volume(size="1Gi", by=LOCAL_PATH, uid="c1"):
    return PersistentVolume.from_wire(
        {
            "metadata": {"name": "v", "resourceVersion": "5", "annotations": {PROVISIONED_BY: by}},
            "spec": {
                "capacity": {"storage": size},
                "claimRef": {"namespace": "ns", "name": "data", "uid": uid},
            },
        }
    )


def test_a_folder_of_ours_grows():
    patch, told = plan_growth(claim(), volume()).actions
    assert isinstance(patch, Patch)
    assert patch.patch["spec"] == {"capacity": {"storage": "2Gi"}}
    assert (told.reason, told.about.metadata.name) == ("VolumeResizeSuccessful", "data")


def test_anothers_volume_is_waited_for_in_upstreams_words():
    (told,) = plan_growth(claim(), volume(by="csi.example.com")).actions
    assert isinstance(told, Emit)
    assert (told.type, told.reason, told.message) == ("Normal", "ExternalExpanding", WAITING)


@pytest.mark.parametrize(
    ("wish", "held"),
    [
        pytest.param(claim("1Gi"), volume(), id="it has that"),
        pytest.param(claim("1024Mi"), volume(), id="in other words"),
        pytest.param(claim("512Mi"), volume(), id="less"),
        pytest.param(claim(phase="Pending"), volume(), id="not bound"),
        pytest.param(claim(), volume(uid="c2"), id="another claim's"),
        pytest.param(claim(deletionTimestamp="2026-01-01T00:00:00Z"), volume(), id="it goes"),
        pytest.param(claim(), None, id="no volume"),
        pytest.param(None, None, id="no claim"),
    ],
)
def test_nothing_to_grow(wish, held):
    assert plan_growth(wish, held) is NOTHING
