"""Files of objects."""

import pytest

from cli.errors import CliError
from cli.manifests import files, parse

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        pytest.param(POD, ["a"], id="one"),
        pytest.param(f"---\n{POD}---\n---\n# nothing\n---\n{POD.replace('a}', 'b}')}", ["a", "b"], id="several"),
        pytest.param('{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}', ["a"], id="json"),
        pytest.param(
            "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: a}}",
            ["a"],
            id="list",
        ),
        pytest.param("", [], id="empty"),
    ],
)  # fmt: skip
def test_parse(text, names):
    assert [tree["metadata"]["name"] for tree in parse(text, "f")] == names


def test_a_date_stays_a_text():
    (tree,) = parse(POD + "data: {day: 2026-11-21, yes: on}", "f")
    assert tree["data"]["day"] == "2026-11-21"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: b: c", "error parsing f: yaml: line 1, column 5"),
        ("a: 1\n b: 2", "error parsing f: yaml: line 2, column 3"),
        ("just words", "an object is expected"),
        ("kind: Pod", "error validating f: apiVersion not set"),
        ("apiVersion: v1", "error validating f: kind not set"),
    ],
)
def test_refused(text, message):
    with pytest.raises(CliError, match=message):
        parse(text, "f")


def test_folders_and_files(tmp_path):
    for name in ("b.yaml", "a.json", "note.txt", "deep/c.yml"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    assert [text for _, text in files([str(tmp_path)], recursive=False)] == ["a.json", "b.yaml"]
    assert [text for _, text in files([str(tmp_path)], recursive=True)] == [
        "a.json", "b.yaml", "deep/c.yml",
    ]  # fmt: skip
    assert [text for _, text in files([str(tmp_path / "note.txt")], recursive=False)] == [
        "note.txt"
    ]


@pytest.mark.parametrize("name", ["missing.yaml", "https://example.test/x.yaml"])
def test_files_refused(name):
    with pytest.raises(CliError):
        list(files([name], recursive=False))
