"""Calls CNI plug-ins for a pod's sandbox.

The plug-ins are started by this process and so in the machine's own network namespace: the bridge
and the host's end of each veth are made there. The result of ADD is kept on disk, since DEL must be
given it, also by a kubelet that was restarted. DEL is always called, also when the namespace is
gone: the lease of the address outlives it.

Source: the CNI specification 1.0, sections 2 and 4.
"""

from __future__ import annotations

import asyncio
import logging
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from kubelet.network import conf
from kubelet.network.conf import ConfigurationError, Network

log = logging.getLogger(__name__)

INTERFACE = "eth0"
PLUGIN_SECONDS_MAX = 60.0


class NetworkError(Exception):
    """A plug-in failed, or there is no network to join yet."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """Which sandbox, of which pod. `pid` is 0 when its namespace is gone (DEL only)."""

    sandbox_id: str
    pid: int
    pod_namespace: str
    pod_name: str
    pod_uid: str
    port_mappings: tuple[Mapping[str, Any], ...] = ()


class Cni:
    """The node's pod network. Without a configuration and without a pod range it is not ready."""

    def __init__(self, *, conf_dir: Path, bin_dirs: Sequence[Path], state_dir: Path) -> None:
        self._conf_dir = conf_dir
        self._bin_dirs = tuple(bin_dirs)
        self._results = state_dir / "results"
        self._leases = state_dir / "leases"
        self._pod_cidr = ""
        self._results.mkdir(parents=True, exist_ok=True)
        self._leases.mkdir(parents=True, exist_ok=True)

    def set_pod_cidr(self, pod_cidr: str) -> None:
        """The node's range, once the cluster has chosen it."""
        if pod_cidr and pod_cidr != self._pod_cidr:
            self._pod_cidr = pod_cidr
            log.info("pod range of this node is %s", pod_cidr)

    def network(self, *, host_ports: bool = True) -> Network:
        """The network in force; NetworkError says why there is none."""
        try:
            found = conf.load(self._conf_dir)
        except (ConfigurationError, OSError) as error:
            raise NetworkError(str(error)) from error
        if found is not None:
            return found
        if not self._pod_cidr:
            raise NetworkError("cni config uninitialized: the node has no spec.podCIDR yet")
        return conf.default(self._pod_cidr, self._leases, host_ports=host_ports)

    def not_ready_reason(self) -> str:
        """Empty when pods can get a network."""
        try:
            network = self.network()
            for plugin in network.plugins:
                self._binary(plugin["type"])
        except NetworkError as error:
            return str(error)
        return ""

    async def add(self, attachment: Attachment) -> list[str]:
        """Wire the sandbox; its addresses. On failure what was done is undone."""
        network = self.network(host_ports=bool(attachment.port_mappings))
        result: Mapping[str, Any] | None = None
        # Written first: a kubelet that dies half-way still knows which network to DEL from.
        self._write(attachment.sandbox_id, network, None)
        try:
            for plugin in network.plugins:
                result = await self._run("ADD", network, plugin, attachment, result)
        except NetworkError:
            await self.delete(attachment)
            raise
        self._write(attachment.sandbox_id, network, result)
        return conf.addresses(result or {})

    async def delete(self, attachment: Attachment) -> None:
        """Undo ADD; repeating it is harmless. A failing plug-in does not stop the others."""
        kept = self._read(attachment.sandbox_id)
        if kept is None:
            return
        network, result = kept
        failures = []
        for plugin in reversed(network.plugins):
            try:
                await self._run("DEL", network, plugin, attachment, result)
            except NetworkError as error:
                failures.append(str(error))
        if failures:
            raise NetworkError("; ".join(failures))
        self._path(attachment.sandbox_id).unlink(missing_ok=True)

    def addresses(self, sandbox_id: str) -> list[str]:
        """What ADD gave this sandbox, also before our restart."""
        kept = self._read(sandbox_id)
        return conf.addresses(kept[1] or {}) if kept else []

    def known_sandboxes(self) -> set[str]:
        """Sandboxes that were added and not yet deleted."""
        return {path.stem for path in self._results.glob("*.json")}

    async def _run(
        self,
        command: str,
        network: Network,
        plugin: Mapping[str, Any],
        attachment: Attachment,
        previous: Mapping[str, Any] | None,
    ) -> Mapping[str, Any] | None:
        environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": attachment.sandbox_id,
            "CNI_NETNS": f"/proc/{attachment.pid}/ns/net" if attachment.pid else "",
            "CNI_IFNAME": INTERFACE,
            "CNI_PATH": ":".join(map(str, self._bin_dirs)),
            "CNI_ARGS": (
                f"IgnoreUnknown=1;K8S_POD_NAMESPACE={attachment.pod_namespace};"
                f"K8S_POD_NAME={attachment.pod_name};K8S_POD_UID={attachment.pod_uid};"
                f"K8S_POD_INFRA_CONTAINER_ID={attachment.sandbox_id}"
            ),
        }
        told = conf.request(network, plugin, previous, attachment.port_mappings)
        try:
            # In a thread: there Python starts processes by vfork, the event loop by fork, which
            # would halt every pod of the node for the time it takes to copy our page tables.
            process = await asyncio.to_thread(
                subprocess.run,
                [self._binary(plugin["type"])],
                input=told,
                capture_output=True,
                env=environment,
                timeout=PLUGIN_SECONDS_MAX,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise NetworkError(f"plugin {plugin['type']} {command} timed out") from None
        output = process.stdout
        if process.returncode:
            text = _message(output) or process.stderr.decode(errors="replace").strip()
            raise NetworkError(f"plugin type={plugin['type']!r} failed ({command.lower()}): {text}")
        return orjson.loads(output) if command == "ADD" and output else None

    def _binary(self, kind: str) -> str:
        for folder in self._bin_dirs:
            if (folder / kind).is_file():
                return str(folder / kind)
        places = ", ".join(map(str, self._bin_dirs))
        raise NetworkError(f"failed to find plugin {kind!r} in path [{places}]")

    def _path(self, sandbox_id: str) -> Path:
        return self._results / f"{sandbox_id}.json"

    def _write(self, sandbox_id: str, network: Network, result: Mapping[str, Any] | None) -> None:
        tree = {
            "name": network.name,
            "cniVersion": network.cni_version,
            "plugins": list(network.plugins),
            "result": result,
        }
        path = self._path(sandbox_id)
        draft = path.with_suffix(".tmp")
        draft.write_bytes(orjson.dumps(tree))
        draft.rename(path)

    def _read(self, sandbox_id: str) -> tuple[Network, Mapping[str, Any] | None] | None:
        path = self._path(sandbox_id)
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            return None
        return conf.parse(text, str(path)), orjson.loads(text).get("result")


def _message(output: bytes) -> str:
    """The text of a plug-in's error object."""
    try:
        tree = orjson.loads(output)
    except orjson.JSONDecodeError:
        return ""
    return " ".join(filter(None, (tree.get("msg", ""), tree.get("details", ""))))
