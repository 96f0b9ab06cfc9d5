"""Completion indexes as the wire writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller_manager.job import indexes


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", set()),
        ("1,3-5,7", {1, 3, 4, 5, 7}),
        ("0-99", set(range(10))),
        ("x,2,3-y", {2}),
        ("12", set()),
        ("-1", set()),
    ],
)
def test_parse(text, found):
    assert indexes.parse(text, 10) == found


@pytest.mark.parametrize(
    ("numbers", "text"),
    [([], ""), ([4], "4"), ([1, 2], "1,2"), ([1, 2, 3], "1-3"), ([7, 1, 3, 4, 5], "1,3-5,7")],
)
def test_render(numbers, text):
    assert indexes.render(numbers) == text


@given(st.sets(st.integers(0, 200)))
def test_round_trip(numbers):
    assert indexes.parse(indexes.render(numbers), 201) == numbers


@given(st.sets(st.integers(0, 20)), st.integers(0, 10), st.integers(0, 20))
def test_first_free_are_the_lowest(taken, count, completions):
    free = indexes.first_free(taken, count, completions)
    everything = [index for index in range(completions) if index not in taken]
    assert free == everything[:count]
