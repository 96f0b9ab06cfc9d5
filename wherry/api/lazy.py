"""Lazy re-exports: a package of many models pays only for those that are asked for.

What type checkers and editors see is the `__init__.pyi` beside each `__init__.py`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def lazy_exports(
    package: str, modules: Mapping[str, tuple[str, ...]]
) -> tuple[Callable[[str], Any], list[str]]:
    """`__getattr__` and `__all__` of a package whose submodules hold the named classes."""
    home = {name: module for module, names in modules.items() for name in names}

    def getattr_(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{home[name]}"), name)

    return getattr_, sorted(home)
