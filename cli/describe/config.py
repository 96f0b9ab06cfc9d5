"""ConfigMaps (their texts) and Secrets (only the sizes).

Source: k8s.io/kubectl/pkg/describe describeConfigMap, describeSecret.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from datetime import datetime

from cli.describe.events import describe_events
from cli.describe.text import Page, Tree


def _head(page: Page, tree: Tree) -> None:
    meta = tree["metadata"]
    page.line(0, "Name:", meta["name"])
    page.line(0, "Namespace:", meta["namespace"])
    page.pairs(0, "Labels", meta.get("labels"))
    page.pairs(0, "Annotations", meta.get("annotations"), ": ")


def _size(encoded: str) -> str:
    return f"{len(b64decode(encoded))} bytes"


def describe_config_map(tree: Tree, events: Sequence[Tree], now: datetime) -> str:
    page = Page()
    _head(page, tree)
    for word in ("", "Data", "===="):
        page.line(0, word)
    for key, text in sorted((tree.get("data") or {}).items()):
        page.line(0, f"{key}:")
        page.line(0, "----")
        for line in (*text.split("\n"), ""):
            page.line(0, line.replace("\t", "        "))
    for word in ("", "BinaryData", "===="):
        page.line(0, word)
    for key, encoded in sorted((tree.get("binaryData") or {}).items()):
        page.line(0, f"{key}: {_size(encoded)}")
    page.line(0, "")
    describe_events(page, events, now)
    return page.text()


def describe_secret(tree: Tree) -> str:
    page = Page()
    _head(page, tree)
    page.line(0, "")
    page.line(0, "Type:", tree.get("type", ""))
    for word in ("", "Data", "===="):
        page.line(0, word)
    for key, encoded in sorted((tree.get("data") or {}).items()):
        page.line(0, f"{key}:", _size(encoded))
    return page.text()
