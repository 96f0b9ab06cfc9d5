"""Requests grown by schemathesis from our OpenAPI document, which is all it knows of us.

`joined_document` makes one document of those of the groups, `run` sends requests for a time.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import sys
from pathlib import Path
from typing import Any

import httpx

# What needs a kubelet, and the old watch paths, which never end.
LEFT_OUT = re.compile(r"/(log|exec|attach|portforward|proxy)(/|$)|/watch/").search
CHECKS = "answered_sensibly,content_type_conformance,response_schema_conformance,use_after_free"
REQUEST_SECONDS_MAX = 60
ENDING_SECONDS_MAX = 120  # beyond its time: it reads the document first and reports last
HOOKS = "tests.integration.apiserver.grown_hooks"
ROOT = Path(__file__).parents[3]

Tree = dict[str, Any]


async def joined_document(client: httpx.AsyncClient, seed: int) -> Tree:
    """The documents of all groups as one, its paths in an order drawn by the seed."""
    index = (await client.get("/openapi/v3")).json()["paths"]
    paths: Tree = {}
    schemas: Tree = {}
    for one in index.values():
        tree = (await client.get(one["serverRelativeURL"])).json()
        paths |= {path: item for path, item in tree["paths"].items() if not LEFT_OUT(path)}
        schemas |= tree.get("components", {}).get("schemas", {})
    for schema in schemas.values():
        for value in schema.get("properties", {}).values():
            # A nil slice, map or pointer that Go always writes is null on the wire.
            value["nullable"] = True
    for item in paths.values():
        for answer in item.get("delete", {}).get("responses", {}).values():
            answer.pop("content", None)  # a Status, it says; the object, where it has to wait
    shuffled = [*paths.items()]
    random.Random(seed).shuffle(shuffled)
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "1"},
        "paths": dict(shuffled),
        "components": {"schemas": schemas},
    }


async def run(url: str, ca: Path, token: str, document: Path, seed: int, seconds: float) -> str:
    """Send requests for so long; what was found wrong, empty when nothing was."""
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", str(document), f"--url={url}",
        f"--header=Authorization: Bearer {token}", f"--tls-verify={ca}", f"--seed={seed}",
        f"--max-time={max(1, round(seconds))}", f"--checks={CHECKS}", "--phases=fuzzing,coverage",
        f"--request-timeout={REQUEST_SECONDS_MAX}", "--workers=1", "--no-shrink", "--warnings=off",
    ]  # fmt: skip
    environment = {
        **os.environ, "SCHEMATHESIS_HOOKS": HOOKS, "PYTHONPATH": str(ROOT), "NO_COLOR": "1",
        "WHERRY_FUZZ_SEED": str(seed),
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        *command, cwd=document.parent, env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(seconds + ENDING_SECONDS_MAX):
            said, _ = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    text = said.decode(errors="replace")
    print(text[text.rfind("Test cases:") :])
    return "" if process.returncode == 0 else text
