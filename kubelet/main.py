"""`wherry-kubelet`: flags in, process out."""

from __future__ import annotations

from wherry.daemon import logs, process
from wherry.daemon.process import StartError


def main() -> None:
    """Parse the flags and run until told to stop."""
    from kubelet.config import parse

    try:
        config = parse()
    except StartError as error:
        process.fail(error.cause, error.fix)
    logs.configure("kubelet", logs.level_of(config.verbosity))

    async def run() -> None:
        from kubelet.kubelet import run as run_kubelet

        await run_kubelet(config)

    process.run(run, component="kubelet")


if __name__ == "__main__":
    main()
