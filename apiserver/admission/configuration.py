"""--admission-control-config-file: the configuration of single plug-ins.

An AdmissionConfiguration names plug-ins; each has its configuration inline or in a file beside it.
What is wrong is said in one line that names the file.

Source: k8s.io/apiserver/pkg/admission/config.go, pkg/apis/apiserver.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

KIND: Final = "AdmissionConfiguration"
VERSIONS: Final = ("apiserver.config.k8s.io/v1", "apiserver.k8s.io/v1alpha1")
FILE_BYTES_MAX: Final = 1024 * 1024


class BadConfiguration(ValueError):
    """What is wrong, in one line for a person."""


def read(path: Path, known: Collection[str]) -> dict[str, Any]:
    """Plug-in → its configuration as a tree. `known`: the plug-ins there are. BadConfiguration."""
    try:
        return _read(path, known)
    except BadConfiguration as error:
        raise BadConfiguration(f"{path}: {error}") from error


def _read(path: Path, known: Collection[str]) -> dict[str, Any]:
    tree = mapping(_parse(path), "the file")
    kind_of(tree, KIND, VERSIONS)
    known_fields(tree, "", ("apiVersion", "kind", "plugins"))
    found: dict[str, Any] = {}
    for index, plugin in enumerate(mappings(tree, "plugins")):
        where = f"plugins[{index}]"
        known_fields(plugin, f"{where}.", ("name", "path", "configuration"))
        name = plugin.get("name")
        if not name or name not in known:
            raise BadConfiguration(f"{where}.name: {name!r} is no admission plugin")
        if name in found:
            raise BadConfiguration(f"{where}.name: {name} is configured twice")
        found[name] = _configuration(plugin, where, path.parent)
    return {name: one for name, one in found.items() if one is not None}


def _configuration(plugin: Mapping[str, Any], where: str, folder: Path) -> Any:
    inline, file = plugin.get("configuration"), plugin.get("path") or ""
    if inline is not None and file:
        raise BadConfiguration(f"{where}: give either path or configuration, not both")
    if not file:
        return inline
    if not isinstance(file, str):
        raise BadConfiguration(f"{where}.path is not a text")
    return _parse(folder / file)


def _parse(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            text = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise BadConfiguration(f"{path}: {error.strerror or error}") from error
    if len(text) > FILE_BYTES_MAX:
        raise BadConfiguration(f"{path} is larger than {FILE_BYTES_MAX} bytes")
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        words = " ".join(str(error).split())
        raise BadConfiguration(f"{path} is no YAML: {words}") from error


# --- for the plug-ins' own configurations ---


def mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict) or any(not isinstance(key, str) for key in value):
        raise BadConfiguration(f"{where} is not a mapping")
    return value


def mappings(tree: Mapping[str, Any], field: str) -> list[Mapping[str, Any]]:
    """A field that is a list of mappings, or not there."""
    found = tree.get(field)
    if found is None:
        return []
    if not isinstance(found, list):
        raise BadConfiguration(f"{field} is not a list")
    return [mapping(one, f"{field}[{index}]") for index, one in enumerate(found)]


def texts(value: Any, where: str) -> list[str]:
    """A list of texts, or nothing."""
    found = [] if value is None else value
    if not isinstance(found, list) or any(not isinstance(one, str) for one in found):
        raise BadConfiguration(f"{where} is not a list of texts")
    return found


def kind_of(tree: Mapping[str, Any], kind: str, versions: Sequence[str]) -> None:
    """BadConfiguration unless the tree is of this kind, in one of these versions."""
    if tree.get("kind") != kind or tree.get("apiVersion") not in versions:
        is_, of = tree.get("kind"), tree.get("apiVersion")
        wanted = f"{kind} of {versions[0]}"
        raise BadConfiguration(f"is kind {is_!r} of apiVersion {of!r}, not {wanted}")


def known_fields(tree: Mapping[str, Any], where: str, known: Collection[str]) -> None:
    """BadConfiguration for a field that there is not."""
    for field in tree:
        if field not in known:
            raise BadConfiguration(f'unknown field "{where}{field}"')
