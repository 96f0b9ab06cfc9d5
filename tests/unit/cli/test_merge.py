"""What apply sends."""

import json

import pytest

from cli.merge import LAST_APPLIED, changes_nothing, last_applied, three_way, with_last_applied


def deployment(image="a:1", replicas=None, **more):
    spec = {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}
    if replicas is not None:
        spec["replicas"] = replicas
    return {
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "ns", **more}, "spec": spec,
    }  # fmt: skip


def applied(tree, **live):
    """The object as it lives after `tree` was applied."""
    made = with_last_applied(tree)
    return {**made, **live, "metadata": {**made["metadata"], "resourceVersion": "1"}}


def test_the_note_holds_the_object_without_the_note():
    noted = with_last_applied(deployment(annotations={"a": "1"}))
    assert noted["metadata"]["annotations"]["a"] == "1"
    text = noted["metadata"]["annotations"][LAST_APPLIED]
    assert text.endswith("}\n")
    assert json.loads(text) == deployment(annotations={"a": "1"})
    assert with_last_applied(noted) == noted


@pytest.mark.parametrize("note", [None, "", "not json", "[]"])
def test_a_broken_note_is_none(note):
    annotations = {} if note is None else {LAST_APPLIED: note}
    assert last_applied({"metadata": {"annotations": annotations}}) is None


def test_the_same_again_changes_nothing():
    current = applied(deployment())
    patch, strategic = three_way(last_applied(current), with_last_applied(deployment()), current)
    assert (patch, strategic) == ({}, True)


def test_what_others_set_stays_and_what_we_no_longer_say_goes():
    current = applied(deployment(replicas=3))
    current["spec"]["minReadySeconds"] = 7  # someone else's
    wanted = with_last_applied(deployment("a:2"))
    patch, _ = three_way(last_applied(current), wanted, current)
    assert patch["spec"]["replicas"] is None
    assert "minReadySeconds" not in patch["spec"]
    (container,) = patch["spec"]["template"]["spec"]["containers"]
    assert container == {"name": "c", "image": "a:2"}


def test_kinds_of_others_are_merged_as_json():
    def custom(**spec):
        return {"apiVersion": "x.io/v1", "kind": "X", "metadata": {"name": "x"}, "spec": spec}

    current = applied(custom(a=1, gone=2, list=[1, 2]))
    current["spec"]["theirs"] = 3
    patch, strategic = three_way(last_applied(current), custom(a=5, list=[1]), current)
    assert not strategic
    assert patch["spec"] == {"a": 5, "gone": None, "list": [1]}


@pytest.mark.parametrize(
    ("patch", "expected"), [({"a": None}, True), ({"b": 1}, True), ({"b": 2}, False)]
)
def test_deleting_what_is_not_there_changes_nothing(patch, expected):
    assert changes_nothing({"b": 1}, patch) is expected
