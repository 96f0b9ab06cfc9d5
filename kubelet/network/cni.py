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
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from kubelet.network import conf, leases, links, namespaces
from kubelet.network.conf import ConfigurationError, Network
from kubelet.network.plugins import (
    INCOMPATIBLE_VERSION,
    INTERFACE,
    Attachment,
    NetworkError,
    Plugins,
)
from kubelet.network.results import Kept, Results
from kubelet.state_files import Say

log = logging.getLogger(__name__)

__all__ = ["Attachment", "Cni", "NetworkError"]

COLLECT_SINCE = "1.1.0"
RELEASED_MAX = 1000  # sandboxes remembered not to be taken up again


class Cni:
    """Without a configuration and without a pod range it is not ready."""

    def __init__(
        self, *, conf_dir: Path, bin_dirs: Sequence[Path], state_dir: Path,
        say: Say = lambda reason, message: None,
        addresses_of: Callable[[int, str], list[str]] = namespaces.addresses,
    ) -> None:  # fmt: skip
        self._conf_dir = conf_dir
        self._plugins = Plugins(bin_dirs)
        self._results = Results(state_dir / "results", say)
        self._leases = state_dir / "leases"
        self._addresses_of = addresses_of
        self._pod_cidrs: tuple[str, ...] = ()
        self._mtu = 0
        self._conflict = ""
        self._busy: set[str] = set()
        self._released: dict[str, None] = {}
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
                self._results.write(attachment.sandbox_id, kept)
                for plugin in network.plugins:
                    result = await self._run(
                        "ADD", network, plugin, attachment, result, kept.capabilities
                    )
                self._results.write(attachment.sandbox_id, replace(kept, result=result))
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
        was_there = self._results.exists(attachment.sandbox_id)
        kept = self._results.read(attachment.sandbox_id)
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
        for name in links.of(kept):  # something still holds the namespace
            await links.remove(name)
        self._released[attachment.sandbox_id] = None
        while len(self._released) > RELEASED_MAX:
            del self._released[next(iter(self._released))]
        try:
            self._results.remove(attachment.sandbox_id)
        except OSError as error:
            raise NetworkError(f"network state: {error}") from error

    async def check(self, attachment: Attachment) -> str:
        """What is wrong with a wired sandbox's network; empty when nothing is, or nobody can tell.

        A plug-in is believed that something is wrong only if it once found this sandbox well: some
        never do (portmap 1.1 looks for the rules of an IP family that the pod does not have).
        """
        id, kept = attachment.sandbox_id, self._results.read(attachment.sandbox_id)
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
        if len(passed) > len(kept.passed) and not self.is_busy(id) and self._results.exists(id):
            self._results.write(id, replace(kept, passed=tuple(passed)))
        return ""

    def addresses(self, sandbox_id: str, pid: int = 0) -> list[str]:
        """What ADD gave this sandbox, also before our restart. Empty: it was not wired to the end.

        Where the file is lost or makes no sense, what the sandbox has (`pid`: of its process) counts.
        """
        kept = self._results.read(sandbox_id)
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
            self._results.write(sandbox_id, Kept(network, result, {}, rebuilt=True))
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
        return self._results.ids()

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
        kept = {one: self._results.read(one) for one in self.known_sandboxes()}
        networks = {one.network.name: one.network for one in kept.values() if one is not None}
        for network in networks.values():
            if network.collects and network.speaks(COLLECT_SINCE):
                valid = [id for id, one in kept.items() if one and one.network.name == network.name]
                await self._collect(network, valid)
        freed = await asyncio.to_thread(leases.release, self._leases, self.known_sandboxes())
        await self._remove_stray_links()
        return freed

    async def _remove_stray_links(self) -> None:
        """As a kubelet leaves them that dies during ADD."""
        if self._busy:
            return
        ports = await links.ports()
        known: set[str] = set()  # looked for after the ports, so that what is new is among them
        for sandbox_id in self.known_sandboxes():
            kept = self._results.read(sandbox_id)
            if kept is None or kept.result is None or kept.rebuilt:
                return  # it has one of them, and nobody knows which
            known |= links.all_of(kept)
        if not self._busy:
            for name in sorted(ports - known):
                log.info("%s on %s belongs to no sandbox", name, conf.DEFAULT_BRIDGE)
                await links.remove(name)

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

    # -- calls

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
