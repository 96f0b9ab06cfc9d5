"""Command lines read quickly, and those left to typer."""

from typing import Annotated

import pytest

from cli.errors import CliError
from cli.options import Argument, Option, duration_seconds, parameters, read, verb_first


def verb(
    session: object,
    words: Annotated[list[str], Argument("WORDS")],
    output: Annotated[str, Option("-o", "--output")] = "",
    count: Annotated[int, Option("--count")] = 1,
    interactive: Annotated[bool, Option("-i", "--stdin")] = False,
    tty: Annotated[bool, Option("-t", "--tty")] = False,
    wait: Annotated[bool, Option("--wait/--no-wait")] = True,
    file: Annotated[list[str] | None, Option("-f", "--filename")] = None,
) -> None:
    """A verb."""


DEFAULTS = {
    "output": "", "count": 1, "interactive": False, "tty": False, "wait": True, "file": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param("a b", {"words": ["a", "b"]}, id="words"),
        pytest.param("a -o yaml", {"words": ["a"], "output": "yaml"}, id="short, apart"),
        pytest.param("-oyaml a", {"words": ["a"], "output": "yaml"}, id="short, together"),
        pytest.param("a -o=yaml", {"words": ["a"], "output": "yaml"}, id="short, equals"),
        pytest.param("a --output=a=b", {"words": ["a"], "output": "a=b"}, id="long, equals"),
        pytest.param("a --count 3", {"words": ["a"], "count": 3}, id="number"),
        pytest.param("a --count -1", {"words": ["a"], "count": -1}, id="negative number"),
        pytest.param(
            "a -it -- ls -l --count",
            {"words": ["a", "ls", "-l", "--count"], "interactive": True, "tty": True},
            id="flags together; nothing is a flag after --",
        ),
        pytest.param("a --no-wait", {"words": ["a"], "wait": False}, id="opposite"),
        pytest.param("a --wait=false", {"words": ["a"], "wait": False}, id="false"),
        pytest.param("a --no-wait=false", {"words": ["a"], "wait": True}, id="not not"),
        pytest.param("a -f x -f -", {"words": ["a"], "file": ["x", "-"]}, id="repeated"),
    ],
)
def test_read(line, expected):
    assert read(parameters(verb), line.split()) == {**DEFAULTS, **expected}


@pytest.mark.parametrize(
    "line",
    ["", "a --help", "a -h", "a --unknown", "a -o", "a --count x", "a --wait=maybe", "a -ix"],
)
def test_what_is_not_plain_is_left_to_typer(line):
    assert read(parameters(verb), line.split()) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("15", 15), ("5s", 5), ("1m30s", 90), ("2h", 7200), ("0.5s", 0.5), ("3m", 180)],
)
def test_durations(text, seconds):
    assert duration_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "x", "5 s", "5d", "s"])
def test_not_durations(text):
    with pytest.raises(CliError, match="invalid duration"):
        duration_seconds(text)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("get pods", "get pods"),
        ("-n a get pods", "get -n a pods"),
        ("-na --server=x get pods -o yaml", "get -na --server=x pods -o yaml"),
        ("-h", "-h"),
        ("", ""),
    ],
)
def test_flags_before_the_verb(line, expected):
    assert verb_first(line.split()) == expected.split()
