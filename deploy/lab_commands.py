"""The verbs of the lab: `wherry lab up`, `cut`, `slow`, `stop`, `start`, `heal`, `status`, `load`, `down`.

Only words and options here; what is done is in `lab.py` and `outages.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from deploy import lab, outages
from deploy.faults import Slow
from deploy.preflight import Problem
from deploy.remembered import Words

Timeout = Annotated[float, typer.Option("--timeout", help="Seconds to wait for readiness.")]
DualStack = Annotated[
    bool, typer.Option("--dual-stack", help="Pods, Services: an address of each IP family.")
]
PodNetwork = Annotated[
    str, typer.Option("--pod-network", help="auto (default), direct, vxlan or none (others').")
]
LabDir = Annotated[Path, typer.Option("--dir", help="The lab's folder.")]
Machine = Annotated[str, typer.Argument(help="A machine's name: node1 ..., or control-plane.")]

LAB_DIR = Path("/var/lib/wherry-lab")

lab_app = typer.Typer(help="A cluster of several machines on this one host.", no_args_is_help=True)


def say(text: str) -> None:
    sys.stderr.write(text + "\n")


@contextmanager
def problems() -> Iterator[None]:
    """A problem is told in two short lines, not as a traceback."""
    try:
        yield
    except Problem as problem:
        say(f"wherry: {problem.cause}")
        say(f"fix: {problem.fix}")
        raise typer.Exit(1) from problem


def _flags(words: list[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for word in words:
        name, equals, flag = word.partition("=")
        if not equals or not flag.startswith("--"):
            raise Problem(f"--flag {word}: not DAEMON=--NAME=VALUE", "--flag kubelet=--v=4")
        found[name] = (*found.get(name, ()), flag)
    return found


@lab_app.command("up")
def lab_up(
    nodes: Annotated[int | None, typer.Option(help="How many machines; default: 2.")] = None,
    subnets: Annotated[
        int | None, typer.Option(help="How many L2 networks they are spread over; default: 1.")
    ] = None,
    standby: Annotated[
        int | None,
        typer.Option(
            help="How many machines also run a controller manager and a scheduler; default: 0."
        ),
    ] = None,
    dual_stack: DualStack = False,
    pod_network: PodNetwork = "",
    flag: Annotated[
        list[str] | None,
        typer.Option(help="One more of a daemon's: kubelet=--v=4, or node1/kubelet=--v=4."),
    ] = None,
    directory: LabDir = LAB_DIR,
    timeout: Timeout = 120.0,
) -> None:
    """Start a lab, or the one that is there again; returns once every machine's node is Ready."""
    with problems():
        words, flags = Words(dual_stack=dual_stack, pod_network=pod_network), _flags(flag or [])
        shape = lab.wanted(directory, words, nodes=nodes, subnets=subnets, standby=standby)
        made = lab.up(directory, shape, say, timeout, flags=flags)
    say(f"the lab is up: {', '.join(made.wires.machines)}")
    say(f"  export KUBECONFIG={made.kubeconfig}")


@lab_app.command("status")
def lab_status(directory: LabDir = LAB_DIR) -> None:
    """Show the lab's machines, and what is wrong with each."""
    with problems():
        rows = outages.describe(directory)
    for row in (("MACHINE", "NETWORK", "ADDRESS", "IPV6", "FAULTS"), *rows):
        name, network, address, address6, wrong = row
        sys.stdout.write(f"{name:<16}{network:<19}{address:<17}{address6:<24}{wrong}\n")


@lab_app.command("cut")
def lab_cut(
    machine: Machine,
    other: Annotated[str, typer.Argument(help="From this one only.")] = "",
    directory: LabDir = LAB_DIR,
) -> None:
    """Lose everything between two machines, or between one and all others."""
    with problems():
        outages.cut(directory, machine, other)


@lab_app.command("slow")
def lab_slow(
    machine: Machine,
    rate: Annotated[str, typer.Option(help="As tc takes it: 1mbit.")] = "",
    delay: Annotated[str, typer.Option(help="As tc takes it: 50ms.")] = "",
    loss: Annotated[str, typer.Option(help="As tc takes it: 2%.")] = "",
    directory: LabDir = LAB_DIR,
) -> None:
    """Slow a machine's link down, both ways (delay and loss need the kernel's netem)."""
    with problems():
        outages.slow(directory, machine, Slow(rate, delay, loss), say)


@lab_app.command("heal")
def lab_heal(directory: LabDir = LAB_DIR) -> None:
    """Undo all cuts and slows; machines that are off stay off."""
    with problems():
        outages.heal(directory)


@lab_app.command("stop")
def lab_stop(machine: Machine, directory: LabDir = LAB_DIR) -> None:
    """Power off: all of the machine's processes are killed at once, its network is gone."""
    with problems():
        outages.stop(directory, machine)


@lab_app.command("start")
def lab_start(machine: Machine, directory: LabDir = LAB_DIR, timeout: Timeout = 120.0) -> None:
    """Power on again; returns once the machine's node is Ready."""
    with problems():
        outages.start(directory, machine, timeout, say)


@lab_app.command("down")
def lab_down(directory: LabDir = LAB_DIR) -> None:
    """Stop a lab and remove all of it."""
    with problems():
        lab.down(directory)
    say("the lab is gone")


@lab_app.command("load")
def lab_load(archive: Path, directory: LabDir = LAB_DIR) -> None:
    """Load an image archive (docker save) into every machine."""
    with problems():
        lab.load(directory, archive, say)
