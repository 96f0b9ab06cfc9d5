"""Counting into buckets."""

from __future__ import annotations

from apiserver.tally import Tally


def test_buckets_are_cumulative_and_keys_apart() -> None:
    tally = Tally[str]((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 9.0):
        tally.add("a", value)
    tally.add("b", 0.0)
    family = tally.family("x", "words", ("key",), lambda key: [key])
    found = {
        (sample.name, sample.labels["key"], sample.labels.get("le")): sample.value
        for sample in family.samples
    }
    assert found["x_bucket", "a", "1.0"] == 2
    assert found["x_bucket", "a", "2.0"] == 3
    assert found["x_bucket", "a", "+Inf"] == found["x_count", "a", None] == 4
    assert found["x_sum", "a", None] == 12
    assert found["x_count", "b", None] == 1
    assert (tally.total("a"), tally.total("none"), list(tally)) == (4, 0, ["a", "b"])
