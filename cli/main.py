"""`wherry`: the command for people.

A verb's module is imported only when that verb is asked for, so that `get` does not pay for
`apply`. Data goes to stdout, talk to stderr. Here are only the list of verbs and the words for
what goes wrong; `up`, `down`, `status` and `lab` live in `deploy.commands`.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from cli.errors import CliError, api_words
from cli.session import Context, Kubeconfig, Namespace, Place, ServerUrl
from wherry.api.errors import ApiError

# verb → (module, attribute): a function, or a Typer of further verbs
VERBS = {
    "up": ("deploy.commands", "up"),
    "down": ("deploy.commands", "down"),
    "status": ("deploy.commands", "status"),
    "lab": ("deploy.commands", "lab_app"),
    "get": ("cli.verbs.get", "command"),
    "describe": ("cli.verbs.describe", "command"),
    "apply": ("cli.verbs.apply", "command"),
    "create": ("cli.verbs.create", "app"),
    "delete": ("cli.verbs.delete", "command"),
    "logs": ("cli.verbs.logs", "command"),
    "exec": ("cli.verbs.exec", "command"),
    "scale": ("cli.verbs.scale", "command"),
    "rollout": ("cli.verbs.rollout", "app"),
    "api-resources": ("cli.verbs.api_resources", "command"),
    "version": ("cli.verbs.version", "command"),
}
INTERRUPTED = 130
# Flags that are on unless told otherwise, and those whose value is a text that may be "true".
NEGATABLE_FLAGS = ("--wait", "--watch", "--namespaced")
TEXT_FLAGS = ("--selector", "--from-literal", "--from-file", "--field-selector", "--to-revision")


class VerbGroup(TyperGroup):
    """Commands that are loaded when they are called (or listed by --help)."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in VERBS:
            return None
        module, attribute = VERBS[cmd_name]
        found = getattr(importlib.import_module(module), attribute)
        command: Any = typer.main.get_command(_as_app(cmd_name, found))
        command.name = cmd_name
        return command


def _as_app(name: str, found: typer.Typer | Callable[..., None]) -> typer.Typer:
    if isinstance(found, typer.Typer):
        return found
    app = typer.Typer(**_STYLE)
    app.command(name)(found)
    return app


_STYLE: dict[str, Any] = {
    "add_completion": False,
    "rich_markup_mode": None,  # rich costs a tenth of a second
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}

app = typer.Typer(cls=VerbGroup, no_args_is_help=True, **_STYLE)


@app.callback()
def root(
    context_: typer.Context,
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    namespace: Namespace = "",
    server: ServerUrl = "",
) -> None:
    """Run containers on several machines: a small container orchestrator with the Kubernetes API."""
    context_.obj = Place(kubeconfig, context, namespace, server)


def main() -> None:
    """The console script."""
    code = 0
    try:
        app(plain_flags(sys.argv[1:]), standalone_mode=True)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except CliError as error:
        _say(error.words())
        code = error.code
    except ApiError as error:
        _say(api_words(error))
        code = 1
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:  # `wherry get pods | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 1
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    raise SystemExit(code)


def plain_flags(words: Sequence[str]) -> list[str]:
    """`--wait=false` and its like, which kubectl's users write, as this parser knows them."""
    found: list[str] = []
    for index, word in enumerate(words):
        if word == "--":
            return [*found, *words[index:]]
        name, equals, value = word.partition("=")
        if not equals or value not in ("true", "false") or not name.startswith("--"):
            found.append(word)
        elif value == "true" and name not in TEXT_FLAGS:
            found.append(name)
        elif name in NEGATABLE_FLAGS:
            found.append(f"--no-{name[2:]}")
        elif name in TEXT_FLAGS:
            found.append(word)
    return found


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    main()
