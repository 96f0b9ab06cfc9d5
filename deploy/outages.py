"""What can happen to a running lab: cut wires, slow ones, machines without power; and how it heals.

All is done by name and idempotent: a machine that is off may be stopped again. `control-plane` names the
machine of etcd and the API server. What is in force is kept in the lab's `faults.json`.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from deploy import faults, launch, netns, power
from deploy.cleanup import remove_tree, unmount_below
from deploy.faults import HUB, Faults, Slow, pair
from deploy.lab import Lab
from deploy.nodes import wait_nodes_ready
from deploy.preflight import Problem, need_root
from deploy.spec import Plan

Say = Callable[[str], None]


@contextmanager
def _opened(directory: Path) -> Iterator[Lab]:
    """The lab, for one who changes it at a time."""
    need_root()
    lab = Lab.read(directory.resolve())
    if launch.read_state(lab.state) is None:
        raise Problem(f"the lab in {directory} does not run", f"wherry lab up --dir {directory}")
    with lab.faults_file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lab


def cut(directory: Path, one: str, other: str = "") -> None:
    """Nothing passes between two machines; without the second, between the first and all.

    It is silent: links stay up, frames are lost. The control plane alone is cut off from every
    machine, while the host still reaches it.
    """
    with _opened(directory) as lab:
        faults.known(lab.wires, one)
        if other:
            faults.known(lab.wires, other)
        if one == other:
            raise Problem(f"a machine can't be cut from itself: {one}", f"wherry lab cut {one}")
        if one == HUB and not other:
            fresh = {pair(HUB, machine) for machine in lab.wires.machines}
        else:
            fresh = {pair(one, other)}
        _keep(lab, replace(lab.faults, cuts=lab.faults.cuts | fresh))


def slow(directory: Path, machine: str, wish: Slow, say: Say = lambda text: None) -> Slow:
    """Slow a machine's link down, both ways; what of the wish this kernel lacks is said and returned."""
    with _opened(directory) as lab:
        _node(lab, machine)
        if machine in lab.faults.stopped:
            raise Problem(f"{machine} is off", f"wherry lab start {machine}")
        if not wish.words():
            raise Problem("how slow?", f"wherry lab slow {machine} --rate 1mbit")
        lacking = faults.slow(lab.wires, machine, wish)
        if lacking.words():
            say(f"without {lacking.words()}: this kernel has no netem")
        done = replace(wish, delay="", loss="") if lacking.words() else wish
        present = {name: one for name, one in lab.faults.slow.items() if name != machine}
        if done.words():
            present[machine] = done
        _keep(lab, replace(lab.faults, slow=present))
    return lacking


def heal(directory: Path) -> None:
    """All wires are whole and fast again. Machines that are off stay off."""
    with _opened(directory) as lab:
        for machine in lab.faults.slow:
            if machine not in lab.faults.stopped:
                faults.hasten(lab.wires, machine)
        _keep(lab, Faults(stopped=lab.faults.stopped))


def stop(directory: Path, machine: str) -> None:
    """Power off: every process of the machine dies at once, its network is gone, its disk stays."""
    with _opened(directory) as lab:
        faults.known(lab.wires, machine)
        if machine in lab.faults.stopped:
            return
        _hold(lab, lab.faults.stopped | {machine})
        namespace = lab.wires.hub if machine == HUB else lab.wires.namespace(machine)
        frozen = power.freeze(namespace)
        if machine == HUB:
            netns.set_bridges(lab.wires, up=False)
            power.kill(frozen)
        else:
            netns.unplug(lab.wires, machine)
            power.kill(frozen)
            netns.remove_namespace(namespace)
            remove_tree(lab.machine(machine).run_dir)
            unmount_below(lab.machine(machine).directory)
        _keep(lab, replace(lab.faults, stopped=lab.faults.stopped | {machine}))


def start(
    directory: Path, machine: str, timeout_seconds: float, say: Say = lambda text: None,
    *, wait: bool = True,
) -> None:  # fmt: skip
    """Power on again; wait: until its daemons are ready and its node is Ready."""
    with _opened(directory) as lab:
        faults.known(lab.wires, machine)
        if machine in lab.faults.stopped:
            if machine == HUB:
                netns.set_bridges(lab.wires, up=True)
            else:
                netns.connect(lab.wires, machine)
                if machine in lab.faults.slow:
                    faults.slow(lab.wires, machine, lab.faults.slow[machine])
            _hold(lab, lab.faults.stopped - {machine})
            _keep(lab, replace(lab.faults, stopped=lab.faults.stopped - {machine}))
    if wait:
        names = daemons_of(lab, machine)
        plan = Plan.read(lab.plan_file)
        waited = tuple(one for one in plan.daemons if one.name in names)
        launch.wait_ready(replace(plan, daemons=waited), say, timeout_seconds)
        if machine != HUB:
            wait_nodes_ready(lab.kubeconfig, [machine], say, timeout_seconds)


def daemons_of(lab: Lab, machine: str) -> set[str]:
    """The names of the daemons that run on a machine."""
    namespace = lab.wires.hub if machine == HUB else lab.wires.namespace(machine)
    return {one.name for one in Plan.read(lab.plan_file).daemons if one.namespace == namespace}


def _hold(lab: Lab, off: frozenset[str]) -> None:
    launch.hold(lab.state, {name for machine in off for name in daemons_of(lab, machine)})


def _keep(lab: Lab, present: Faults) -> None:
    faults.apply_cuts(lab.wires, present)
    present.write(lab.faults_file)


def _node(lab: Lab, machine: str) -> None:
    if faults.known(lab.wires, machine) == HUB:
        raise Problem("the control plane's machine has no link of its own", "name another machine")


def describe(directory: Path) -> list[tuple[str, str, str, str, str]]:
    """A row per machine: name, network, IPv4 and IPv6 address, what is wrong with it."""
    lab = Lab.read(directory.resolve())
    wires, present = lab.wires, lab.faults
    rows = [(HUB, wires.subnet, wires.hub_address, wires.gateway6(0), present.of(HUB))]
    for name in wires.machines:
        network = wires.subnets[wires.place(name)]
        addresses = (wires.address(name), wires.address6(name))
        rows.append((name, network, *addresses, present.of(name)))
    return [(*row[:4], ", ".join(row[4]) or "-") for row in rows]
