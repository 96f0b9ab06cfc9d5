"""`wherry-apiserver`: flags, logging, and the process around the server."""

from __future__ import annotations

import logging
import resource

from apiserver.config import BadFlag, Config, parse
from apiserver.memory import limit_arenas
from wherry.daemon import logs
from wherry.daemon.process import fail, run


def raise_files() -> None:
    """As many open files as may be: each connection is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def serve(config: Config) -> None:
    """Import and run the server: its imports are most of the start's time, flags come first."""
    from apiserver.server import Server

    await Server(config).run()


def main() -> None:
    limit_arenas()
    raise_files()
    try:
        config = parse()
    except BadFlag as error:
        fail(f"wherry-apiserver: {error}", "run 'wherry-apiserver --help'")
    logs.configure("apiserver", logs.level_of(config.verbosity))
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    run(lambda: serve(config), component="apiserver")


if __name__ == "__main__":
    main()
