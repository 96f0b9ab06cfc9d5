"""Which topology a volume may be in."""

from __future__ import annotations

from wherry.api.model import Model, wire


class TopologySelectorLabelRequirement(Model):
    key: str = wire("", required=True, zero="kept")
    values: list[str] = wire([], required=True, zero="kept", list_type="atomic")


class TopologySelectorTerm(Model):
    ATOMIC = True

    match_label_expressions: list[TopologySelectorLabelRequirement] = wire([], list_type="atomic")
