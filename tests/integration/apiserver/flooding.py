"""A client that floods, as a process of its own so that it does not slow down whoever measures.

`python -m tests.integration.apiserver.flooding PORT CA_FILE SECONDS CONNECTIONS METHOD PATH BODY` prints
how often each status was answered, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from collections import Counter

from tests.integration.ending import gone

TOKEN = "flood"


def request(method: str, path: str, token: str, body: bytes = b"") -> bytes:
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def read_answer(reader: asyncio.StreamReader) -> int:
    """Its status; the body is read and thrown away."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b"content-length: " in head:
        await reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r\n")[0]))
    else:
        while size := int(await reader.readline(), 16):
            await reader.readexactly(size + 2)
        await reader.readline()
    return int(head.split(b" ", 2)[1])


async def flood(port: int, ca: str, message: bytes, until: float, seen: Counter[int]) -> None:
    context = ssl.create_default_context(cafile=ca)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        while time.monotonic() < until:
            writer.write(message)
            seen[await read_answer(reader)] += 1
    finally:
        await gone(writer)


async def main(port: str, ca: str, seconds: str, connections: str, *what: str) -> None:
    method, path, body = what
    message = request(method, path, TOKEN, body.encode())
    seen: Counter[int] = Counter()
    until = time.monotonic() + float(seconds)
    async with asyncio.TaskGroup() as group:
        for _ in range(int(connections)):
            group.create_task(flood(int(port), ca, message, until, seen))
    print(json.dumps(seen))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
