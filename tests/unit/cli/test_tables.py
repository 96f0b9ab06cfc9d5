"""Tables as text."""

import pytest

from cli.tables import TableText, align, cell_text

COLUMNS = [
    {"name": "Name", "priority": 0},
    {"name": "Ready", "priority": 0},
    {"name": "Node", "priority": 1},
]


def table(*rows, columns=COLUMNS):
    return {
        "columnDefinitions": columns,
        "rows": [
            {"cells": cells, "object": {"metadata": {"namespace": "ns", "labels": {"b": "2", "a": "1"}}}}
            for cells in rows
        ],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({}, ["NAME    READY", "web-1   1/1"], id="plain"),
        pytest.param({"wide": True}, ["NAME    READY   NODE", "web-1   1/1     n1"], id="wide"),
        pytest.param({"headers": False}, ["web-1   1/1"], id="no headers"),
        pytest.param(
            {"with_namespace": True},
            ["NAMESPACE   NAME    READY", "ns          web-1   1/1"],
            id="all namespaces",
        ),
        pytest.param(
            {"with_kind": "pod"}, ["NAME        READY", "pod/web-1   1/1"], id="several kinds"
        ),
        pytest.param(
            {"with_labels": True},
            ["NAME    READY   LABELS", "web-1   1/1     a=1,b=2"],
            id="labels",
        ),
    ],
)
def test_lines(options, expected):
    assert TableText(**options).lines(table(["web-1", "1/1", "n1"])) == expected


def test_a_watch_goes_on_without_head_and_as_wide():
    printer = TableText()
    printer.lines(table(["a-long-name", "1/1", ""]))
    assert printer.lines(table(["b", "0/1", ""])) == ["b             0/1"]
    assert printer.lines(table(["c", "0/1", ""], columns=[])) == ["c             0/1"]


def test_columns_are_at_least_six_wide():
    assert align([["a", "b"], [], ["c", "d"]]) == ["a     b", "", "c     d"]


@pytest.mark.parametrize(
    ("value", "text"), [(None, "<none>"), (True, "true"), (3, "3"), ("a\nb", "a..."), ("", "")]
)
def test_cells(value, text):
    assert cell_text(value) == text
