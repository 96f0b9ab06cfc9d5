"""Any other kind: its metadata, then its fields as they are.

Source: k8s.io/kubectl/pkg/describe genericDescriber.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from cli.describe.events import describe_events
from cli.describe.text import Page, Tree

_HIDDEN = ("managedFields", "resourceVersion", "selfLink", "uid")
_ACRONYMS = ("API", "URL", "UID", "OSB", "GUID")
_SEEN = ("name", "namespace", "labels", "annotations")


def describe_object(tree: Tree, events: Sequence[Tree], now: datetime) -> str:
    page = Page()
    meta = tree["metadata"]
    page.line(0, "Name:", meta["name"])
    page.line(0, "Namespace:", meta.get("namespace", ""))
    page.pairs(0, "Labels", meta.get("labels"))
    page.pairs(0, "Annotations", meta.get("annotations"), ": ")
    rest = {key: value for key, value in meta.items() if key not in (*_HIDDEN, *_SEEN)}
    _fields(page, {**tree, "metadata": rest}, 0)
    describe_events(page, events, now)
    return page.text()


def _words(name: str) -> str:
    """`creationTimestamp` → `Creation Timestamp`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    words = (spaced[:1].upper() + spaced[1:]).split(" ")
    return " ".join(word.upper() if word.upper() in _ACRONYMS else word for word in words)


def _fields(page: Page, fields: Mapping[str, Any], level: int) -> None:
    for key in sorted(fields):
        label, value = _words(key), fields[key]
        if isinstance(value, Mapping):
            page.line(level, f"{label}:")
            _fields(page, value, level + 1)
        elif isinstance(value, list):
            page.line(level, f"{label}:")
            for item in value:
                if isinstance(item, Mapping):
                    _fields(page, item, level + 1)
                else:
                    page.line(level + 1, item)
        else:
            shown = str(value).lower() if isinstance(value, bool) else value
            first, *more = str(shown).split("\n")
            page.line(level, f"{label}:", first)
            for line in more:
                page.line(level, "", line)
