"""What ports of containers, Services and endpoints share."""

from __future__ import annotations

from typing import Final

TCP: Final = "TCP"
PROTOCOLS: Final = ("SCTP", "TCP", "UDP")
