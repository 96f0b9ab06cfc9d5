"""The list of verbs. A verb's module is imported only when that verb is called."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

# Verbs that start and stop processes on this machine: typer functions of `deploy.commands`.
DEPLOY = {
    "up": "up",
    "join": "join_command",
    "leave": "leave_command",
    "down": "down",
    "status": "status",
    "lab": "lab_app",
}

# Verbs that speak to an API server → (module, function; empty when it has only verbs below it).
VERBS = {
    "get": ("get", "get"),
    "describe": ("describe", "describe"),
    "apply": ("apply", "apply"),
    "create": ("create", "create"),
    "delete": ("delete", "delete"),
    "logs": ("logs", "logs"),
    "exec": ("exec", "exec_"),
    "attach": ("attach", "attach"),
    "port-forward": ("port_forward", "port_forward"),
    "scale": ("scale", "scale"),
    "rollout": ("rollout", ""),
    "api-resources": ("api_resources", "api_resources"),
    "certs": ("certs", "certs"),
    "token": ("token", ""),
    "secrets": ("secrets", ""),
    "version": ("version", "version"),
}


@dataclass(frozen=True)
class Verb:
    """A verb's function, if it can stand alone, and the verbs below it (as in `rollout undo`)."""

    alone: Callable[..., None] | None
    below: Mapping[str, Callable[..., None]] = field(default_factory=dict)
    help: str = ""


def load(name: str) -> Any:
    """A Verb; or what typer is to be given, for a verb of DEPLOY."""
    if name in DEPLOY:
        return getattr(importlib.import_module("deploy.commands"), DEPLOY[name])
    module_name, function = VERBS[name]
    module = importlib.import_module(f"cli.verbs.{module_name}")
    alone = getattr(module, function) if function else None
    help_ = (alone.__doc__ if alone is not None else getattr(module, "HELP", "")) or ""
    return Verb(alone, getattr(module, "VERBS", {}), help_)
