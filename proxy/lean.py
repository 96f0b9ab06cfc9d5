"""Makes the objects that a proxy remembers small: it follows every Service and slice of the cluster.

Equal pieces are shared (most ports and conditions are alike), and what pydantic remembers for copying
and writing is dropped, which is half the memory. For objects that are only read from then on.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

from proxy.models import ContainerPort, PodCondition, ServicePort
from wherry.api.discovery_v1.endpointslice import EndpointConditions, EndpointPort
from wherry.api.model import Model

M = TypeVar("M", bound=Model)
ALIKE: Final = (EndpointConditions, EndpointPort, ServicePort, ContainerPort, PodCondition)
SHARED_MAX: Final = 4096
_NOTHING: Final[frozenset[str]] = frozenset()
_shared: dict[tuple[Any, ...], Any] = {}


def lean(obj: M) -> M:
    """The same, smaller. Nobody else may know `obj` yet; it cannot be copied or written any more."""
    fields = obj.__dict__
    for name, value in fields.items():
        if isinstance(value, Model):
            fields[name] = lean(value)
        elif isinstance(value, list):
            value[:] = [lean(one) if isinstance(one, Model) else one for one in value]
    object.__setattr__(obj, "__pydantic_fields_set__", _NOTHING)
    if not isinstance(obj, ALIKE):
        return obj
    if len(_shared) >= SHARED_MAX:
        _shared.clear()
    found: M = _shared.setdefault((type(obj), *fields.values()), obj)
    return found
