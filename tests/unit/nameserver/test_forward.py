"""Where questions go that are not ours."""

from __future__ import annotations

import pytest

from nameserver.upstreams import resolvers, split_server


def test_resolv_conf() -> None:
    text = "# x\nnameserver 10.96.0.10\nnameserver 192.0.2.1\nnameserver 192.0.2.1\nsearch a\n"
    assert resolvers(text, {"10.96.0.10"}) == ("192.0.2.1",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1", ("10.0.0.1", 53)),
        ("10.0.0.1:5353", ("10.0.0.1", 5353)),
        ("fd00::1", ("fd00::1", 53)),
        ("[fd00::1]", ("fd00::1", 53)),
        ("[fd00::1]:5353", ("fd00::1", 5353)),
    ],
)
def test_addresses_of_resolvers(text: str, expected: tuple[str, int]) -> None:
    assert split_server(text) == expected
