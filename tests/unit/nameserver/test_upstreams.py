"""Which resolver is asked first, and where they come from."""

from __future__ import annotations

from pathlib import Path

from nameserver import upstreams
from nameserver.upstreams import Upstream, order, read_resolvers


def test_who_failed_is_asked_last_for_a_while_the_longer_the_more_often() -> None:
    first, second = Upstream("192.0.2.1"), Upstream("192.0.2.2")
    assert order([first, second], 0.0) == [first, second]
    first.failed(0.0)
    assert order([first, second], 1.9) == [second, first]
    assert order([first, second], 2.0) == [first, second]
    first.failed(2.0)
    assert order([first, second], 5.9) == [second, first]
    for _ in range(50):
        first.failed(6.0)
    assert first.down_until == 6.0 + upstreams.DOWN_SECONDS_MAX
    second.failed(6.0)
    assert order([first, second], 7.0) == [second, first]  # none is well: the better one
    first.answered()
    assert order([first, second], 7.0) == [first, second]


def test_who_leads_back_to_us_is_never_asked() -> None:
    assert order([Upstream("192.0.2.1", looped=True)], 0.0) == []


def test_behind_the_stub_of_the_machine_are_its_real_resolvers(tmp_path: Path) -> None:
    conf, real = tmp_path / "resolv.conf", tmp_path / "real"
    conf.write_text("nameserver 127.0.0.53\noptions edns0\n")
    assert read_resolvers(conf, (), real) == ("127.0.0.53",)
    real.write_text("nameserver 192.0.2.1\nnameserver 10.96.0.10\n")
    assert read_resolvers(conf, ("10.96.0.10",), real) == ("192.0.2.1",)
    conf.write_text("nameserver 192.0.2.9\n")
    assert read_resolvers(conf, (), real) == ("192.0.2.9",)


def test_an_upstream_says_where_it_is() -> None:
    assert str(Upstream("192.0.2.1")) == "192.0.2.1:53"
    assert str(Upstream("fd00::1", 5353)) == "[fd00::1]:5353"
