"""Which servers are looked at, and when one counts as gone."""

from __future__ import annotations

from dataclasses import replace

from nameserver.publish import Publication
from nameserver.replicas import SILENCES, Silence, peers
from wherry.api.discovery_v1 import EndpointSlice

ONE = Publication(("10.96.0.10",), ("172.31.0.1",), 53)
(OWN,) = ONE.slices()
(OTHER,) = replace(ONE, addresses=("172.31.0.2",)).slices()


def test_a_server_looks_at_the_others_of_our_kind_that_clients_are_sent_to() -> None:
    foreign = EndpointSlice.from_wire(
        {**OTHER.to_wire(), "metadata": {"name": "x", "labels": {"a": "b"}}}
    )
    endpoint = OTHER.endpoints[0]
    gone = OTHER.with_(
        endpoints=[endpoint.with_(conditions=endpoint.conditions.with_(ready=False))]
    )
    assert peers([OWN, OTHER, foreign], ["172.31.0.1"]) == [OTHER]
    assert peers([OWN, gone], ["172.31.0.1"]) == []


def test_one_lost_datagram_means_nothing() -> None:
    silence = Silence()
    said = [silence.heard("a", answered=False) for _ in range(SILENCES)]
    assert said == [False] * (SILENCES - 1) + [True]
    assert not silence.heard("a", answered=True)
    assert not silence.heard("a", answered=False)
    silence.keep([])
    assert silence.counts == {}
