"""Answers for people: JSON over several lines, YAML. Everything inside is JSON in one line.

YAML is as sigs.k8s.io/yaml writes it: keys sorted, lists not indented.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

import orjson
import yaml

from apiserver.accept import JSON, YAML, Style, style_of
from apiserver.request import RequestContext, Response

LOOP_BYTES_MAX: Final = 64 * 1024  # rewriting more than this would hold the loop for milliseconds


def wanted_style(ctx: RequestContext) -> Style:
    """How this request's answer is to be written."""
    return style_of(ctx.accept, ctx.query.get("pretty", ""), ctx.user_agent)


async def restyled(answer: Response, style: Style) -> Response:
    """The answer written as asked for; what is not JSON stays as it is."""
    if answer.content_type.partition(";")[0] != JSON or not answer.body:
        return answer
    body = answer.body if isinstance(answer.body, bytes) else await _whole(answer.body)
    written = (
        _rewritten(body, style)
        if len(body) <= LOOP_BYTES_MAX
        else await asyncio.to_thread(_rewritten, body, style)
    )
    content_type = answer.content_type.replace(JSON, style.media, 1)
    return replace(answer, body=written, content_type=content_type)


async def _whole(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


def _rewritten(body: bytes, style: Style) -> bytes:
    tree = orjson.loads(body)
    if style.media == YAML:
        written: bytes = yaml.dump(
            tree, Dumper=yaml.CSafeDumper, encoding="utf-8", allow_unicode=True, width=2**31 - 1
        )
        return written
    return orjson.dumps(tree, option=orjson.OPT_INDENT_2)
