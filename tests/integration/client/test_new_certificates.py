"""A client whose certificate has changed speaks over new connections, and loses no request."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

from deploy.pki import ensure_authority, ensure_certificate
from wherry.client.kubeconfig import ClientConfig
from wherry.client.raw import RawClient
from wherry.daemon.tls import server_context

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


async def test_connections_follow_the_certificate(tmp_path: Path) -> None:
    authority = ensure_authority(tmp_path)
    serving = ensure_certificate(authority, tmp_path, "server", "s", (), ("127.0.0.1",))
    mine = ensure_certificate(authority, tmp_path, "client", "first")
    other = ensure_certificate(authority, tmp_path, "other", "second")
    seen: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        shown = writer.get_extra_info("ssl_object").getpeercert()
        name = dict(part[0] for part in shown["subject"])["commonName"]
        while head := await reader.readuntil(b"\r\n\r\n") if not reader.at_eof() else b"":
            assert head.startswith(b"GET ")
            seen.append(name)
            writer.write(ANSWER)

    async def forgiving(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    context = server_context(serving.certificate, serving.key, authority.path)
    context.verify_mode = ssl.CERT_REQUIRED
    server = await asyncio.start_server(forgiving, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    config = ClientConfig(
        f"https://127.0.0.1:{port}", ca_file=str(authority.path),
        cert_file=str(mine.certificate), key_file=str(mine.key),
    )  # fmt: skip
    async with server, RawClient(config) as client:
        for _ in range(3):
            await client.request("GET", "/")
        assert seen == ["first"] * 3
        mine.key.write_bytes(other.key.read_bytes())
        mine.certificate.write_bytes(other.certificate.read_bytes())
        async with asyncio.timeout(10):
            while seen[-1] != "second":
                await client.request("GET", "/")
                await asyncio.sleep(0.1)
        await client.request("GET", "/")
        assert seen[-1] == "second"
