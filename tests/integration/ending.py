"""Ending a test's own connections."""

import asyncio
import contextlib


async def gone(writer: asyncio.StreamWriter) -> None:
    """Close at once and see it closed: what is left open, some other test would be blamed for."""
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
