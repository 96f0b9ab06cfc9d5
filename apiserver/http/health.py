"""/healthz, /livez and /readyz: named checks, one line each when asked for.

Source: k8s.io/apiserver/pkg/server/healthz: its texts, parameters (`verbose`, `exclude`) and codes.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from apiserver.request import Response

log = logging.getLogger(__name__)

Check = Callable[[], Awaitable[str | None]]  # None when well, else what is wrong
TEXT = "text/plain; charset=utf-8"
_HEADERS = {"X-Content-Type-Options": "nosniff"}


async def report(
    endpoint: str, checks: Mapping[str, Check], *, verbose: bool, exclude: Sequence[str]
) -> Response:
    """The answer of a whole endpoint."""
    lines, failed = [], []
    for name, check in checks.items():
        if name in exclude:
            lines.append(f"[+]{name} excluded: ok")
            continue
        wrong = await check()
        if wrong is None:
            lines.append(f"[+]{name} ok")
        else:
            lines.append(f"[-]{name} failed: reason withheld")
            failed.append(f"{name}: {wrong}")
    unknown = [name for name in exclude if name not in checks]
    if unknown:
        names = ", ".join(f'"{name}"' for name in unknown)
        lines.append(f"warn: some health checks cannot be excluded: no matches for {names}")
    if failed:
        log.debug("%s check failed: %s", endpoint, "; ".join(failed))
        body = "\n".join([*lines, f"{endpoint} check failed\n"])
        return Response(500, body.encode(), TEXT, dict(_HEADERS))
    if not verbose:
        return Response(200, b"ok", TEXT, dict(_HEADERS))
    body = "\n".join([*lines, f"{endpoint} check passed\n"])
    return Response(200, body.encode(), TEXT, dict(_HEADERS))


async def report_one(check: Check | None) -> Response:
    """The answer of one check's own path."""
    if check is None:
        return Response(404, b"404 page not found\n", TEXT, dict(_HEADERS))
    wrong = await check()
    if wrong is None:
        return Response(200, b"ok", TEXT, dict(_HEADERS))
    body = f"internal server error: {wrong}\n".encode()
    return Response(500, body, TEXT, dict(_HEADERS))


async def well() -> str | None:
    """The check of a server that answers at all."""
    return None
