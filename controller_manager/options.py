"""The flags of `wherry-controller-manager`, named and defaulted as upstream's."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import wherry
from wherry.client.delegated import guard_flags
from wherry.daemon.flags import Flags, client_flags, leader_flags

# Of controllers that are not here, or pauses that ours do not make.
_WITHOUT_EFFECT = (
    "--attach-detach-reconcile-sync-period",
    "--cloud-config",
    "--cloud-provider",
    "--concurrent-resource-quota-syncs",
    "--concurrent-service-syncs",
    "--concurrent-serviceaccount-token-syncs",
    "--concurrent-validating-admission-policy-status-syncs",
    "--configure-cloud-routes",
    "--controller-start-interval",
    "--disable-attach-detach-reconcile-sync",
    "--endpoint-updates-batch-period",
    "--endpointslice-updates-batch-period",
    "--external-cloud-volume-plugin",
    "--flex-volume-plugin-dir",
    "--min-resync-period",
    "--mirroring-endpointslice-updates-batch-period",
    "--mirroring-max-endpoints-per-subset",
    "--pvclaimbinder-sync-period",
    "--resource-quota-sync-period",
    "--route-reconciliation-period",
)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The flags' values by their names with underscores."""
    flags = Flags(
        "wherry-controller-manager",
        "Runs the controllers that bring the cluster to the state its objects ask for.",
        version=f"wherry {wherry.__version__}",
    )
    client_flags(flags)
    leader_flags(flags, "kube-controller-manager")
    flags.texts("--controllers", ["*"], "controllers to run: * = all, foo = foo, -foo = not foo")
    flags.text("--bind-address", "0.0.0.0", "address of health and metrics")
    flags.integer("--secure-port", 10257, "HTTPS port of health and metrics; 0 = none")
    flags.text("--tls-cert-file", help="serving certificate; empty = self-signed, in memory")
    flags.text("--tls-private-key-file", help="key of the serving certificate")
    guard_flags(flags)
    flags.text("--root-ca-file", help="CA certificate published as kube-root-ca.crt; empty = ours")
    flags.text(
        "--service-account-private-key-file",
        help="key that signs the tokens which Secrets hold; empty = Secrets get none",
    )
    flags.duration(
        "--legacy-service-account-token-clean-up-period",
        365 * 24 * 3600.0,
        "how long an old token of an account must be unused to be deleted",
    )
    flags.boolean("--use-service-account-credentials", False, "accepted: one identity is used")
    flags.boolean(
        "--publish-cluster-info", False, "let bootstrapsigner write kube-public/cluster-info, too"
    )
    flags.accepted(*_WITHOUT_EFFECT)
    _signing_flags(flags)
    _node_flags(flags)
    _autoscaler_flags(flags)
    _worker_flags(flags)
    return flags.parse(arguments)


def _signing_flags(flags: Flags) -> None:
    flags.text("--cluster-signing-cert-file", help="authority that signs certificate requests")
    flags.text("--cluster-signing-key-file", help="key of that authority")
    flags.duration("--cluster-signing-duration", 365 * 24 * 3600.0, "longest life of certificates")
    for signer in ("kubelet-serving", "kubelet-client", "kube-apiserver-client", "legacy-unknown"):
        flags.text(f"--cluster-signing-{signer}-cert-file", help="the same for one signer")
        flags.text(f"--cluster-signing-{signer}-key-file", help="the same for one signer")


def _node_flags(flags: Flags) -> None:
    flags.text("--cluster-name", "kubernetes", "accepted for upstream's manifests")
    flags.texts("--cluster-cidr", [], "ranges of pod addresses; nodes get parts of each")
    flags.boolean("--allocate-node-cidrs", False, "give each node a part of --cluster-cidr")
    flags.texts("--service-cluster-ip-range", [], "ranges of Service addresses, kept from nodes")
    flags.integer("--node-cidr-mask-size", 0, "prefix length of a node's range; 0 = 24, IPv6 64")
    flags.integer("--node-cidr-mask-size-ipv4", 0, "the same of a dual-stack cluster's IPv4 range")
    flags.integer("--node-cidr-mask-size-ipv6", 0, "the same of its IPv6 range")
    flags.duration("--node-monitor-period", 5.0, "how often nodes are looked at")
    flags.duration("--node-monitor-grace-period", 50.0, "silence after which a node is unknown")
    flags.duration("--node-startup-grace-period", 60.0, "the same for a node never heard of")
    flags.number("--node-eviction-rate", 0.1, "nodes a second whose pods are evicted")
    flags.number("--secondary-node-eviction-rate", 0.01, "the same in a large unhealthy zone")
    flags.integer("--large-cluster-size-threshold", 50, "nodes; below, the secondary rate is 0")
    flags.number("--unhealthy-zone-threshold", 0.55, "share of silent nodes that is unhealthy")
    flags.integer("--terminated-pod-gc-threshold", 12500, "ended pods kept; 0 or less = all")


def _autoscaler_flags(flags: Flags) -> None:
    name = "--horizontal-pod-autoscaler"
    flags.duration(f"{name}-sync-period", 15.0, "how often autoscalers are looked at")
    flags.duration(f"{name}-downscale-stabilization", 300.0, "how long a higher wish still counts")
    flags.number(f"{name}-tolerance", 0.1, "how far from the target nothing is done")
    flags.duration(f"{name}-cpu-initialization-period", 300.0, "cpu of starting pods is ignored")
    flags.duration(f"{name}-initial-readiness-delay", 30.0, "after which a pod is no longer new")


def _worker_flags(flags: Flags) -> None:
    for name, workers in (
        ("deployment", 5),
        ("replicaset", 5),
        ("endpoint", 5),
        ("service-endpoint", 5),
        ("namespace", 10),
        ("serviceaccount", 5),
        ("gc", 20),
        ("job", 5),
        ("rc", 5),
        ("cron-job", 5),
        ("daemonset", 2),
        ("statefulset", 5),
        ("ttl-after-finished", 5),
        ("horizontal-pod-autoscaler", 5),
        ("ephemeralvolume", 5),
    ):
        flags.integer(f"--concurrent-{name}-syncs", workers, "objects worked at the same time")
    flags.integer("--mirroring-concurrent-service-endpoint-syncs", 5, "the same for mirroring")
    flags.duration("--namespace-sync-period", 300.0, "how often namespaces are looked at anyway")
    flags.integer("--max-endpoints-per-slice", 100, "endpoints of one EndpointSlice")
    flags.boolean("--enable-garbage-collector", True, "delete what lost its owner")
