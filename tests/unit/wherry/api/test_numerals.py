from __future__ import annotations

import pytest

from wherry.api.numerals import boolean, is_whole, whole


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("-7", -7),
        ("+7", 7),
        ("007", 7),
        (str(2**63 - 1), 2**63 - 1),
        (str(2**63), None),
        (str(-(2**63)), -(2**63)),
        ("9" * 5000, None),
        ("", None),
        ("-", None),
        ("--1", None),
        ("1_0", None),
        (" 1", None),
        ("1\n", None),
        ("²", None),
        ("٣", None),
    ],
)
def test_whole_numbers(text: str, number: int | None) -> None:
    assert whole(text) == number


def test_what_does_not_fit_is_written_like_a_number_all_the_same() -> None:
    assert is_whole("9" * 5000)
    assert not is_whole("1.5")


@pytest.mark.parametrize(
    ("text", "value"), [("T", True), ("1", True), ("False", False), ("yes", None), ("tRUE", None), ("", None)]
)  # fmt: skip
def test_booleans_of_go(text, value):
    assert boolean(text) is value
