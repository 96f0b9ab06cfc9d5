"""What every verb of the API needs: which server, which namespace, what it serves."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from cli.discovery import Catalogue
from cli.errors import CliError
from cli.http import Api
from cli.options import Option, Parameter, parameters
from wherry.client.kubeconfig import ClientConfig, ConfigError, load

ADMIN_KUBECONFIG = Path("/etc/wherry/admin.kubeconfig")


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


def connection(
    kubeconfig: Annotated[str, Option("--kubeconfig", help="The kubeconfig file.")] = "",
    context: Annotated[str, Option("--context", help="The kubeconfig's context.")] = "",
    namespace: Annotated[str, Option("-n", "--namespace", help="The namespace.")] = "",
    server: Annotated[str, Option("-s", "--server", help="The API server's address.")] = "",
) -> Place:
    """The options that every verb takes beside its own."""
    return Place(kubeconfig, context, namespace, server)


CONNECTION: tuple[Parameter, ...] = tuple(parameters(connection))


def call(verb: Callable[..., None], values: dict[str, Any], outer: Place | None = None) -> Place:
    """Run a verb with the values of its own and the connection's options."""
    place = connection(**{one.name: values.pop(one.name) for one in CONNECTION})
    place = place.over(outer) if outer is not None else place
    verb(Session(place), **values)
    return place
