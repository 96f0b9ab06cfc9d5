"""Deployments and ReplicaSets.

Source: k8s.io/kubectl/pkg/describe describeDeployment, describeReplicaSet.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cli.describe.events import describe_events
from cli.describe.pod import template
from cli.describe.text import NONE, Page, Tree, conditions, controller, moment
from cli.pods import selector_text
from cli.revisions import owned, revision_of


def describe_deployment(
    tree: Tree, replica_sets: Sequence[Tree], events: Sequence[Tree], now: datetime
) -> str:
    page = Page()
    meta, spec, status = tree["metadata"], tree["spec"], tree.get("status") or {}
    page.line(0, "Name:", meta["name"])
    page.line(0, "Namespace:", meta["namespace"])
    page.line(0, "CreationTimestamp:", moment(meta.get("creationTimestamp")))
    page.pairs(0, "Labels", meta.get("labels"))
    page.pairs(0, "Annotations", meta.get("annotations"), ": ")
    page.line(0, "Selector:", selector_text(spec["selector"]))
    counts = (
        f"{spec.get('replicas', 0)} desired", f"{status.get('updatedReplicas', 0)} updated",
        f"{status.get('replicas', 0)} total", f"{status.get('availableReplicas', 0)} available",
        f"{status.get('unavailableReplicas', 0)} unavailable",
    )  # fmt: skip
    page.line(0, "Replicas:", " | ".join(counts))
    strategy = spec.get("strategy") or {}
    page.line(0, "StrategyType:", strategy.get("type", ""))
    page.line(0, "MinReadySeconds:", spec.get("minReadySeconds", 0))
    rolling = strategy.get("rollingUpdate")
    if rolling:
        words = f"{rolling.get('maxUnavailable')} max unavailable, {rolling.get('maxSurge')} max surge"  # fmt: skip
        page.line(0, "RollingUpdateStrategy:", words)
    template(page, spec["template"])
    conditions(page, tree)
    revisions = owned(replica_sets, tree)
    newest = revisions.get(revision_of(tree))
    old = [one for one in revisions.values() if one is not newest and one["spec"].get("replicas")]
    empty = [one for one in revisions.values() if one is not newest and one not in old]
    page.line(0, "OldReplicaSets:", _sets([*empty, *old]))
    page.line(0, "NewReplicaSet:", _sets([newest] if newest else []))
    describe_events(page, events, now)
    return page.text()


def _sets(replica_sets: Sequence[Tree]) -> str:
    texts = []
    for one in replica_sets:
        wanted, made = one["spec"].get("replicas", 0), one.get("status", {}).get("replicas", 0)
        texts.append(f"{one['metadata']['name']} ({made}/{wanted} replicas created)")
    return ", ".join(texts) or NONE


def describe_replica_set(
    tree: Tree, pods: Sequence[Tree], events: Sequence[Tree], now: datetime
) -> str:
    page = Page()
    meta, spec, status = tree["metadata"], tree["spec"], tree.get("status") or {}
    page.line(0, "Name:", meta["name"])
    page.line(0, "Namespace:", meta["namespace"])
    page.line(0, "Selector:", selector_text(spec["selector"]))
    page.pairs(0, "Labels", meta.get("labels"))
    page.pairs(0, "Annotations", meta.get("annotations"), ": ")
    owner = controller(tree)
    if owner:
        page.line(0, "Controlled By:", owner)
    counts = f"{status.get('replicas', 0)} current / {spec.get('replicas', 0)} desired"
    page.line(0, "Replicas:", counts)
    phases = [pod.get("status", {}).get("phase") for pod in pods]
    words = [
        f"{phases.count(phase)} {word}"
        for phase, word in (
            ("Running", "Running"), ("Pending", "Waiting"), ("Succeeded", "Succeeded"),
            ("Failed", "Failed"),
        )
    ]  # fmt: skip
    page.line(0, "Pods Status:", " / ".join(words))
    template(page, spec["template"])
    conditions(page, tree)
    describe_events(page, events, now)
    return page.text()
