"""The verbs as typer knows them: for help, for mistakes, for the verbs of `deploy`.

Imported only when `options.read` does not understand the command line or the verb is typer's own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cli.options import Argument, Parameter, parameters
from cli.session import CONNECTION, Place, call, connection
from cli.verbs import DEPLOY, VERBS, Verb, load

_STYLE: dict[str, Any] = {
    "add_completion": False,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}


class VerbGroup(TyperGroup):
    """Commands that are loaded when they are called (or listed by help)."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*DEPLOY, *VERBS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in (*DEPLOY, *VERBS):
            return None
        found: Any = typer.main.get_command(_app(cmd_name))
        found.name = cmd_name
        return found


def _app(name: str) -> typer.Typer:
    """The Typer of one verb, or of a verb that has verbs below it."""
    found = load(name)
    if isinstance(found, typer.Typer):
        return found
    if not isinstance(found, Verb):
        app = typer.Typer(**_STYLE)
        app.command(name)(found)
        return app
    app = typer.Typer(help=found.help, invoke_without_command=found.alone is not None, **_STYLE)
    if found.alone is not None and not found.below:
        app.command(name)(_function(found.alone))
        return app
    if found.alone is not None:
        app.callback()(_function(found.alone, above=True))
    else:
        app.callback()(_signed(_keep_place, list(CONNECTION), found.help))
    _add_below(app, found.below)
    return app


def _add_below(app: typer.Typer, below: Mapping[str, Callable[..., None]]) -> None:
    shown: set[Callable[..., None]] = set()
    for name, verb in below.items():
        app.command(name, hidden=verb in shown)(_function(verb))
        shown.add(verb)


def _function(verb: Callable[..., None], *, above: bool = False) -> Callable[..., None]:
    """The function typer calls; its signature says what the verb and every verb take.

    `above`: it has verbs below it and runs only when none of them is called.
    """

    def command(typer_context: typer.Context, **values: Any) -> None:
        outer = typer_context.obj if isinstance(typer_context.obj, Place) else None
        if above and typer_context.invoked_subcommand is not None:
            _keep_place(typer_context, **{one.name: values[one.name] for one in CONNECTION})
            return
        call(verb, values, outer)

    return _signed(command, [*parameters(verb), *CONNECTION], verb.__doc__)


def _signed(
    command: Callable[..., None], declared: list[Parameter], doc: str | None
) -> Callable[..., None]:
    keyword = inspect.Parameter.KEYWORD_ONLY
    found = [inspect.Parameter("typer_context", keyword, annotation=typer.Context)]
    for one in declared:
        info: Any
        if isinstance(one.declared, Argument):
            info = typer.Argument(metavar=one.declared.metavar)
        else:
            info = typer.Option(*one.declared.flags, help=one.declared.help)
        annotation = one.type | None if one.default is None else one.type
        kind: Any = Annotated.__class_getitem__((annotation, info))  # type: ignore[attr-defined]  # made at run time
        found.append(inspect.Parameter(one.name, keyword, default=one.default, annotation=kind))
    command.__signature__ = inspect.Signature(found)  # type: ignore[attr-defined]  # inspect honours it
    command.__annotations__ = {one.name: one.annotation for one in found}
    command.__doc__ = doc
    return command


def _keep_place(typer_context: typer.Context, **values: Any) -> None:
    """For the verbs below: connection options may be given before any verb."""
    outer = typer_context.obj if isinstance(typer_context.obj, Place) else Place()
    typer_context.obj = connection(**values).over(outer)


def run(words: list[str]) -> None:
    """Let typer read and run the command line; SystemExit at its end."""
    app = typer.Typer(cls=VerbGroup, no_args_is_help=True, **_STYLE)
    text = "Run containers on several machines: a small orchestrator with the Kubernetes API."
    app.callback()(_signed(_keep_place, list(CONNECTION), text))
    app(words, standalone_mode=True)
