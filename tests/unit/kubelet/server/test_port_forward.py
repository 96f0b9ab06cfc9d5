"""Port-forwarding's small decisions: ports of a query, what a new stream is for, a flow's ends."""

from __future__ import annotations

import asyncio
import socket

import pytest

from kubelet.server import flow
from kubelet.server.flow import PIECES_MAX, Flow, Stalled
from kubelet.server.port_forward import PORTS_MAX, parse_ports
from kubelet.server.tunnel import wanted


@pytest.mark.parametrize(
    ("values", "want"), [(["80"], [80]), (["80", "443"], [80, 443]), (["80,443"], [80, 443])]
)
def test_ports(values: list[str], want: list[int]) -> None:
    assert parse_ports(values) == want


@pytest.mark.parametrize(
    "values", [[], [""], ["x"], ["0"], ["65536"], ["-1"], ["80,"], ["80"] * (PORTS_MAX + 1)]
)
def test_bad_ports(values: list[str]) -> None:
    with pytest.raises(ValueError, match="port"):
        parse_ports(values)


@pytest.mark.parametrize(
    ("headers", "want"),
    [
        ({"streamtype": "error", "port": "80", "requestid": "7"}, ("7", True, 80)),
        ({"streamtype": "data", "port": "80", "requestid": "7"}, ("7", False, 80)),
        ({"streamtype": "error", "port": "80"}, ("5", True, 80)),
        ({"streamtype": "data", "port": "80"}, ("3", False, 80)),
    ],
    ids=["error", "data", "old error", "old data"],
)
def test_what_a_stream_is_for(headers: dict[str, str], want: tuple[str, bool, int]) -> None:
    assert wanted(headers, 5) == want


@pytest.mark.parametrize(
    "headers", [{}, {"streamtype": "x", "port": "80"}, {"streamtype": "data", "port": "0"}]
)
def test_streams_of_no_use(headers: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r".*"):
        wanted(headers, 1)


async def test_a_flow_gives_all_bytes_also_when_the_pod_cuts_off() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    near = socket.create_connection(listener.getsockname())
    far, _ = listener.accept()
    near.setblocking(False)
    found: list[bytes] = []

    async def send(data: bytes) -> None:
        found.append(data)

    with listener, far:
        carried = Flow()
        near.send(b"never read by the pod")
        far.sendall(b"last words")
        far.close()  # with bytes unread: this is a reset
        await carried.run(near, send, half_close=False)
    assert b"".join(found) == b"last words"
    assert found[-1] == b""
    await carried.put(b"late")  # goes nowhere, and waits for nobody


async def test_a_flow_that_stays_full_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "STALL_SECONDS_MAX", 0.01)
    stuck = Flow()
    for _ in range(PIECES_MAX):
        await asyncio.wait_for(stuck.put(b"x"), 1)
    with pytest.raises(Stalled):
        await stuck.put(b"x")
