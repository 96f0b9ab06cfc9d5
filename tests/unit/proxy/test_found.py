"""Reading back what nft lists."""

from __future__ import annotations

from proxy.found import elements, outline

TABLE = """\
table ip6 wherry {
\tmap services {
\t\ttype ipv6_addr . inet_proto . inet_service : verdict
\t\telements = { ::ffff:10.0.0.1 . tcp . 80 : goto service-x-default/web/tcp/http,
\t\t\t     fd01::1 . sctp . 80 : drop }
\t}

\tset pods {
\t\ttype ipv6_addr
\t\tflags interval
\t\telements = { fd00::/48 }
\t}

\tset selves {
\t\ttype ipv6_addr . ipv6_addr
\t}

\tchain frame-1 {
\t}

\tchain service-x-default/web/tcp/http {
\t\tmeta l4proto tcp dnat ip6 to numgen random mod 2 map { 0 : fd00::1 . 80, 1 : fd00::2 . 80 }
\t}

\tchain emptied {
\t}
}
"""


def test_outline() -> None:
    full, empty, sets = outline(TABLE)
    assert full == {"service-x-default/web/tcp/http"}
    assert empty == {"frame-1", "emptied"}
    assert sets == {"services", "pods", "selves"}


def test_elements_are_written_as_we_write_them() -> None:
    found = elements(TABLE, {"services", "pods", "selves"})
    assert found["services"] == {
        "::ffff:a00:1 . tcp . 80": "goto service-x-default/web/tcp/http",
        "fd01::1 . sctp . 80": "drop",
    }
    assert found["pods"] == {"fd00::/48": ""}
    assert found["selves"] == {}
    assert elements(TABLE, {"pods"}).keys() == {"pods"}
