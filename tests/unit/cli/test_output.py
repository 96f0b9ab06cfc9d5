"""Objects as yaml, json, names; a few words as objects."""

import pytest

from cli import output as out
from cli.errors import CliError
from cli.pods import selector_text
from cli.verbs.create import deployment_tree, entries

TREE = {"kind": "ConfigMap", "metadata": {"name": "a", "managedFields": [1]}, "data": {"x": "1\n2\n", "on": "yes"}}  # fmt: skip


def test_yaml():
    assert out.to_yaml(out.without_managed_fields(TREE)) == (
        'data:\n  "on": "yes"\n  x: |\n    1\n    2\nkind: ConfigMap\nmetadata:\n  name: a'
    )


def test_json():
    assert out.to_json({"b": [1], "a": "ä"}) == '{\n    "a": "ä",\n    "b": [\n        1\n    ]\n}'


def test_name():
    assert out.text_of(TREE, "name", "configmap") == "configmap/a"


def test_unknown_formats_are_refused():
    out.check_format("wide")
    with pytest.raises(CliError, match='suitable for the output format "xml"'):
        out.check_format("xml")


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        ({"matchLabels": {"b": "2", "a": "1"}}, "a=1,b=2"),
        (
            {"matchExpressions": [{"key": "k", "operator": "In", "values": ["x", "y"]}]},
            "k in (x,y)",
        ),
        ({"matchExpressions": [{"key": "k", "operator": "NotIn", "values": ["x"]}]}, "k notin (x)"),
        ({"matchExpressions": [{"key": "k", "operator": "Exists"}]}, "k"),
        ({"matchExpressions": [{"key": "k", "operator": "DoesNotExist"}]}, "!k"),
    ],
)
def test_selectors(selector, text):
    assert selector_text(selector) == text


def test_entries(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"1")
    found = entries(
        ["k=v=w"], [str(tmp_path / "a.txt"), f"named={tmp_path / 'a.txt'}", str(tmp_path)]
    )
    assert list(found) == [("k", b"v=w"), ("a.txt", b"1"), ("named", b"1"), ("a.txt", b"1")]


@pytest.mark.parametrize(("literals", "paths"), [(["novalue"], []), ([], ["/nonexistent/x"])])
def test_entries_refused(literals, paths):
    with pytest.raises(CliError):
        list(entries(literals, paths))


def test_a_deployment_of_a_few_words():
    tree = deployment_tree("web", ["registry:5000/team/my_app:1.2@sha256:0"], 2, 80)
    (container,) = tree["spec"]["template"]["spec"]["containers"]
    assert container["name"] == "my-app"
    assert container["ports"] == [{"containerPort": 80}]
    assert tree["spec"]["selector"]["matchLabels"] == tree["spec"]["template"]["metadata"]["labels"]
