"""What a machine must know of a cluster before it is a node, as a ConfigMap that it may read by then.

`wherry up` and `lab` write `kube-system/wherry-config`; bootstrap tokens and nodes may read it, so
nobody types ranges or addresses twice. Pure but for `publish`.

Source: kubeadm's kube-system/kubeadm-config and kubelet-config play this part upstream.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final

import httpx
import yaml

from deploy.discovery import reason
from deploy.places import Network
from deploy.preflight import Problem
from wherry import KUBERNETES_VERSION

NAMESPACE: Final = "kube-system"
NAME: Final = "wherry-config"
KEY: Final = "ClusterFacts"
PATH: Final = f"/api/v1/namespaces/{NAMESPACE}/configmaps/{NAME}"
MANAGER: Final = "wherry-deploy"


@dataclass(frozen=True)
class Facts:
    """The same on every machine of a cluster.

    kubelet, proxy: flags beside those that name this machine (the fast profile, the pod network)
    """

    network: Network = field(default_factory=Network)
    kubelet: tuple[str, ...] = ()
    proxy: tuple[str, ...] = ()
    version: str = KUBERNETES_VERSION

    def to_tree(self) -> dict[str, Any]:
        return {
            "version": self.version,
            "network": asdict(self.network),
            "kubelet": list(self.kubelet),
            "proxy": list(self.proxy),
        }

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> Facts:
        """ValueError when it is something else. What a newer cluster adds is passed over."""
        try:
            known = {one.name for one in fields(Network)}
            network = {key: value for key, value in tree["network"].items() if key in known}
            flags = {name: tuple(map(str, tree[name])) for name in ("kubelet", "proxy")}
            return cls(Network(**network), version=str(tree["version"]), **flags)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{NAMESPACE}/{NAME} does not say what a node must know") from error


@dataclass(frozen=True)
class Membership:
    """How a machine's daemons belong to a cluster.

    ca:         the file of the authorities they trust
    by_request: whether the kubelet asks for its certificates, and keeps them beside `ca`
    """

    facts: Facts
    ca: Path
    by_request: bool = False


def config_map(facts: Facts) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "data": {KEY: yaml.safe_dump(facts.to_tree(), sort_keys=False)},
    }


def read(tree: Mapping[str, Any]) -> Facts:
    """The facts in the ConfigMap. ValueError when there are none."""
    try:
        found = yaml.safe_load((tree.get("data") or {}).get(KEY, ""))
    except yaml.YAMLError as error:
        raise ValueError(f"{NAMESPACE}/{NAME} is no YAML") from error
    if not isinstance(found, Mapping):
        raise ValueError(f"{NAMESPACE}/{NAME} has no {KEY}")
    return Facts.from_tree(found)


def publish(client: httpx.Client, facts: Facts) -> None:
    """Write the ConfigMap, as the cluster's administrator. Problem when that is refused."""
    try:
        client.patch(
            PATH,
            params={"fieldManager": MANAGER, "force": "true"},
            content=json.dumps(config_map(facts)),
            headers={"Content-Type": "application/apply-patch+yaml"},
        ).raise_for_status()
    except httpx.HTTPError as error:
        raise Problem(
            f"{NAMESPACE}/{NAME} can't be written: {reason(error)}", "wherry up"
        ) from error
