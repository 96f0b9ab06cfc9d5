"""Starts of the API server that must fail, in this process: a process of its own takes seconds."""

from __future__ import annotations

import asyncio
from pathlib import Path

from apiserver.config import BadFlag, parse
from apiserver.server import Server
from tests.integration.conftest import free_port
from wherry.daemon.process import StartError

START_SECONDS_MAX = 60.0


async def refusal(folder: Path, *flags: str) -> str:
    """Why the server does not start with these flags, as its one line says it. Nothing is in etcd's place."""
    always = (
        "--etcd-servers=http://127.0.0.1:1", "--bind-address=127.0.0.1",
        f"--secure-port={free_port()}", f"--cert-dir={folder}",
    )  # fmt: skip
    try:
        config = parse((*always, *flags))
        async with asyncio.timeout(START_SECONDS_MAX):
            await Server(config).run()
    except BadFlag as error:
        return str(error)
    except StartError as error:
        return str(error)
    raise AssertionError("it started")
