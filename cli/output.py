"""Objects as people ask for them: yaml, json, name. Pure texts; yaml is imported when needed.

Source: k8s.io/cli-runtime/pkg/printers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from cli.errors import CliError

Tree = dict[str, Any]

FORMATS = ("json", "name", "wide", "yaml")


def check_format(output: str, allowed: Sequence[str] = FORMATS) -> None:
    if output and output not in allowed:
        choices = ",".join(allowed)
        message = f'unable to match a printer suitable for the output format "{output}"'
        raise CliError(f"{message}, allowed formats are: {choices}")


def as_list(objects: Sequence[Tree]) -> Tree:
    """Several objects as the one that kubectl prints."""
    return {
        "apiVersion": "v1",
        "items": list(objects),
        "kind": "List",
        "metadata": {"resourceVersion": ""},
    }


def without_managed_fields(tree: Tree) -> Tree:
    """The object without the bookkeeping that fills a screen."""
    meta = {k: v for k, v in tree.get("metadata", {}).items() if k != "managedFields"}
    return {**tree, "metadata": meta} if "metadata" in tree else tree


def to_json(tree: Mapping[str, Any]) -> str:
    return json.dumps(tree, indent=4, sort_keys=True, ensure_ascii=False)


def to_yaml(tree: Mapping[str, Any]) -> str:
    """YAML as kubectl writes it: sorted, block style, texts of several lines as `|`."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Ours alone: representers are kept by class."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        read_as: str = dumper.resolve(yaml.ScalarNode, value, (True, False))  # type: ignore[no-untyped-call]  # the stubs lack it
        plain = read_as == "tag:yaml.org,2002:str"
        style = "|" if "\n" in value else None if plain else '"'
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    dumped: str = yaml.dump(
        tree, Dumper=Dumper, default_flow_style=False, allow_unicode=True, width=4096
    )
    return dumped.removesuffix("\n")


def text_of(tree: Tree, output: str, qualified_singular: str) -> str:
    """One object in one of the formats that need no table."""
    if output == "name":
        return f"{qualified_singular}/{tree['metadata']['name']}"
    return to_json(tree) if output == "json" else to_yaml(tree)
