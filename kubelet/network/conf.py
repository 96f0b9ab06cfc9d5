"""Which CNI network a node uses: the administrator's, else the default bridge. Pure but for reading.

As the ecosystem does it: the first file by name in the configuration folder wins, one that makes no
sense is passed over; a `.conf` or `.json` file is a list of one plug-in. Our own default is never written into that folder (another
tool may own it): it is computed from the node's pod range and handed to the plug-ins directly.

Source: the CNI specification 1.1 and what `containerd` and upstream's node images do with it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from wherry.daemon.links import BRIDGE

log = logging.getLogger(__name__)

# What we speak, the newest first. CHECK came with 0.4.0, GC and STATUS with 1.1.0.
CNI_VERSIONS = ("1.1.0", "1.0.0", "0.4.0", "0.3.1", "0.3.0", "0.2.0", "0.1.0")
CNI_VERSION = "0.4.0"  # of a configuration that names none, and the oldest of our default's
DEFAULT_NETWORK = "wherry"
DEFAULT_BRIDGE = BRIDGE
SUFFIXES = frozenset({".conf", ".conflist", ".json"})


class ConfigurationError(ValueError):
    """A file in the CNI configuration folder that can't be used."""


@dataclass(frozen=True, slots=True)
class Network:
    """A list of plug-ins to call in order (in reverse for DEL).

    versions: those the configuration allows, the newest first, where it leaves a choice
    checks, collects: whether CHECK and GC may be asked for
    """

    name: str
    cni_version: str
    plugins: tuple[Mapping[str, Any], ...]
    versions: tuple[str, ...] = ()
    checks: bool = True
    collects: bool = True

    def speaks(self, version: str) -> bool:
        """Whether this version of the specification, or a newer one, is in force."""
        return number(self.cni_version) >= number(version)


def number(version: str) -> tuple[int, ...]:
    """A version as something that can be compared; () is older than all."""
    parts = version.split(".")
    return tuple(map(int, parts)) if all(part.isdecimal() for part in parts) else ()


def parse(text: bytes, source: str) -> Network:
    """A configuration list or a single plug-in's configuration."""
    try:
        tree = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ConfigurationError(f"{source}: {error}") from error
    if not isinstance(tree, dict):
        raise ConfigurationError(f"{source}: is no object")
    plugins: Sequence[Any] = tree.get("plugins") or ([tree] if "type" in tree else [])
    named = isinstance(tree.get("name"), str) and tree["name"]
    typed = all(isinstance(one, dict) and isinstance(one.get("type"), str) for one in plugins)
    if not named or not plugins or not typed or not all(plugin["type"] for plugin in plugins):
        raise ConfigurationError(f"{source}: needs a name and plug-ins with a type")
    allowed = {str(one) for one in tree.get("cniVersions") or ()}
    version = str(tree.get("cniVersion") or CNI_VERSION)
    return Network(
        tree["name"],
        version,
        tuple(plugins),
        tuple(v for v in CNI_VERSIONS if v in allowed | {version}) if allowed else (),
        checks=tree.get("disableCheck") not in (True, "true"),
        collects=tree.get("disableGC") not in (True, "true"),
    )


def load(folder: Path) -> Network | None:
    """The first configuration by file name that can be used; None when there is none at all.

    ConfigurationError when there are files, and each is wrong: half-written, as a rule.
    """
    if not folder.is_dir():
        return None
    wrong: ConfigurationError | None = None
    for path in sorted(folder.iterdir()):
        if path.suffix in SUFFIXES and path.is_file():
            try:
                return parse(path.read_bytes(), str(path))
            except ConfigurationError as error:
                log.debug("passed over: %s", error)
                wrong = wrong or error
    if wrong is not None:
        raise wrong
    return None


def default(
    pod_cidrs: Sequence[str],
    data_dir: Path,
    *,
    host_ports: bool,
    mtu: int = 0,
    bridge: str = DEFAULT_BRIDGE,
) -> Network:
    """A bridge with the node's pod ranges, one of each IP family, the preferred one first.

    Masquerade is not here: the proxy does it for the cluster. mtu: of bridge and pods' interfaces; 0 =
    the plug-in's choice. Most pods have no host ports, and starting a plug-in that has nothing to do
    takes its time.
    """
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True}
    everywhere = ["::/0" if ":" in one else "0.0.0.0/0" for one in pod_cidrs]
    return Network(
        DEFAULT_NETWORK,
        CNI_VERSION,
        (
            {
                "type": "bridge",
                "bridge": bridge,
                **({"mtu": mtu} if mtu else {}),
                "isGateway": True,
                # A node that was given another range keeps its bridge.
                "forceAddress": True,
                "ipMasq": False,
                # Lets a pod reach itself through its own Service.
                "hairpinMode": True,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": one}] for one in pod_cidrs],
                    "routes": [{"dst": one} for one in everywhere],
                    "dataDir": str(data_dir),
                },
            },
            *([portmap] if host_ports else []),
        ),
        CNI_VERSIONS[: CNI_VERSIONS.index(CNI_VERSION) + 1],
    )


def request(
    network: Network,
    plugin: Mapping[str, Any],
    previous: Mapping[str, Any] | None,
    capabilities: Mapping[str, Any],
) -> bytes:
    """What one plug-in reads on its standard input; of `capabilities` it gets those it declares."""
    tree = {
        **{key: value for key, value in plugin.items() if key != "capabilities"},
        "name": network.name,
        "cniVersion": network.cni_version,
    }
    if previous is not None:
        tree["prevResult"] = previous
    declared = plugin.get("capabilities") or {}
    told = {name: value for name, value in capabilities.items() if declared.get(name) and value}
    if told:
        tree["runtimeConfig"] = told
    return orjson.dumps(tree)


def addresses(result: Mapping[str, Any]) -> list[str]:
    """The pod's addresses, without prefix length, in the plug-in's order."""
    return [ip["address"].split("/")[0] for ip in result.get("ips", ())]
