"""What every verb of the API needs: which server, which namespace, what it serves.

`with_session` gives a verb the connection options (`--kubeconfig`, `--context`, `-n`, `--server`)
without each one spelling them: the verb's function takes a Session first, typer sees the options.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.discovery import Catalogue
from cli.errors import CliError
from cli.http import Api
from wherry.client.kubeconfig import ClientConfig, ConfigError, load

ADMIN_KUBECONFIG = Path("/etc/wherry/admin.kubeconfig")

Kubeconfig = Annotated[str, typer.Option("--kubeconfig", help="Path of the kubeconfig file.")]
Context = Annotated[str, typer.Option("--context", help="The kubeconfig's context to use.")]
Namespace = Annotated[str, typer.Option("--namespace", "-n", help="The namespace to work in.")]
ServerUrl = Annotated[str, typer.Option("--server", "-s", help="The API server's address.")]

_OPTIONS = {
    "kubeconfig": Kubeconfig, "context": Context, "namespace": Namespace, "server": ServerUrl,
}  # fmt: skip


@dataclass(frozen=True)
class Place:
    """The connection options as given; empty where not."""

    kubeconfig: str = ""
    context: str = ""
    namespace: str = ""
    server: str = ""

    def over(self, outer: Place) -> Place:
        """These, or where they say nothing, the outer ones (given before the verb)."""
        return Place(
            self.kubeconfig or outer.kubeconfig,
            self.context or outer.context,
            self.namespace or outer.namespace,
            self.server or outer.server,
        )


@dataclass
class Session:
    """One command's view of a cluster; opens nothing until asked."""

    place: Place = field(default_factory=Place)

    @cached_property
    def config(self) -> ClientConfig:
        try:
            found = load(kubeconfig_path(self.place.kubeconfig), self.place.context or None)
        except ConfigError as error:
            if self.place.server and not self.place.kubeconfig:
                return ClientConfig(self.place.server.rstrip("/"))
            raise CliError(str(error)) from error
        return replace(found, server=self.place.server.rstrip("/") or found.server)

    @cached_property
    def api(self) -> Api:
        return Api(self.config)

    @cached_property
    def catalogue(self) -> Catalogue:
        return Catalogue(self.api)

    @property
    def namespace(self) -> str:
        return self.place.namespace or self.config.namespace

    @property
    def has_namespace(self) -> bool:
        """Was a namespace asked for on the command line?"""
        return bool(self.place.namespace)


def kubeconfig_path(given: str) -> Path | None:
    """--kubeconfig, $KUBECONFIG, ~/.kube/config; else this machine's cluster's, if there is one."""
    if given:
        return Path(given)
    if os.environ.get("KUBECONFIG") or (Path.home() / ".kube" / "config").exists():
        return None
    return ADMIN_KUBECONFIG if ADMIN_KUBECONFIG.exists() else None


def with_session(verb: Callable[..., None]) -> Callable[..., None]:
    """The typer function of a verb: its own parameters and the connection options."""
    signature = inspect.signature(verb, eval_str=True)
    _, *own = signature.parameters.values()

    names = [one.name for one in own if one.annotation is typer.Context]
    context_name = names[0] if names else "context_"

    def command(**values: Any) -> None:
        context: typer.Context = values[context_name] if names else values.pop(context_name)
        given = Place(**{name: values.pop(name) for name in _OPTIONS})
        place = given.over(context.obj) if isinstance(context.obj, Place) else given
        context.obj = place  # what a verb below this one inherits
        verb(Session(place), **values)

    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        *(parameter.replace(kind=keyword) for parameter in own),
        *(
            inspect.Parameter(name, keyword, default="", annotation=kind)
            for name, kind in _OPTIONS.items()
        ),
    ]
    if not names:
        parameters.insert(0, inspect.Parameter(context_name, keyword, annotation=typer.Context))
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]  # inspect honours it
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    command.__name__, command.__doc__ = verb.__name__, verb.__doc__
    return command
