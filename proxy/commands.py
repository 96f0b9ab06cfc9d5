"""Running the system's tools (nft, iptables, conntrack): with a deadline, and an error that tells."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

COMMAND_SECONDS_MAX: Final = 20.0
ERROR_CHARS_MAX: Final = 500


class CommandError(Exception):
    """A tool is missing, failed or took too long. `code` is its exit code, None without one."""

    def __init__(self, command: Sequence[str], code: int | None, words: str) -> None:
        super().__init__(f"{command[0]}: {words.strip()[:ERROR_CHARS_MAX]}")
        self.code = code


async def run(
    command: Sequence[str], text: str = "", *, seconds: float = COMMAND_SECONDS_MAX
) -> str:
    """The tool's output, `text` being its input; CommandError when it does not succeed."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            # A pipe only for what is read: a tool that ends early would break it.
            stdin=asyncio.subprocess.PIPE if text else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise CommandError(command, None, str(error)) from error
    try:
        async with asyncio.timeout(seconds):
            out, errors = await process.communicate(text.encode() or None)
    except TimeoutError as error:
        raise CommandError(command, None, f"no end after {seconds:.0f} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise CommandError(command, process.returncode, errors.decode(errors="replace"))
    return out.decode(errors="replace")
