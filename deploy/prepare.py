"""What must lie ready before daemons start: users, certificates, the folders they own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime

from deploy import keeper
from deploy.cluster import etcd_data
from deploy.cluster_pki import inventory
from deploy.encryption import ensure_encryption
from deploy.inventory import Inventory
from deploy.places import ControlPlane, Machine
from deploy.preflight import Problem
from deploy.reveal import Closed, program_folders, reveal
from deploy.users import ensure_users, own_tree


def without_root(place: ControlPlane, say: Callable[[str], None]) -> ControlPlane:
    """The place with daemons that run as users of their own, who are made if need be.

    As it was, where a folder they need is for root alone or nobody can be added to this machine.
    """
    try:
        view = reveal([*program_folders(), place.config_dir, place.data_dir])
        ensure_users()
    except (Closed, Problem) as problem:
        say(f"  the control plane runs as root: {problem}")
        return place
    return replace(place, unprivileged=True, reveal=view)


def prepare(place: ControlPlane, machines: Iterable[Machine]) -> Inventory:
    """Make keys, certificates and kubeconfigs that are missing or due; what there is then."""
    machines = tuple(machines)
    wanted = inventory(place, machines)
    place.pki.mkdir(mode=0o755, parents=True, exist_ok=True)
    wanted.write()
    keeper.advance(wanted, datetime.now(UTC))
    ensure_encryption(place.pki, place.user("apiserver"))
    for node in machines:  # volumes hold Secrets: nobody else's to look at
        (node.directory / "kubelet").mkdir(mode=0o750, parents=True, exist_ok=True)
    if place.unprivileged:
        own_tree(etcd_data(place), place.user("etcd"))
        place.data_dir.chmod(0o755)
    return wanted
