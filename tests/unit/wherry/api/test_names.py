"""Names: which are good, and what is said about the others."""

from __future__ import annotations

import random
import uuid

import pytest

from wherry.api import names


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (names.dns1123_label, ["a", "0-9", "a" * 63], ["", "A", "-a", "a-", "a.b", "a" * 64, "a\n"]),
        (names.dns1123_subdomain, ["a", "a.b-c.d"], ["", "a..b", "A.b", "a" * 254, "a_b"]),
        (names.dns1035_label, ["a", "a-1"], ["", "1a", "a-", "a.b", "a" * 64]),
        (names.qualified_name, ["a", "A_b.c", "x.io/A"], ["", "a/b/c", "/a", "a/", "X/a", "-a", "a" * 64]),
        (names.label_value, ["", "a", "A_b.1", "a" * 63], ["-a", "a b", "a" * 64, "é"]),
        (names.port_name, ["http", "a1"], ["", "HTTP", "1", "a--b", "-a", "a-", "a" * 16]),
        (names.config_key, ["a", ".x", "A_b"], ["", "a/b", ".", "..", "..x", "a" * 254]),
        (names.env_name, ["A", "a b", "1"], ["", "a=b", "é", "a\t"]),
        (names.header_name, ["X-A"], ["", "X A"]),
        (names.percent, ["5%"], ["5", "%", "5%%"]),
        (names.path_segment, ["a", "A b"], [".", "..", "a/b", "a%b"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)  # fmt: skip
def test_checks(check, good: list[str], bad: list[str]) -> None:
    assert [value for value in good if check(value)] == []
    assert [value for value in bad if not check(value)] == []


def test_words_are_upstreams() -> None:
    assert names.dns1123_label("A") == [
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and"
        " must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex"
        " used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
    ]
    assert names.label_value("x" * 64) == ["must be no more than 63 bytes"]
    assert names.qualified_name("-bad/")[1] == "name part must be non-empty"
    assert len(names.qualified_name("-bad/")) == 3


def test_generated_names_fit_a_label() -> None:
    rng = random.Random(7)
    name = names.generate_name("web-", rng)
    assert name.startswith("web-")
    assert len(name) == 9
    assert set(name[4:]) <= set(names.SUFFIX_ALPHABET)
    assert len(names.generate_name("x" * 80, rng)) == 63
    assert names.generate_name("a-") != names.generate_name("a-")


def test_a_new_uid_is_a_random_uuid() -> None:
    made = {names.new_uid(random.Random(seed)) for seed in range(50)} | {names.new_uid()}
    assert len(made) == 51
    for text in made:
        parsed = uuid.UUID(text)
        assert (str(parsed), parsed.version, parsed.variant) == (text, 4, uuid.RFC_4122)


def test_a_prefix_may_end_in_a_dash() -> None:
    assert names.dns1123_subdomain(names.mask_trailing_dash("web-")) == []
