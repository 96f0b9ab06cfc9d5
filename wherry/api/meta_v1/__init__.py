"""The types of the meta group, v1. A name is imported when it is first asked for."""

from __future__ import annotations

from wherry.api.lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "meta": (
            "Condition",
            "FieldSelectorRequirement",
            "LabelSelector",
            "LabelSelectorRequirement",
            "ListMeta",
            "ManagedFieldsEntry",
            "ObjectMeta",
            "OwnerReference",
        ),
        "status": ("DeleteOptions", "Preconditions", "Status", "StatusCause", "StatusDetails"),
    },
)
