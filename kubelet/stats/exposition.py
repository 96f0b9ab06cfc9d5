"""Prometheus' text form, line by line: each sample with the time it was read at, for which Prometheus'
own client has no word in gauges made per scrape. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

Heads = Mapping[str, tuple[str, str]]  # name → type, what it tells


class Sample(NamedTuple):
    """`labels`: in braces, or empty; `stamp`: in milliseconds, None = none is given"""

    name: str
    labels: str
    value: float
    stamp: int | None = None


def braces(**labels: str) -> str:
    """Labels as they are written; empty ones are as good as absent, yet dashboards expect them."""
    pairs = (f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{','.join(pairs)}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def page(heads: Heads, samples: Iterable[Sample]) -> str:
    """All samples under their heads, in the heads' order; heads without a sample are left out."""
    lines: dict[str, list[str]] = {name: [] for name in heads}
    for name, labels, value, stamp in samples:
        tail = "" if stamp is None else f" {stamp}"
        lines[name].append(f"{name}{labels} {value!r}{tail}")
    text = []
    for name, (kind, words) in heads.items():
        if lines[name]:
            text += [f"# HELP {name} {words}", f"# TYPE {name} {kind}", *lines[name]]
    return "\n".join(text) + "\n"
