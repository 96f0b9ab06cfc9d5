"""Command-line flags as upstream's daemons take them.

`--name=value` and `--name value`; a boolean may stand alone or carry a value (`--leader-elect=false`);
durations are Go's (`1m30s`, `500ms`); lists are comma-separated and may be repeated; maps are
`k=v,k2=v2`. Prefixes are not guessed. A wrong flag is one clear line and exit code 2.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_TRUE = frozenset({"1", "t", "true"})
_FALSE = frozenset({"0", "f", "false"})


def parse_duration(text: str) -> float:
    """Seconds of a Go duration; ValueError when it is none."""
    sign, rest = (-1.0, text[1:]) if text.startswith("-") else (1.0, text.removeprefix("+"))
    if rest == "0":
        return 0.0
    parts = _PART.findall(rest)
    if not parts or "".join(number + unit for number, unit in parts) != rest:
        raise ValueError(f"invalid duration {text!r} (say 30s, 1m30s or 500ms)")
    return sign * sum(float(number) * _UNITS[unit] for number, unit in parts)


def parse_bool(text: str) -> bool:
    """A Go boolean; ValueError when it is none."""
    word = text.lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError(f"invalid boolean {text!r} (say true or false)")


def parse_list(text: str) -> list[str]:
    """`a,b` → `["a", "b"]`; empty parts vanish."""
    return [part.strip() for part in text.split(",") if part.strip()]


def parse_map(text: str) -> dict[str, str]:
    """`a=1,b=2` → `{"a": "1", "b": "2"}`; ValueError without `=`."""
    found = {}
    for part in parse_list(text):
        key, equals, value = part.partition("=")
        if not equals:
            raise ValueError(f"expected key=value, got {part!r}")
        found[key] = value
    return found


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        text = message.replace("unrecognized arguments:", "unknown flag:")
        sys.stderr.write(f"{self.prog}: {text}\nRun '{self.prog} --help' for its flags.\n")
        raise SystemExit(2)


def _typed(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    def convert(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return convert


class _Extend(argparse.Action):
    """A list flag: the first use replaces the default, the following ones add."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        seen = f"_{self.dest}_seen"
        before = getattr(namespace, self.dest) if hasattr(namespace, seen) else type(values)()
        setattr(namespace, seen, True)
        merged = {**before, **values} if isinstance(values, dict) else [*before, *values]
        setattr(namespace, self.dest, merged)


class Flags:
    """Declares a daemon's flags; `parse` gives them with `-` turned to `_`."""

    def __init__(self, program: str, description: str, version: str = "") -> None:
        self._parser = _Parser(prog=program, description=description, allow_abbrev=False)
        if version:
            self._parser.add_argument("--version", action="version", version=version)

    def text(self, name: str, default: str = "", help: str = "") -> None:
        self._add(name, default, help, metavar="TEXT")

    def integer(self, name: str, default: int = 0, help: str = "") -> None:
        self._add(name, default, help, type=_typed(int), metavar="N")

    def number(self, name: str, default: float = 0.0, help: str = "") -> None:
        self._add(name, default, help, type=_typed(float), metavar="X")

    def boolean(self, name: str, default: bool = False, help: str = "") -> None:
        """`--flag`, `--flag=true`, `--flag=false`."""
        self._add(
            name, default, help, type=_typed(parse_bool), nargs="?", const=True,
            metavar="true|false",
        )  # fmt: skip

    def duration(self, name: str, default: float = 0.0, help: str = "") -> None:
        """Seconds, written as Go does: `15s`."""
        self._add(name, default, help, type=_typed(parse_duration), metavar="DURATION")

    def choice(self, name: str, choices: Sequence[str], default: str, help: str = "") -> None:
        self._add(name, default, help, choices=list(choices))

    def texts(self, name: str, default: Sequence[str] = (), help: str = "") -> None:
        """A comma-separated list, which may be given several times."""
        self._add(name, list(default), help, type=_typed(parse_list), action=_Extend, metavar="A,B")

    def mapping(self, name: str, default: dict[str, str] | None = None, help: str = "") -> None:
        """`k=v,k2=v2`, which may be given several times."""
        self._add(
            name, dict(default or {}), help, type=_typed(parse_map), action=_Extend, metavar="K=V"
        )

    def accepted(self, *names: str) -> None:
        """Flags of upstream's that manifests hold and that have nothing to change here."""
        for name in names:
            words = "accepted for upstream's manifests; has no effect here"
            self._add(name, "", words, nargs="?", const="true", metavar="TEXT")

    def parse(self, arguments: Sequence[str] | None = None) -> argparse.Namespace:
        """The flags' values; a wrong one ends the process with code 2."""
        return self._parser.parse_args(arguments)

    def _add(self, name: str, default: Any, words: str, **how: Any) -> None:
        # argparse formats help texts: a percent sign of ours is none of its own.
        self._parser.add_argument(name, default=default, help=words.replace("%", "%%"), **how)


def client_flags(flags: Flags) -> None:
    """The flags that every daemon that talks to an API server has."""
    flags.text("--kubeconfig", help="kubeconfig of the API server; empty = in-cluster")
    flags.text("--master", help="address of the API server; wins over the kubeconfig")
    flags.integer("--v", 0, help="log verbosity; 4 and more show debug lines")


def leader_flags(flags: Flags, resource_name: str) -> None:
    """Upstream's flags of leader election."""
    flags.boolean("--leader-elect", True, "take part in leader election")
    flags.duration("--leader-elect-lease-duration", 15.0, "how long a stand-by waits")
    flags.duration("--leader-elect-renew-deadline", 10.0, "how long a leader tries to renew")
    flags.duration("--leader-elect-retry-period", 2.0, "time between two attempts")
    flags.choice("--leader-elect-resource-lock", ["leases"], "leases", "kind of the lock")
    flags.text("--leader-elect-resource-name", resource_name, "name of the lock")
    flags.text("--leader-elect-resource-namespace", "kube-system", "namespace of the lock")
