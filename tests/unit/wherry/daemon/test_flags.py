"""Flags are taken as upstream takes them."""

import pytest

from wherry.daemon.flags import (
    Flags,
    client_flags,
    leader_flags,
    parse_bool,
    parse_duration,
    parse_map,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5s", 5), ("1m0s", 60), ("1h30m", 5400), ("500ms", 0.5), ("0", 0), ("0s", 0),
     ("1.5s", 1.5), ("-2s", -2), ("100us", 0.0001)],
)  # fmt: skip
def test_durations(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "s", "5x", "1m 5s", "five"])
def test_wrong_durations(text):
    with pytest.raises(ValueError, match="invalid duration"):
        parse_duration(text)


def test_maps():
    assert parse_map("a=1,b=x=y") == {"a": "1", "b": "x=y"}
    with pytest.raises(ValueError, match="key=value"):
        parse_map("a")


def test_booleans():
    assert parse_bool("T") is True
    assert parse_bool("0") is False
    with pytest.raises(ValueError, match="invalid boolean"):
        parse_bool("yes")


def flags():
    made = Flags("wherry-x", "A daemon.")
    client_flags(made)
    leader_flags(made, "wherry-x")
    made.texts("--allocate", ["default"])
    made.mapping("--node-labels")
    made.integer("--secure-port", 10259)
    return made


def test_defaults_are_upstreams():
    values = flags().parse([])
    assert values.leader_elect is True
    assert values.leader_elect_lease_duration == 15.0
    assert values.leader_elect_renew_deadline == 10.0
    assert values.leader_elect_retry_period == 2.0
    assert values.allocate == ["default"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--leader-elect=false"], False),
        (["--leader-elect"], True),
        (["--leader-elect=true"], True),
    ],
)
def test_a_boolean_may_stand_alone(arguments, expected):
    assert flags().parse(arguments).leader_elect is expected


def test_lists_and_maps_add_up():
    values = flags().parse(
        ["--allocate=a,b", "--allocate", "c", "--node-labels=x=1", "--node-labels=y=2"]
    )
    assert values.allocate == ["a", "b", "c"]
    assert values.node_labels == {"x": "1", "y": "2"}


@pytest.mark.parametrize(
    ("argument", "word"),
    [("--nonsense=1", "unknown flag: --nonsense=1"), ("--leader-el=false", "unknown flag"),
     ("--leader-elect-retry-period=x", "invalid duration"), ("--secure-port=x", "--secure-port")],
)  # fmt: skip
def test_a_wrong_flag_is_one_clear_line_and_code_2(argument, word, capsys):
    with pytest.raises(SystemExit) as ended:
        flags().parse([argument])
    assert ended.value.code == 2
    assert word in capsys.readouterr().err.splitlines()[0]
