"""`wherry`: the command for people.

Data goes to stdout, talk to stderr. The command line is read by `options.read` when it is plain and
by typer (`front.py`) when it is not: most of a command's time would otherwise go into reading it.
Here is only the way from words to a verb, and the words for what goes wrong.
"""

from __future__ import annotations

import os
import sys

from cli.errors import CliError, api_words
from cli.options import Exit, parameters, read, verb_first
from cli.verbs import VERBS, Verb, load
from wherry.api.errors import ApiError

INTERRUPTED = 130


def run(words: list[str]) -> None:
    """Run the command line; typer's SystemExit, Exit, CliError and ApiError are its ends."""
    verb, *rest = verb_first(words) or [""]
    if verb not in VERBS or not _run_quickly(load(verb), rest):
        from cli.front import run as run_typer

        run_typer(words)


def _run_quickly(verb: Verb, words: list[str]) -> bool:
    """Run the verb if its command line is plain; False when it isn't."""
    from cli.session import CONNECTION, call

    function = verb.alone
    if verb.below:
        below, *rest = verb_first(words) or [""]
        if below in verb.below:
            function, words = verb.below[below], rest
    if function is None:
        return False
    values = read([*parameters(function), *CONNECTION], words)
    if values is None:
        return False
    call(function, values)
    return True


def main() -> None:
    """The console script."""
    code = 0
    try:
        run(sys.argv[1:])
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except Exit as ended:
        code = ended.code
    except CliError as error:
        _say(error.words())
        code = error.code
    except ApiError as error:
        _say(api_words(error))
        code = 1
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:  # `wherry get pods | head`
        code = 1
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    raise SystemExit(code)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    main()
