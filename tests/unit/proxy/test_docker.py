"""Docker's chain: which rules are ours, which are missing."""

from __future__ import annotations

from proxy.docker import our_rules, rules

LISTING = """\
-N DOCKER-USER
-A DOCKER-USER -d 10.244.0.0/16 -m comment --comment "wherry: pods" -j ACCEPT
-A DOCKER-USER -s 192.0.2.0/24 -j DROP
-A DOCKER-USER -j RETURN
"""


def test_only_ours_are_found() -> None:
    assert our_rules(LISTING) == ['-d 10.244.0.0/16 -m comment --comment "wherry: pods" -j ACCEPT']


def test_both_directions_are_accepted() -> None:
    assert [rule[:2] for rule in rules({"10.244.0.0/16"})] == [
        ("-s", "10.244.0.0/16"),
        ("-d", "10.244.0.0/16"),
    ]
