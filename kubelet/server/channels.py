"""A WebSocket as numbered channels, in the dialect that its protocol names.

A message is one channel byte and data; in the base64 dialects it is text: the channel's digit, then
the data in base64. `channel.k8s.io`, or no protocol at all, is the oldest dialect: it has no Status at the
end, only the error's text.

Source: upstream's streaming/pkg/httpstream/wsstream.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from starlette.websockets import WebSocket

from kubelet.server.messages import receive, send, send_text

OLDEST = ("channel.k8s.io", "base64.channel.k8s.io")
FOURTH = ("v4.channel.k8s.io", "v4.base64.channel.k8s.io")
FIFTH = ("v5.channel.k8s.io",)
_ZERO = ord("0")


def agreed(offered: Sequence[str], known: Sequence[str]) -> str | None:
    """The first protocol of the client's that we know; "" when it names none, None when we know none."""
    if not offered:
        return ""
    return next((name for name in offered if name in known), None)


class Channels:
    """`socket` is accepted with `protocol`."""

    def __init__(self, socket: WebSocket, protocol: str) -> None:
        self._socket = socket
        self._is_base64 = "base64." in protocol
        self.has_status = protocol in (*FOURTH, *FIFTH)

    async def send(self, channel: int, data: bytes) -> None:
        """Waits while the client is slow. ClientGone."""
        if self._is_base64:
            await send_text(self._socket, chr(_ZERO + channel) + base64.b64encode(data).decode())
        else:
            await send(self._socket, bytes([channel]) + data)

    async def receive(self) -> tuple[int, bytes] | None:
        """The next message's channel and data; None when the client has gone. Unreadable ones are passed
        over, as upstream does."""
        while (message := await receive(self._socket)) is not None:
            if not message:
                continue
            if not self._is_base64:
                return message[0], message[1:]
            try:
                return message[0] - _ZERO, base64.b64decode(message[1:], validate=True)
            except binascii.Error:
                continue
        return None
