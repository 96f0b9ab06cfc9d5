"""Environment files that a container left in a volume (`valueFrom.fileKeyRef`). Pure.

A subset of the shell's own syntax: `NAME='value'`, taken literally and perhaps over several lines;
comments, blank lines. Anything else is an error, so that a file never means two things.

Source: upstream's pkg/kubelet/util/env (ParseEnv).
"""

from __future__ import annotations

from collections.abc import Iterator


class EnvFileError(ValueError):
    """The text is no environment file."""


def variables(text: str) -> Iterator[tuple[str, str]]:
    """Name and value of each line in turn; EnvFileError at the first that is wrong."""
    lines = iter(enumerate(text.splitlines(), 1))
    for number, line in lines:
        stripped = line.lstrip(" \t")
        if not stripped or stripped.startswith("#"):
            continue
        name, equals, rest = stripped.partition("=")
        if not equals:
            raise _wrong(number, "missing '='")
        if not name.strip(" \t"):
            raise _wrong(number, "empty variable name")
        if name != name.strip(" \t"):
            raise _wrong(number, "whitespace before '='")
        yield name, _value(number, rest, lines)


def _value(number: int, rest: str, lines: Iterator[tuple[int, str]]) -> str:
    if not rest or rest[0] in " \t":
        return ""  # as a shell reads `NAME= 'x'`
    if rest[0] != "'":
        raise _wrong(number, "value must be enclosed in single quotes")
    text = rest[1:]
    while "'" not in text:
        following = next(lines, None)
        if following is None:
            raise _wrong(number, "unterminated single quote")
        text += "\n" + following[1]
    value, _, after = text.partition("'")
    tail = after.strip(" \t")
    if tail and not tail.startswith("#"):
        raise _wrong(number, "unexpected content after closing quote")
    return value


def _wrong(number: int, why: str) -> EnvFileError:
    return EnvFileError(f"invalid environment variable format at line {number}: {why}")
