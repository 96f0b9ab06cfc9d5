"""What kinds and fields are for, in a line each, for OpenAPI and `kubectl explain`.

The lines stand beside the models, in `wherry/api/<group>_<version>/words.txt`, and are read only while a
document is made: no daemon carries them around. A file says:

    Widget: What the kind is.
      size: What the field is.
    Gadget(Widget): Has the same fields, and further ones.

`meta_v1` may also name types by a pattern (`*Condition`): what holds where a type says nothing itself.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from importlib.resources import files
from typing import NamedTuple

from wherry.api.model import Model

COMMON = "meta_v1"
FILE = "words.txt"


class TypeWords(NamedTuple):
    """What a file says of a type. `base` is the type in the same file whose fields it has, too."""

    words: str
    base: str
    fields: dict[str, str]


def parse(text: str) -> dict[str, TypeWords]:
    """A file's types. ValueError names the line that is none."""
    found: dict[str, TypeWords] = {}
    fields: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, colon, words = line.partition(":")
        if not colon:
            raise ValueError(f"line {number}: no colon in {line!r}")
        if line.startswith("  "):
            fields[name.strip()] = words.strip()
            continue
        type_name, _, base = name.rstrip(")").partition("(")
        fields = {}
        found[type_name] = TypeWords(words.strip(), base, fields)
    return found


class Words:
    """Reads the files as they are needed."""

    def __init__(self) -> None:
        self._read: dict[str, dict[str, TypeWords]] = {}
        self._patterns = [one for one in self._package(COMMON).items() if "*" in one[0]]

    def of(self, model: type[Model]) -> str:
        """What a type is; "" when nobody says."""
        found = self._types(model).get(model.__name__)
        return found.words if found is not None else ""

    def of_field(self, model: type[Model], wire: str) -> str:
        """What a field is; "" when nobody says."""
        types, name = self._types(model), model.__name__
        while found := types.get(name):
            if wire in found.fields:
                return found.fields[wire]
            name = found.base
        for pattern, found in reversed(self._patterns):  # the plainest stands first
            if fnmatchcase(model.__name__, pattern) and wire in found.fields:
                return found.fields[wire]
        return ""

    def _types(self, model: type[Model]) -> dict[str, TypeWords]:
        return self._package(model.__module__.split(".")[2])  # wherry.api.<package>.<module>

    def _package(self, package: str) -> dict[str, TypeWords]:
        if package not in self._read:
            file = files(f"wherry.api.{package}") / FILE
            self._read[package] = parse(file.read_text()) if file.is_file() else {}
        return self._read[package]
