"""Quantities: what upstream writes for what people write, and laws."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.api import quantity

SUFFIXES = ("", "n", "u", "m", "k", "M", "G", "T", "Ki", "Mi", "Gi", "Ti", "e0", "e3", "E-3")

texts = st.builds(
    lambda number, suffix: f"{number}{suffix}",
    st.decimals(min_value=-9999, max_value=9999, places=3, allow_nan=False),
    st.sampled_from(SUFFIXES),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", "0"), ("0Gi", "0"), ("1", "1"), ("1000", "1k"), ("100m", "100m"), ("0.1", "100m"),
        ("1500m", "1500m"), ("2000m", "2"), ("1.5Gi", "1536Mi"), ("1024Ki", "1Mi"),
        ("0.5Ki", "512"), ("1.1Ki", "1126400m"), ("1048576", "1048576"), ("2e3", "2e3"),
        ("3e1", "30"), ("1E", "1E"), (".5", "500m"), ("5.", "5"), ("+5", "5"), ("-1", "-1"),
        ("0.1n", "1n"), ("12e6", "12e6"), ("1e-3", "1e-3"), ("500M", "500M"), ("1Ei", "1Ei"),
    ],
)  # fmt: skip
def test_canonical_form(text: str, expected: str) -> None:
    assert quantity.canonical(text) == expected


@pytest.mark.parametrize("text", ["", ".", "-", "abc", "1 Gi", "1e3Ki", "1..5", "--1", "9" * 300])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="quantities must match"):
        quantity.canonical(text)


@pytest.mark.parametrize("text", ["1ki", "1MM", "1K"])
def test_unknown_suffixes(text: str) -> None:
    with pytest.raises(ValueError, match="unable to parse quantity's suffix"):
        quantity.parse(text)


def test_whole_and_milli_units_round_up() -> None:
    assert quantity.value("1500m") == 2
    assert quantity.milli("1n") == 1
    assert quantity.milli("1.5") == 1500
    assert quantity.value("1Gi") == 2**30


def test_formats() -> None:
    assert quantity.format_milli(1500) == "1500m"
    assert quantity.format_milli(2000) == "2"
    assert quantity.format_value(2**30, binary=True) == "1Gi"
    assert quantity.format_value(110) == "110"


@given(texts)
def test_canonical_keeps_the_value(text: str) -> None:
    assert quantity.parse(quantity.canonical(text)) == quantity.parse(text)


@given(texts)
def test_canonical_is_idempotent(text: str) -> None:
    once = quantity.canonical(text)
    assert quantity.canonical(once) == once


@given(st.integers(-(10**15), 10**15))
def test_formatted_numbers_read_back(amount: int) -> None:
    assert quantity.milli(quantity.format_milli(amount)) == amount
    assert quantity.parse(quantity.format_value(amount, binary=True)) == Decimal(amount)
