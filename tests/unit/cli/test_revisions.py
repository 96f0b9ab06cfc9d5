"""Rollouts: progress, history, the way back."""

import pytest

from cli.errors import CliError
from cli.revisions import REVISION, owned, progress, rollback_patch


def deployment(image="a:2", revision=2, wanted=3, generation=1, conditions=(), **status):
    return {
        "metadata": {
            "name": "web", "uid": "d1", "generation": generation,
            "annotations": {REVISION: str(revision), "note": "mine"},
        },
        "spec": {"replicas": wanted, "template": template(image)},
        "status": {"observedGeneration": 1, "conditions": list(conditions), **status},
    }  # fmt: skip


def template(image, **labels):
    return {
        "metadata": {"labels": {"app": "web", **labels}},
        "spec": {"containers": [{"name": "c", "image": image}]},
    }


def replica_set(revision, image, owner="d1"):
    return {
        "metadata": {
            "name": f"web-{revision}", "annotations": {REVISION: str(revision), "why": image},
            "ownerReferences": [{"uid": owner, "controller": True}],
        },
        "spec": {"template": template(image, **{"pod-template-hash": image})},
    }  # fmt: skip


HEAD = 'Waiting for deployment "web" rollout to finish:'


@pytest.mark.parametrize(
    ("tree", "text", "done"),
    [
        pytest.param(
            deployment(generation=2), "Waiting for deployment spec update to be observed...", False,
            id="not seen",
        ),
        pytest.param(
            deployment(updatedReplicas=1), f"{HEAD} 1 out of 3 new replicas have been updated...",
            False, id="updating",
        ),
        pytest.param(
            deployment(updatedReplicas=3, replicas=4),
            f"{HEAD} 1 old replicas are pending termination...", False, id="old ones left",
        ),
        pytest.param(
            deployment(updatedReplicas=3, availableReplicas=2),
            f"{HEAD} 2 of 3 updated replicas are available...", False, id="not all available",
        ),
        pytest.param(
            deployment(updatedReplicas=3, availableReplicas=3),
            'deployment "web" successfully rolled out', True, id="done",
        ),
    ],
)  # fmt: skip
def test_progress(tree, text, done):
    assert progress(tree) == (text, done)


def test_a_rollout_that_takes_too_long_has_failed():
    late = {"type": "Progressing", "reason": "ProgressDeadlineExceeded"}
    with pytest.raises(CliError, match="exceeded its progress deadline"):
        progress(deployment(conditions=[late]))


SETS = [replica_set(2, "a:2"), replica_set(1, "a:1"), replica_set(7, "x", owner="other")]


def test_only_its_own_replica_sets_are_its_history():
    assert list(owned(SETS, deployment())) == [1, 2]


@pytest.mark.parametrize("to", [0, 1])
def test_back_to_the_one_before(to):
    operations = rollback_patch(deployment(), owned(SETS, deployment()), to)
    assert operations[0] == {"op": "replace", "path": "/spec/template", "value": template("a:1")}
    assert operations[1]["value"] == {REVISION: "2", "why": "a:1"}


def test_the_current_template_needs_no_way_back():
    assert rollback_patch(deployment(), owned(SETS, deployment()), 2) is None


@pytest.mark.parametrize(("sets", "to"), [(SETS, 9), (SETS[:1], 0), ([], 0)])
def test_no_way_back(sets, to):
    with pytest.raises(CliError):
        rollback_patch(deployment(), owned(sets, deployment()), to)
