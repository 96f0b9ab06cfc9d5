from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.storage import window as window_module
from apiserver.storage.encoder import encode
from apiserver.storage.watchers import Interest, seen
from apiserver.storage.window import HistoryGone, ResourceWindow
from wherry.api.scheme import BY_PLURAL
from wherry.api.selectors import parse_field_selector, parse_label_selector

PODS = BY_PLURAL["", "v1", "pods"]


def node_of(tree: Mapping[str, Any]) -> dict[str, str]:
    return {"spec.nodeName": tree["spec"].get("nodeName", "")}


def stored(name: str, namespace: str = "ns", node: str = "", **labels: str) -> bytes:
    return encode(
        {
            "kind": "Pod",
            "apiVersion": "v1",
            "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "spec": {"nodeName": node},
        }
    )


@pytest.fixture
def window() -> ResourceWindow:
    found = ResourceWindow(PODS, node_of)
    found.reset(10)
    return found


def test_select_is_in_key_order(window: ResourceWindow) -> None:
    places = [("a-b", "x"), ("a", "z"), ("a", "b"), ("b", "a")]
    for revision, (namespace, name) in enumerate(places, 11):
        window.apply(namespace, name, stored(name, namespace), revision, 0.0)
    assert [one.path for one in window.select()] == ["a-b/x", "a/b", "a/z", "b/a"]
    assert [one.path for one in window.select("a")] == ["a/b", "a/z"]
    assert [one.path for one in window.select("a", after="a/b")] == ["a/z"]
    assert [one.path for one in window.select("", after="a/a")] == ["a/b", "a/z", "b/a"]


def test_deleted_shows_the_last_state_at_the_new_revision(window: ResourceWindow) -> None:
    window.apply("ns", "p", stored("p", app="x"), 11, 0.0)
    event = window.apply("ns", "p", None, 12, 0.0)
    assert event is not None
    metadata = orjson.loads(event.current.item)["metadata"]
    assert (event.type, metadata["resourceVersion"], metadata["labels"]) == (
        "DELETED", "12", {"app": "x"},
    )  # fmt: skip
    assert window.get("ns", "p") is None
    assert window.apply("ns", "p", None, 13, 0.0) is None


def test_since_and_its_end(window: ResourceWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_module, "HISTORY_EVENTS_MAX", 3)
    for revision in range(11, 16):
        window.apply("ns", "p", stored("p"), revision, float(revision))
    assert [event.revision for event in window.since(12)] == [13, 14, 15]
    assert window.since(15) == []
    assert window.since(99) == []
    with pytest.raises(HistoryGone) as gone:
        window.since(11)
    assert gone.value.oldest == 12
    window.trim(14.0 + window_module.HISTORY_SECONDS_MAX)
    assert [event.revision for event in window.since(13)] == [14, 15]
    with pytest.raises(HistoryGone):
        window.since(12)


SELECTORS = {
    "label": Interest("", parse_label_selector("app=x")),
    "field": Interest("", None, parse_field_selector("spec.nodeName=n1")),
}
IN, OUT = {"label": {"app": "x"}, "field": {"node": "n1"}}, {"label": {}, "field": {}}


@pytest.mark.parametrize("kind", list(SELECTORS))
@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(None, True, ("ADDED", 12), id="created in"),
        pytest.param(None, False, None, id="created out"),
        pytest.param(False, True, ("ADDED", 12), id="enters"),
        pytest.param(True, True, ("MODIFIED", 12), id="stays in"),
        pytest.param(True, False, ("DELETED", 12), id="leaves"),
        pytest.param(False, False, None, id="stays out"),
        pytest.param(True, None, ("DELETED", 12), id="deleted in"),
        pytest.param(False, None, None, id="deleted out"),
    ],
)
def test_transitions(
    window: ResourceWindow, kind: str, before: bool | None, after: bool | None, expected: Any
) -> None:
    def value(inside: bool | None) -> bytes | None:
        return None if inside is None else stored("p", **(IN if inside else OUT)[kind])

    if before is not None:
        window.apply("ns", "p", value(before), 11, 0.0)
    event = window.apply("ns", "p", value(after), 12, 0.0)
    assert event is not None
    what = seen(event, SELECTORS[kind])
    assert (what and (what[0], what[1].revision)) == expected
    if what is not None:
        assert SELECTORS[kind].matches(what[1])


CHANGES = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["x", "y", None])), max_size=30
)


@given(CHANGES, st.integers(0, 30))
def test_a_watcher_always_ends_with_the_matching_objects(
    changes: list[tuple[str, str | None]], start: int
) -> None:
    """State at a revision + the events seen since = the state now, under any selector."""
    window = ResourceWindow(PODS, node_of)
    window.reset(1)
    interest = Interest("", parse_label_selector("app=x"))
    view: dict[str, int] = {}
    for revision, (name, app) in enumerate(changes, 2):
        if revision - 2 == start:
            view = {one.path: one.revision for one in window.select() if interest.matches(one)}
        value = None if app is None else stored(name, app=app)
        event = window.apply("ns", name, value, revision, 0.0)
        if event is None or revision - 2 < start:
            continue
        what = seen(event, interest)
        if what is None:
            continue
        kind, shown = what
        if kind == "DELETED":
            del view[shown.path]
        else:
            assert (shown.path in view) == (kind == "MODIFIED")
            view[shown.path] = shown.revision
    if start < len(changes):
        now = {one.path: one.revision for one in window.select() if interest.matches(one)}
        assert view == now


def test_an_expected_write_is_indexed_as_if_it_were_parsed(window: ResourceWindow) -> None:
    value = stored("a", node="n", app="web")
    window.expect("ns", "a", value, orjson.loads(value))
    window.apply("ns", "a", value, 11, 0.0)
    expected = window.get("ns", "a")
    window.apply("ns", "a", value, 11, 0.0)  # nobody expects it any more: parsed
    parsed = window.get("ns", "a")
    assert expected is not None
    assert parsed is not None
    assert (expected.item, expected.labels, expected.fields) == (
        parsed.item, parsed.labels, parsed.fields,
    )  # fmt: skip


def test_what_came_instead_of_the_expected_is_parsed(window: ResourceWindow) -> None:
    mine, theirs = stored("a", app="mine"), stored("a", app="theirs")
    window.expect("ns", "a", mine, orjson.loads(mine))
    window.apply("ns", "a", theirs, 11, 0.0)
    found = window.get("ns", "a")
    assert found is not None
    assert found.labels == {"app": "theirs"}


def test_expectations_are_bounded(window: ResourceWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_module, "EXPECTED_MAX", 2)
    for name in "abc":
        value = stored(name, app=name)
        window.expect("ns", name, value, orjson.loads(value))
    assert len(window._expected) == 2
    window.apply("ns", "a", stored("a", app="a"), 11, 0.0)
    found = window.get("ns", "a")
    assert found is not None
    assert found.labels == {"app": "a"}
