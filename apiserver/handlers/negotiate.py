"""What form of an object an `Accept` header asks for: the object, a Table row, its metadata only.

Source: k8s.io/apiserver/pkg/endpoints/handlers/negotiation.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, NamedTuple

from apiserver.accept import ACCEPTS_KEPT_MAX, JSON, YAML, choices, not_acceptable
from apiserver.codec.go_names import go_package
from wherry.api.errors import status_error
from wherry.api.model import GroupVersionKind

META_GROUP = "meta.k8s.io"
_FORMS = {"Table": ("v1", "v1beta1"), "PartialObjectMetadata": ("v1", "v1beta1"),
          "PartialObjectMetadataList": ("v1", "v1beta1")}  # fmt: skip


class Form(NamedTuple):
    """How to show objects. `version` is that of meta.k8s.io, `listed` means metadata of a list."""

    kind: Literal["object", "table", "partial"]
    version: str = "v1"
    listed: bool = False


OBJECT = Form("object")


@lru_cache(maxsize=ACCEPTS_KEPT_MAX)
def form_of(accept: str, *, streamed: bool = False) -> Form:
    """The first form of the header that we know; ApiError 406 when there is none.

    streamed: a watch, which is JSON only
    """
    offered = (JSON,) if streamed else (JSON, YAML)
    for media, values in choices(accept):
        if media not in offered:
            continue
        wanted = values.get("as", "")
        if not wanted:
            return OBJECT
        version = values.get("v", "")
        if values.get("g") == META_GROUP and version in _FORMS.get(wanted, ()):
            kind: Literal["table", "partial"] = "table" if wanted == "Table" else "partial"
            return Form(kind, version, wanted.endswith("List"))
    raise not_acceptable(*offered)


def check_form(form: Form, gvk: GroupVersionKind, *, listed: bool) -> None:
    """ApiError 406 when metadata of one object is asked of a list, or metadata of a list of one object.

    Its words name the type Go would have in hand. Source: asPartialObjectMetadata[List] of
    k8s.io/apiserver/pkg/endpoints/handlers/response.go.
    """
    if form.kind != "partial" or form.listed == listed:
        return
    shown = f"*{go_package(gvk.group)}.{gvk.kind}"
    words = f"List, but the requested object is not a list ({shown})"
    if listed:
        words = f", but the requested object is a list ({shown}List)"
    raise status_error("NotAcceptable", f"you requested PartialObjectMetadata{words}")
