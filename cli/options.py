"""How a verb says what it takes: `Annotated[str, Option("-o", "--output", help=...)]`.

One declaration serves two readers: typer (help, errors, completion of what people mistype; see
`front.py`) and the quick reader here. The quick one takes any well-formed command line in
microseconds where importing and building the other costs a fifth of a second; whatever it does not
understand it leaves to typer.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import NoneType, UnionType
from typing import Annotated, Any, get_args, get_origin

from cli.errors import CliError

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?")


class Exit(Exception):
    """End the command with this code; all has been said."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Option:
    """A flag's spellings: "-w", "--watch", or with an opposite "--wait/--no-wait"."""

    def __init__(self, *flags: str, help: str = "") -> None:
        assert flags, "an option has a spelling"
        self.flags = flags
        self.help = help


class Argument:
    """The words that are no flags; `metavar` is what help calls them."""

    def __init__(self, metavar: str) -> None:
        self.metavar = metavar


@dataclass(frozen=True)
class Parameter:
    """One parameter of a verb."""

    name: str
    type: Any  # str, int, float, bool or list[str]
    declared: Option | Argument
    default: Any = inspect.Parameter.empty

    @cached_property
    def spellings(self) -> dict[str, bool]:
        """Each spelling of a flag → False when it is the opposite."""
        if isinstance(self.declared, Argument):
            return {}
        found = {}
        for flag in self.declared.flags:
            yes, _, no = flag.partition("/")
            found[yes] = True
            if no:
                found[no] = False
        return found

    @property
    def is_list(self) -> bool:
        return get_origin(self.type) is list


def parameters(verb: Callable[..., object]) -> list[Parameter]:
    """What a verb declares, without its Session."""
    found = []
    for one in inspect.signature(verb, eval_str=True).parameters.values():
        if get_origin(one.annotation) is Annotated:
            kind, declared = get_args(one.annotation)
            if isinstance(kind, UnionType):  # `int | None`: not given is None
                kind = next(each for each in get_args(kind) if each is not NoneType)
            found.append(Parameter(one.name, kind, declared, one.default))
    return found


class _NotUnderstood(Exception):
    """For the slow reader."""


def read(declared: Sequence[Parameter], words: Sequence[str]) -> dict[str, Any] | None:
    """The values that the words give; None when typer had better look at them (help, mistakes)."""
    values: dict[str, Any] = {}
    flags = {spelling: one for one in declared for spelling in one.spellings}
    rest: list[str] = []
    left = list(words)
    try:
        while left:
            word = left.pop(0)
            if word == "--":
                rest += left
                break
            if word == "-" or not word.startswith("-"):
                rest.append(word)
            elif word.startswith("--"):
                name, equals, value = word.partition("=")
                _take(_flag(flags, name), name, value if equals else None, left, values)
            else:
                _short(flags, word, left, values)
        _arguments(declared, rest, values)
    except (_NotUnderstood, ValueError):
        return None
    return values


def verb_first(words: Sequence[str]) -> list[str]:
    """The same with flags that stand before the first plain word moved behind it.

    Only for flags that all take a value, as those before a verb do.
    """
    index = 0
    while index < len(words) and words[index].startswith("-"):
        word = words[index]
        together = "=" in word or (not word.startswith("--") and len(word) > 2)
        index += 1 if together else 2
    return [*words[index : index + 1], *words[:index], *words[index + 1 :]]


def _flag(flags: dict[str, Parameter], name: str) -> Parameter:
    if name not in flags:
        raise _NotUnderstood
    return flags[name]


def _short(flags: dict[str, Parameter], word: str, left: list[str], values: dict[str, Any]) -> None:
    """`-it`, `-o yaml`, `-oyaml`, `-o=yaml`."""
    for index in range(1, len(word)):
        name = f"-{word[index]}"
        one = _flag(flags, name)
        tail = word[index + 1 :]
        if one.type is bool and not tail.startswith("="):
            values[one.name] = one.spellings[name]
            continue
        _take(one, name, tail.removeprefix("=") if tail else None, left, values)
        return


def _take(
    one: Parameter, name: str, value: str | None, left: list[str], values: dict[str, Any]
) -> None:
    """Give a flag its value: the one after `=`, or the next word."""
    if one.type is bool:
        if value not in (None, "true", "false"):
            raise _NotUnderstood
        values[one.name] = one.spellings[name] is (value != "false")
        return
    if value is None:
        if not left:
            raise _NotUnderstood
        value = left.pop(0)
    if one.is_list:
        values.setdefault(one.name, []).append(value)
    else:
        values[one.name] = one.type(value)


def _arguments(declared: Sequence[Parameter], rest: list[str], values: dict[str, Any]) -> None:
    """Words in the order of the arguments, a list taking what is left; then defaults."""
    for one in declared:
        if isinstance(one.declared, Argument) and rest:
            values[one.name] = rest if one.is_list else rest[0]
            rest = [] if one.is_list else rest[1:]
    if rest:
        raise _NotUnderstood
    for one in declared:
        if one.name not in values:
            if one.default is inspect.Parameter.empty:
                raise _NotUnderstood
            values[one.name] = one.default


def duration_seconds(text: str) -> float:
    """`90s`, `1m30s`, `2h`, or plain seconds; CliError for anything else."""
    if text.isdigit():
        return float(text)
    found = _DURATION.fullmatch(text)
    if found is None or not any(found.groups()):
        raise CliError(f'invalid duration "{text}": use a form such as 30s, 5m or 1h30m')
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds
