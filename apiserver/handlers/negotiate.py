"""What form of an object an `Accept` header asks for: the object, a Table row, its metadata only.

Source: k8s.io/apiserver/pkg/endpoints/handlers/negotiation.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, NamedTuple

from wherry.api.errors import status_error

META_GROUP = "meta.k8s.io"
_JSON_TYPES = frozenset({"application/json", "application/*", "*/*"})
_FORMS = {"Table": ("v1", "v1beta1"), "PartialObjectMetadata": ("v1", "v1beta1"),
          "PartialObjectMetadataList": ("v1", "v1beta1")}  # fmt: skip
_KNOWN = (
    "application/json",
    "application/json;as=Table;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
)
ACCEPTS_KEPT_MAX = 256


class Form(NamedTuple):
    """How to show objects. `version` is that of meta.k8s.io."""

    kind: Literal["object", "table", "partial"]
    version: str = "v1"


OBJECT = Form("object")


@lru_cache(maxsize=ACCEPTS_KEPT_MAX)
def form_of(accept: str) -> Form:
    """The first form of the header that we know; ApiError 406 when there is none."""
    if not accept:
        return OBJECT
    for clause in accept.split(","):
        media, *parameters = (part.strip() for part in clause.split(";"))
        if media not in _JSON_TYPES:
            continue
        values = dict(part.partition("=")[::2] for part in parameters)
        wanted = values.get("as", "")
        if not wanted:
            return OBJECT
        version = values.get("v", "")
        if values.get("g") == META_GROUP and version in _FORMS.get(wanted, ()):
            return Form("table" if wanted == "Table" else "partial", version)
    words = ", ".join(_KNOWN)
    raise status_error("NotAcceptable", f"only the following media types are accepted: {words}")
