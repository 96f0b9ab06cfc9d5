"""A pod's names: resolv.conf, hosts, host name. Pure.

Source: upstream's pkg/kubelet/network/dns and kubelet_pods.go (GeneratePodHostNameAndDomain,
ensureHostsFile).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wherry.api.core_v1 import Pod

HOSTNAME_MAX, FQDN_MAX = 63, 64
SEARCHES_MAX, SEARCH_BYTES_MAX = 32, 2048
NAMESERVERS_MAX = 3
CLUSTER_OPTIONS = ("ndots:5",)


@dataclass(frozen=True, slots=True)
class Resolver:
    """What a resolv.conf says."""

    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def text(self) -> str:
        lines = [f"nameserver {server}" for server in self.nameservers]
        if self.searches:
            lines.insert(0, "search " + " ".join(self.searches))
        if self.options:
            lines.append("options " + " ".join(self.options))
        return "".join(f"{line}\n" for line in lines)


def parse_resolver(text: str) -> Resolver:
    """The node's own resolv.conf; the last search line counts."""
    servers: list[str] = []
    searches: tuple[str, ...] = ()
    options: list[str] = []
    for line in text.splitlines():
        words = line.split("#")[0].split(";")[0].split()
        match words:
            case ["nameserver", server, *_]:
                servers.append(server)
            case ["search" | "domain", *names]:
                searches = tuple(name for name in names if name != ".")
            case ["options", *given]:
                options.extend(given)
    return Resolver(tuple(servers), searches, tuple(options))


def resolver(pod: Pod, host: Resolver, cluster_dns: Sequence[str], cluster_domain: str) -> Resolver:
    """The pod's resolver by its dnsPolicy and dnsConfig."""
    policy = pod.spec.dns_policy or "ClusterFirst"
    if policy == "ClusterFirst" and pod.spec.host_network:
        policy = "Default"
    if policy == "None":
        base = Resolver()
    elif policy == "Default" or not cluster_dns:
        base = host
    else:
        namespace = pod.metadata.namespace
        own = (f"{namespace}.svc.{cluster_domain}", f"svc.{cluster_domain}", cluster_domain)
        searches = own if cluster_domain else ()
        base = Resolver(tuple(cluster_dns), _once(*searches, *host.searches), CLUSTER_OPTIONS)
    config = pod.spec.dns_config
    if config is not None:
        options = {name: value for name, _, value in (o.partition(":") for o in base.options)}
        options.update({option.name: option.value or "" for option in config.options})
        base = Resolver(
            _once(*base.nameservers, *config.nameservers),
            _once(*base.searches, *config.searches),
            tuple(f"{name}:{value}" if value else name for name, value in options.items()),
        )
    return base


def within_limits(wanted: Resolver) -> tuple[Resolver, list[str]]:
    """What a C library reads of it, and in words what it does not."""
    servers, searches = wanted.nameservers[:NAMESERVERS_MAX], list(wanted.searches[:SEARCHES_MAX])
    while len(" ".join(searches)) > SEARCH_BYTES_MAX:
        searches.pop()
    said = []
    if len(servers) < len(wanted.nameservers):
        said.append(
            "Nameserver limits were exceeded, some nameservers have been omitted, "
            f"the applied nameserver line is: {' '.join(servers)}"
        )
    if len(searches) < len(wanted.searches):
        said.append(
            "Search Line limits were exceeded, some search paths have been omitted, "
            f"the applied search line is: {' '.join(searches)}"
        )
    return Resolver(servers, tuple(searches), wanted.options), said


def lacks_cluster_dns(pod: Pod, cluster_dns: Sequence[str]) -> bool:
    """Whether the pod wants the cluster's names and this node knows no server of them."""
    policy = pod.spec.dns_policy or "ClusterFirst"
    if policy == "ClusterFirst" and pod.spec.host_network:
        return False
    return policy.startswith("ClusterFirst") and not cluster_dns


def _once(*names: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


class HostnameError(ValueError):
    """The kernel takes no host name of that length."""


def hostname(pod: Pod, node_hostname: str, cluster_domain: str) -> str:
    """What `hostname` says in the pod; HostnameError when that can't be."""
    if pod.spec.host_network and pod.spec.hostname_override is None:
        return node_hostname
    name, domain = _short_name(pod), _domain(pod, cluster_domain)
    if not pod.spec.set_hostname_as_fqdn or not domain:
        return name
    full = f"{name}.{domain}"
    if len(full) > FQDN_MAX:
        raise HostnameError(
            f"failed to construct FQDN from pod hostname and cluster domain, FQDN {full} is too long "
            f"({FQDN_MAX} characters is the max, {len(full)} characters requested)"
        )
    return full


def _short_name(pod: Pod) -> str:
    if pod.spec.hostname_override is not None:
        return pod.spec.hostname_override
    # A cut may leave a dash or dot at the end, which no host name may have.
    return (pod.spec.hostname or pod.metadata.name)[:HOSTNAME_MAX].rstrip("-.")


def _domain(pod: Pod, cluster_domain: str) -> str:
    if not pod.spec.subdomain or pod.spec.hostname_override is not None:
        return ""
    return f"{pod.spec.subdomain}.{pod.metadata.namespace}.svc.{cluster_domain}".rstrip(".")


def hosts(pod: Pod, pod_ips: Sequence[str], cluster_domain: str) -> str:
    """The managed /etc/hosts of a pod with its own network."""
    name = _short_name(pod)
    domain = _domain(pod, cluster_domain)
    own = f"{name}.{domain}\t{name}" if domain else name
    lines = [
        "# Kubernetes-managed hosts file.",
        "127.0.0.1\tlocalhost",
        "::1\tlocalhost ip6-localhost ip6-loopback",
        "fe00::0\tip6-localnet",
        "fe00::0\tip6-mcastprefix",
        "fe00::1\tip6-allnodes",
        "fe00::2\tip6-allrouters",
        *(f"{ip}\t{own}" for ip in pod_ips),
    ]
    return "\n".join(lines) + "\n" + _aliases(pod)


def host_network_hosts(pod: Pod, node_hosts: str) -> str:
    """A hostNetwork pod sees the node's file."""
    return "# Kubernetes-managed hosts file (host network).\n" + node_hosts + _aliases(pod)


def _aliases(pod: Pod) -> str:
    if not pod.spec.host_aliases:
        return ""
    lines = ["", "# Entries added by HostAliases."]
    lines += [alias.ip + "\t" + "\t".join(alias.hostnames) for alias in pod.spec.host_aliases]
    return "\n".join(lines) + "\n"
