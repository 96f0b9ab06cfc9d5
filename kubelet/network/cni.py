"""The node's pod network: calls CNI plug-ins for a pod's sandbox.

The plug-ins are started by this process and so in the machine's own network namespace: the bridge
and the host's end of each veth are made there. What ADD was given and what it answered is kept on
disk, for DEL and CHECK must be given the same, whatever the configuration has become, also by a
kubelet that was restarted. DEL is always called, also when the namespace is gone: the lease of the
address outlives it.

Source: the CNI specification 1.1, sections 2 and 4, and libcni (which versions get CHECK and GC).
"""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from kubelet import state_files
from kubelet.network import conf, leases, namespaces
from kubelet.network.conf import ConfigurationError, Network
from kubelet.network.plugins import (
    INCOMPATIBLE_VERSION,
    INTERFACE,
    Attachment,
    NetworkError,
    Plugins,
)
from kubelet.state_files import Say

log = logging.getLogger(__name__)

__all__ = ["Attachment", "Cni", "NetworkError"]

CHECK_SINCE, COLLECT_SINCE = "0.4.0", "1.1.0"
RELEASED_MAX = 1000  # sandboxes remembered not to be taken up again
LINK_SECONDS_MAX = 10.0


@dataclass(frozen=True, slots=True)
class Kept:
    """What is on disk of one sandbox. `result` None: ADD has not come to its end.

    rebuilt: the file was lost; the result is what was seen in the sandbox
    passed: the plug-ins whose CHECK has found it well before
    """

    network: Network
    result: Mapping[str, Any] | None
    capabilities: Mapping[str, Any]
    pod: tuple[str, str, str] = ("", "", "")
    rebuilt: bool = False
    passed: tuple[str, ...] = ()

    @property
    def can_check(self) -> bool:
        return (
            self.result is not None
            and not self.rebuilt
            and self.network.checks
            and self.network.speaks(CHECK_SINCE)
        )


class Cni:
    """Without a configuration and without a pod range it is not ready."""

    def __init__(
        self, *, conf_dir: Path, bin_dirs: Sequence[Path], state_dir: Path,
        say: Say = lambda reason, message: None,
        addresses_of: Callable[[int, str], list[str]] = namespaces.addresses,
    ) -> None:  # fmt: skip
        self._conf_dir = conf_dir
        self._plugins = Plugins(bin_dirs)
        self._results = state_dir / "results"
        self._leases = state_dir / "leases"
        self._say = say
        self._addresses_of = addresses_of
        self._pod_cidrs: tuple[str, ...] = ()
        self._mtu = 0
        self._conflict = ""
        self._busy: set[str] = set()
        self._released: dict[str, None] = {}
        self._results.mkdir(parents=True, exist_ok=True)
        self._leases.mkdir(parents=True, exist_ok=True)

    def set_pod_cidr(self, *pod_cidrs: str, mtu: int = 0, conflict: str = "") -> None:
        """The node's ranges, once the cluster has chosen them, and the MTU of pods' interfaces.

        conflict: why the default network can't have these ranges here
        """
        ranges = tuple(filter(None, pod_cidrs)) or self._pod_cidrs
        if (ranges, mtu) != (self._pod_cidrs, self._mtu):
            log.info("pod range of this node is %s, MTU %d", ", ".join(ranges), mtu)
        self._pod_cidrs, self._mtu, self._conflict = ranges, mtu, conflict

    def network(self, *, host_ports: bool = True) -> Network:
        """The network in force, read anew each time; NetworkError says why there is none."""
        try:
            found = conf.load(self._conf_dir)
        except (ConfigurationError, OSError) as error:
            raise NetworkError(f"cni plugin not initialized: {error}") from error
        if found is not None:
            return found
        if not self._pod_cidrs:
            raise NetworkError("cni plugin not initialized: the node has no spec.podCIDR yet")
        if self._conflict:
            raise NetworkError(f"cni plugin not initialized: {self._conflict}")
        return conf.default(self._pod_cidrs, self._leases, host_ports=host_ports, mtu=self._mtu)

    async def trouble(self) -> str:
        """Why pods get no network; empty when they do."""
        try:
            network = self.network()
            for plugin in network.plugins:
                self._plugins.path(plugin["type"])
            network = await self._agreed(network)
            if network.speaks(COLLECT_SINCE):
                for plugin in network.plugins:
                    await self._run("STATUS", network, plugin, None, None, {})
        except (NetworkError, OSError) as error:
            return f"Network plugin returns error: {error}"
        return ""

    async def _agreed(self, network: Network) -> Network:
        """The newest version of the specification that all its plug-ins speak, if there is a choice."""
        if not network.versions:
            return network
        spoken = [set(await self._plugins.versions(plugin["type"])) for plugin in network.plugins]
        for version in network.versions:
            if all(version in one for one in spoken):
                return replace(network, cni_version=version)
        return network

    # -- one sandbox

    async def add(self, attachment: Attachment) -> list[str]:
        """Wire the sandbox; its addresses. On failure what was done is undone."""
        with self._working(attachment.sandbox_id):
            network = await self._agreed(self.network(host_ports=bool(attachment.port_mappings)))
            pod = (attachment.pod_namespace, attachment.pod_name, attachment.pod_uid)
            kept = Kept(network, None, self._capabilities(attachment), pod)
            result: Mapping[str, Any] | None = None
            try:
                # First: a kubelet that dies half-way still knows which network to DEL from.
                self._write(attachment.sandbox_id, kept)
                for plugin in network.plugins:
                    result = await self._run(
                        "ADD", network, plugin, attachment, result, kept.capabilities
                    )
                self._write(attachment.sandbox_id, replace(kept, result=result))
            except (NetworkError, OSError) as error:
                await self._undo(attachment)
                if isinstance(error, NetworkError):
                    raise
                raise NetworkError(f"network state: {error}") from error
            return conf.addresses(result or {})

    async def _undo(self, attachment: Attachment) -> None:
        try:
            await self._delete(attachment)
        except NetworkError as error:  # its file stays, so that it is tried again
            log.warning("undoing the network of %s: %s", attachment.sandbox_id[:12], error)

    def _capabilities(self, attachment: Attachment) -> dict[str, Any]:
        found: dict[str, Any] = {"portMappings": [dict(one) for one in attachment.port_mappings]}
        if attachment.bandwidth:
            found["bandwidth"] = dict(attachment.bandwidth)
        if self._pod_cidrs:
            found["ipRanges"] = [[{"subnet": one}] for one in self._pod_cidrs]
        return found

    async def delete(self, attachment: Attachment) -> None:
        """Undo ADD; repeating it is harmless. A failing plug-in does not stop the others."""
        with self._working(attachment.sandbox_id):
            await self._delete(attachment)

    async def _delete(self, attachment: Attachment) -> None:
        was_there = self._path(attachment.sandbox_id).exists()
        kept = self._read(attachment.sandbox_id)
        if kept is None:
            if not was_there:
                return
            # What it was wired with is lost: the network in force is the best guess.
            kept = Kept(self.network(), None, self._capabilities(attachment))
        if not attachment.pod_uid:
            namespace, name, uid = kept.pod
            attachment = replace(
                attachment, pod_namespace=namespace, pod_name=name, pod_uid=uid
            )  # fmt: skip
        failures = []
        for plugin in reversed(kept.network.plugins):
            try:
                await self._run(
                    "DEL", kept.network, plugin, attachment, kept.result, kept.capabilities
                )
            except NetworkError as error:
                failures.append(str(error))
        if failures:
            raise NetworkError("; ".join(failures))
        await self._remove_links(kept)
        self._released[attachment.sandbox_id] = None
        while len(self._released) > RELEASED_MAX:
            del self._released[next(iter(self._released))]
        try:
            self._path(attachment.sandbox_id).unlink(missing_ok=True)
        except OSError as error:
            raise NetworkError(f"network state: {error}") from error

    async def check(self, attachment: Attachment) -> str:
        """What is wrong with a wired sandbox's network; empty when nothing is, or nobody can tell.

        A plug-in is believed that something is wrong only if it once found this sandbox well: some
        never do (portmap 1.1 looks for the rules of an IP family that the pod does not have).
        """
        id, kept = attachment.sandbox_id, self._read(attachment.sandbox_id)
        if kept is None or not kept.can_check:
            return ""
        passed = list(kept.passed)
        for plugin in kept.network.plugins:
            kind = plugin["type"]
            try:
                await self._run(
                    "CHECK", kept.network, plugin, attachment, kept.result, kept.capabilities
                )
            except NetworkError as error:
                if kind in passed and error.code != INCOMPATIBLE_VERSION:
                    return str(error)
                log.debug("sandbox %s, not counted: %s", id[:12], error)
            else:
                passed += [kind] if kind not in passed else []
        if len(passed) > len(kept.passed) and not self.is_busy(id) and self._path(id).exists():
            self._write(id, replace(kept, passed=tuple(passed)))
        return ""

    def addresses(self, sandbox_id: str, pid: int = 0) -> list[str]:
        """What ADD gave this sandbox, also before our restart. Empty: it was not wired to the end.

        Where the file is lost or makes no sense, what the sandbox has (`pid`: of its process) counts.
        """
        kept = self._read(sandbox_id)
        if kept is not None:
            return conf.addresses(kept.result or {})
        if not pid or sandbox_id in self._released:
            return []
        found = self._addresses_of(pid, INTERFACE)
        if found:
            self._rebuild(sandbox_id, found)
        return found

    def _rebuild(self, sandbox_id: str, found: Sequence[str]) -> None:
        try:
            network = self.network()
            ips = [{"address": f"{ip}/{128 if ':' in ip else 32}"} for ip in found]
            result = {"cniVersion": network.cni_version, "interfaces": [], "ips": ips}
            self._write(sandbox_id, Kept(network, result, {}, rebuilt=True))
            if any(
                (plugin.get("ipam") or {}).get("dataDir") == str(self._leases)
                for plugin in network.plugins
            ):
                leases.keep(self._leases, network.name, sandbox_id, found)
        except (NetworkError, OSError) as error:
            log.warning("network of sandbox %s: %s", sandbox_id[:12], error)
        else:
            log.warning("network of sandbox %s: known again by its addresses", sandbox_id[:12])

    # -- all sandboxes

    def known_sandboxes(self) -> set[str]:
        """Sandboxes that were added and not yet deleted."""
        return {path.stem for path in self._results.glob("*.json")}

    def lost_sandboxes(self, there: Collection[str]) -> set[str]:
        """Those known that the engine does not have; not the ones being worked on."""
        return self.known_sandboxes() - set(there) - self._busy

    def is_busy(self, sandbox_id: str) -> bool:
        """Whether it is being wired or unwired."""
        return sandbox_id in self._busy

    async def collect(self) -> list[str]:
        """Free what sandboxes left that are not known any more; addresses freed by hand.

        Plug-ins that can are told which sandboxes there are (GC); what the rest of them can't
        clear away is found in our own leases, and on our own bridge.
        """
        kept = {one: self._read(one) for one in self.known_sandboxes()}
        networks = {one.network.name: one.network for one in kept.values() if one is not None}
        for network in networks.values():
            if network.collects and network.speaks(COLLECT_SINCE):
                valid = [id for id, one in kept.items() if one and one.network.name == network.name]
                await self._collect(network, valid)
        freed = await asyncio.to_thread(leases.release, self._leases, self.known_sandboxes())
        await self._remove_stray_links()
        return freed

    async def _collect(self, network: Network, valid: Sequence[str]) -> None:
        attachments = [{"containerID": id, "ifname": INTERFACE} for id in valid]
        # By both names that the specification has had for it.
        names = ("cni.dev/valid-attachments", "cni.dev/attachments")
        for plugin in network.plugins:
            told = {**plugin, **dict.fromkeys(names, attachments)}
            try:
                await self._run("GC", network, told, None, None, {})
            except NetworkError as error:
                log.warning("network %s: %s", network.name, error)

    # -- links

    async def _remove_links(self, kept: Kept) -> None:
        """A namespace that something still holds keeps its veth: take the machine's end away."""
        bridges = {plugin.get("bridge") for plugin in kept.network.plugins}
        for link in (kept.result or {}).get("interfaces") or ():
            name = str(link.get("name", ""))
            if name.startswith("veth") and not link.get("sandbox") and name not in bridges:
                await self._remove_link(name)

    async def _remove_stray_links(self) -> None:
        """Ports of our own bridge that no result names, as a kubelet leaves that dies during ADD."""
        if self._busy or not _exists(conf.DEFAULT_BRIDGE):
            return
        shown = await _ip("-j", "link", "show", "master", conf.DEFAULT_BRIDGE, "type", "veth")
        ports = {str(link["ifname"]) for link in orjson.loads(shown or b"[]")}
        known = set()
        for sandbox_id in self.known_sandboxes():
            kept = self._read(sandbox_id)
            if kept is None or kept.result is None or kept.rebuilt:
                return  # it has one of them, and nobody knows which
            known |= {str(link.get("name")) for link in kept.result.get("interfaces") or ()}
        if not self._busy:
            for name in ports - known:
                log.info("%s on %s belongs to no sandbox", name, conf.DEFAULT_BRIDGE)
                await self._remove_link(name)

    async def _remove_link(self, name: str) -> None:
        if _exists(name):
            await _ip("link", "delete", name)

    # -- files and calls

    @contextmanager
    def _working(self, sandbox_id: str) -> Iterator[None]:
        self._busy.add(sandbox_id)
        try:
            yield
        finally:
            self._busy.discard(sandbox_id)

    async def _run(
        self, command: str, network: Network, plugin: Mapping[str, Any],
        attachment: Attachment | None, previous: Mapping[str, Any] | None,
        capabilities: Mapping[str, Any],
    ) -> Mapping[str, Any] | None:  # fmt: skip
        told = conf.request(network, plugin, previous, capabilities)
        found = await self._plugins.run(command, plugin["type"], network.name, told, attachment)
        if command == "ADD" and not isinstance(found, dict):
            raise NetworkError(f"plugin type={plugin['type']!r} failed (add): it gave no result")
        return found if command == "ADD" else None

    def _path(self, sandbox_id: str) -> Path:
        return self._results / f"{sandbox_id}.json"

    def _write(self, sandbox_id: str, kept: Kept) -> None:
        network = kept.network
        tree = {
            "name": network.name,
            "cniVersion": network.cni_version,
            "disableCheck": not network.checks,
            "disableGC": not network.collects,
            "plugins": list(network.plugins),
            "result": kept.result,
            "capabilities": kept.capabilities,
            "pod": kept.pod,
            "rebuilt": kept.rebuilt,
            "passed": kept.passed,
        }
        # What does not survive the power does not matter: neither does any sandbox.
        state_files.write(self._path(sandbox_id), tree, sync=False)

    def _read(self, sandbox_id: str) -> Kept | None:
        return state_files.read(self._path(sandbox_id), _kept, self._say)


def _kept(tree: Any) -> Kept:
    network = conf.parse(orjson.dumps(tree), "kept network")
    result = tree.get("result")
    if result is not None:
        conf.addresses(result)
    namespace, name, uid = tree.get("pod") or ("", "", "")
    return Kept(
        network,
        result,
        dict(tree.get("capabilities") or {}),
        (namespace, name, uid),
        bool(tree.get("rebuilt")),
        tuple(map(str, tree.get("passed") or ())),
    )


def _exists(link: str) -> bool:
    """Asked of the kernel: /sys may show another namespace's."""
    try:
        socket.if_nametoindex(link)
    except OSError:
        return False
    return True


async def _ip(*words: str) -> bytes:
    """What `ip` prints; empty when it fails, which is logged."""
    try:
        done = await asyncio.to_thread(
            subprocess.run, ["ip", *words], capture_output=True, timeout=LINK_SECONDS_MAX,
            check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        log.warning("ip %s: %s", " ".join(words), error)
        return b""
    if done.returncode:
        log.info("ip %s: %s", " ".join(words), done.stderr.decode(errors="replace").strip())
        return b""
    return done.stdout
