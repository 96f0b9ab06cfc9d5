"""Which CNI network a node uses: the administrator's, else the default bridge. Pure but for reading.

As the ecosystem does it: the first file by name in the configuration folder wins; a `.conf` or
`.json` file is a list of one plug-in. Our own default is never written into that folder (another
tool may own it): it is computed from the node's pod range and handed to the plug-ins directly.

Source: the CNI specification 1.0 and what `containerd` and upstream's node images do with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

CNI_VERSION = "0.4.0"  # the newest that Debian 12's plug-ins speak for every one of ours
DEFAULT_NETWORK = "wherry"
DEFAULT_BRIDGE = "wherry0"
SUFFIXES = frozenset({".conf", ".conflist", ".json"})


class ConfigurationError(Exception):
    """A file in the CNI configuration folder that can't be used."""


@dataclass(frozen=True, slots=True)
class Network:
    """A list of plug-ins to call in order (in reverse for DEL)."""

    name: str
    cni_version: str
    plugins: tuple[Mapping[str, Any], ...]


def parse(text: bytes, source: str) -> Network:
    """A configuration list or a single plug-in's configuration."""
    try:
        tree = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ConfigurationError(f"{source}: {error}") from error
    plugins: Sequence[Mapping[str, Any]] = tree.get("plugins") or ([tree] if "type" in tree else [])
    if not tree.get("name") or not plugins or not all(plugin.get("type") for plugin in plugins):
        raise ConfigurationError(f"{source}: needs a name and plug-ins with a type")
    return Network(tree["name"], tree.get("cniVersion", CNI_VERSION), tuple(plugins))


def load(folder: Path) -> Network | None:
    """The first configuration by file name; None when there is none."""
    if not folder.is_dir():
        return None
    for path in sorted(folder.iterdir()):
        if path.suffix in SUFFIXES and path.is_file():
            return parse(path.read_bytes(), str(path))
    return None


def default(
    pod_cidr: str, data_dir: Path, *, host_ports: bool, bridge: str = DEFAULT_BRIDGE
) -> Network:
    """A bridge with the node's pod range. Masquerade is not here: the proxy does it for the cluster.

    Most pods have no host ports, and starting a plug-in that has nothing to do takes its time.
    """
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True}
    return Network(
        DEFAULT_NETWORK,
        CNI_VERSION,
        (
            {
                "type": "bridge",
                "bridge": bridge,
                "isGateway": True,
                # A node that was given another range keeps its bridge.
                "forceAddress": True,
                "ipMasq": False,
                # Lets a pod reach itself through its own Service.
                "hairpinMode": True,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": pod_cidr}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                    "dataDir": str(data_dir),
                },
            },
            *([portmap] if host_ports else []),
        ),
    )


def request(
    network: Network,
    plugin: Mapping[str, Any],
    previous: Mapping[str, Any] | None,
    port_mappings: Sequence[Mapping[str, Any]],
) -> bytes:
    """What one plug-in reads on its standard input."""
    tree = {
        **{key: value for key, value in plugin.items() if key != "capabilities"},
        "name": network.name,
        "cniVersion": network.cni_version,
    }
    if previous is not None:
        tree["prevResult"] = previous
    if port_mappings and plugin.get("capabilities", {}).get("portMappings"):
        tree["runtimeConfig"] = {"portMappings": list(port_mappings)}
    return orjson.dumps(tree)


def addresses(result: Mapping[str, Any]) -> list[str]:
    """The pod's addresses, without prefix length, in the plug-in's order."""
    return [ip["address"].split("/")[0] for ip in result.get("ips", ())]
