"""What the endpoints here share: reading a body as a kind, and the two usual answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from apiserver.accept import check_no_table
from apiserver.codec import managed_fields
from apiserver.codec.decode import decode
from apiserver.http.exchange import Exchange
from apiserver.registry.options import check_write, field_validation
from apiserver.request import RequestContext, Response
from wherry.api.model import TypedModel
from wherry.api.shape import shape_of

Tree = dict[str, Any]


async def body_of(model: type[TypedModel], ctx: RequestContext, exchange: Exchange) -> Tree:
    """The request's body as a canonical tree of `model`; its warnings go to the answer."""
    check_no_table(ctx.accept)
    check_write(ctx.query, "CreateOptions")
    body = await exchange.body()
    decoded = decode(model, body, ctx.content_type, field_validation(ctx.query))
    ctx.warnings.extend(decoded.warnings)
    return decoded.tree


def track_manager(model: type[TypedModel], tree: Tree, ctx: RequestContext) -> None:
    """Note who wrote the tree's fields, as upstream does for kinds that are answered, not stored."""
    managed_fields.track(
        tree,
        None,
        shape_of(model),
        manager=ctx.field_manager,
        operation="Update",
        api_version=model.GVK.api_version,
        subresource="",
        now=ctx.now,
    )


def success(code: int = 201) -> Response:
    """A Status that says it went well."""
    status = {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": code,
    }  # fmt: skip
    return Response(code, orjson.dumps(status, option=orjson.OPT_APPEND_NEWLINE))


def created(tree: Mapping[str, Any]) -> Response:
    return Response(201, orjson.dumps(tree, option=orjson.OPT_APPEND_NEWLINE))
