"""Files of ours in a pod's folder that its containers see: hosts, resolv.conf, termination logs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from kubelet.pods import dns
from kubelet.pods.container_config import ContainerFiles
from kubelet.pods.services import NodeSettings
from wherry.api.core_v1 import Pod

TERMINATION_MESSAGE_BYTES_MAX = 4096


def write_names(
    pod: Pod, folder: Path, pod_ips: Sequence[str], node: NodeSettings
) -> list[tuple[str, str]]:
    """hosts and resolv.conf, in place: they are mounted, so the files must stay the same ones.

    Answers with (reason, message) of the warnings that are to be said about them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if pod.spec.host_network:
        hosts = dns.host_network_hosts(pod, node.host_hosts.read_text())
    else:
        hosts = dns.hosts(pod, pod_ips, node.cluster_domain)
    _write(folder / "etc-hosts", hosts)
    wanted = dns.resolver(pod, node.host_resolver, node.cluster_dns, node.cluster_domain)
    resolver, said = dns.within_limits(wanted)
    _write(folder / "resolv.conf", resolver.text())
    warnings = [("DNSConfigForming", text) for text in said]
    if dns.lacks_cluster_dns(pod, node.cluster_dns):
        name = f"{pod.metadata.name}_{pod.metadata.namespace}({pod.metadata.uid})"
        text = (
            f'pod: "{name}". kubelet does not have ClusterDNS IP configured and cannot create Pod '
            f'using "{pod.spec.dns_policy or "ClusterFirst"}" policy. Falling back to "Default" policy.'
        )
        warnings.append(("MissingClusterDNS", text))
    return warnings


def _write(path: Path, text: str) -> None:
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
        path.chmod(0o644)


def container_files(folder: Path, container: str, attempt: int) -> ContainerFiles:
    """The files of one attempt; makes its empty termination log."""
    log = folder / "containers" / container / str(attempt)
    log.parent.mkdir(parents=True, exist_ok=True)
    log.touch(mode=0o666)
    log.chmod(0o666)  # touch's mode is cut by the umask; any user of the container writes it
    return ContainerFiles(log, folder / "etc-hosts", folder / "resolv.conf")


def termination_message(path: str) -> str:
    """The end of what the container left; empty when there is nothing."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TERMINATION_MESSAGE_BYTES_MAX))
            return file.read(TERMINATION_MESSAGE_BYTES_MAX).decode(errors="replace")
    except OSError:
        return ""
