"""What to do about one Deployment now. Pure: everything seen goes in, a `Plan` comes out.

One pass makes at most one step of each set and at most one write of the status; the events these
cause bring the next pass. A `Draft` holds the sets as they will be after the actions so far, so that
each rule sees the effect of the rule before it and no step breaks maxSurge or maxUnavailable.

Source of the rules: upstream's pkg/controller/deployment (sync, rolling, recreate).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from controller_manager.deployment import marks, replicasets, sizing, status
from controller_manager.deployment.rolling import step_old_sets
from controller_manager.ownership import is_empty
from controller_manager.plan import NOTHING, Action, Create, Delete, Emit, Plan, Update
from wherry.api.apps_v1 import Deployment, DeploymentStatus, ReplicaSet

MAX_INT32 = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Observed:
    """sets: the ReplicaSets the Deployment controls. old_pods_exist: pods of an older set still
    run (for Recreate). occupant: any ReplicaSet of the name a new one would get."""

    deployment: Deployment
    sets: tuple[ReplicaSet, ...]
    old_pods_exist: bool = False
    occupant: ReplicaSet | None = None


@dataclass
class Draft:
    """The working copy of one decision."""

    deployment: Deployment
    sets: dict[str, ReplicaSet]
    new_name: str
    status: DeploymentStatus
    revision: int
    actions: list[Action] = field(default_factory=list)

    @property
    def new(self) -> ReplicaSet | None:
        return self.sets.get(self.new_name)

    @property
    def old(self) -> list[ReplicaSet]:
        return [rs for name, rs in self.sets.items() if name != self.new_name]

    @property
    def all(self) -> list[ReplicaSet]:
        return list(self.sets.values())

    def replace(self, rs: ReplicaSet) -> None:
        """One update of a set per pass: a later change of the same set joins the earlier one."""
        name = rs.metadata.name
        self.sets[name] = rs
        for index, action in enumerate(self.actions):
            if (
                isinstance(action, (Create, Update))
                and isinstance(action.object, ReplicaSet)
                and action.object.metadata.name == name
            ):
                change = Create(rs) if isinstance(action, Create) else Update(rs)
                self.actions[index] = change
                return
        self.actions.append(Update(rs))

    def resize(self, rs: ReplicaSet, to: int) -> bool:
        """Give a set its size and the sizes it was computed for; True when its size changed."""
        before = sizing.size(rs)
        notes = marks.with_sizes(
            rs.metadata.annotations,
            sizing.desired(self.deployment),
            sizing.ceiling(self.deployment),
        )
        if before == to and notes == rs.metadata.annotations:
            return False
        metadata = rs.metadata.with_(annotations=notes)
        self.replace(rs.with_(metadata=metadata, spec=rs.spec.with_(replicas=to)))
        if before == to:
            return False
        way = "up" if to > before else "down"
        message = f"Scaled {way} replica set {rs.metadata.name} from {before} to {to}"
        self.actions.append(Emit(self.deployment, "Normal", "ScalingReplicaSet", message))
        return True


def plan_deployment(observed: Observed, now: datetime) -> Plan:
    """The next step of a Deployment."""
    deployment = observed.deployment
    if deployment.spec.selector is None or is_empty(deployment.spec.selector):
        return _selecting_all(deployment)
    draft = _draft(observed)
    if deployment.metadata.deletion_timestamp is not None:
        return _finish(draft, status.calculated(deployment, draft.all, draft.new, now), now)
    draft.status = status.with_pause(deployment, draft.status, now)
    if deployment.spec.paused or _is_scaling(draft):
        _bring_up_to_date(draft, now)
        _scale(draft)
        if deployment.spec.paused:
            _clean_up(draft)
        paused = deployment.with_(status=draft.status)
        return _finish(draft, status.calculated(paused, draft.all, draft.new, now), now)
    if deployment.spec.strategy.type == sizing.RECREATE:
        blocked = _recreate(draft, observed, now)
    else:
        blocked = _roll(draft, observed, now)
    if blocked is not None:
        return blocked
    current = deployment.with_(status=draft.status)
    rolled = status.calculated(current, draft.all, draft.new, now)
    rolled = status.with_progress(deployment, deployment.status, rolled, draft.new, now)
    rolled = status.with_failures(rolled, draft.all, draft.new)
    return _finish(draft, rolled, now)


def _draft(observed: Observed) -> Draft:
    new = replicasets.find_new(observed.deployment, observed.sets)
    return Draft(
        deployment=observed.deployment,
        sets={rs.metadata.name: rs for rs in observed.sets},
        new_name=new.metadata.name if new else replicasets.name_of_new(observed.deployment),
        status=observed.deployment.status,
        revision=marks.revision(observed.deployment),
    )


def _selecting_all(deployment: Deployment) -> Plan:
    if deployment.status.observed_generation >= deployment.metadata.generation:
        return NOTHING
    message = "This deployment is selecting all pods. A non-empty selector is required."
    seen = deployment.status.with_(observed_generation=deployment.metadata.generation)
    return Plan(
        (
            Emit(deployment, "Warning", "SelectingAll", message),
            Update(deployment.with_(status=seen), subresource="status"),
        )
    )


def _is_scaling(draft: Draft) -> bool:
    """Did `spec.replicas` change since a live set was last sized?

    Recreate amid a rollout has no proportions to keep: its own steps follow the new size.
    """
    wanted = sizing.desired(draft.deployment)
    live = [rs for rs in draft.all if sizing.size(rs) > 0]
    if len(live) > 1 and not sizing.is_rolling(draft.deployment):
        return False
    recorded = (marks.number(rs.metadata.annotations, marks.DESIRED_REPLICAS) for rs in live)
    return any(number is not None and number != wanted for number in recorded)


def _bring_up_to_date(draft: Draft, now: datetime) -> None:
    """The existing new set gets its annotations and minReadySeconds, the Deployment its revision."""
    new = draft.new
    if new is None:
        return
    deployment = draft.deployment
    revision = marks.highest_revision(draft.old) + 1
    notes = marks.for_replica_set(deployment, new.metadata.annotations, revision)
    spec = new.spec.with_(min_ready_seconds=deployment.spec.min_ready_seconds)
    if notes != new.metadata.annotations or spec != new.spec:
        draft.replace(new.with_(metadata=new.metadata.with_(annotations=notes), spec=spec))
    draft.revision = marks.number(notes, marks.REVISION) or draft.revision
    if status.has_deadline(deployment) and status.find(draft.status, status.PROGRESSING) is None:
        message = f'Found new replica set "{new.metadata.name}"'
        found = status.make(status.PROGRESSING, "True", status.FOUND_REPLICA_SET, message, now)
        draft.status = status.put(draft.status, found)


def _ensure_new(draft: Draft, observed: Observed, now: datetime) -> Plan | None:
    """Make the new set if there is none; a Plan when its name is taken by another's set."""
    if draft.new is not None:
        _bring_up_to_date(draft, now)
        return None
    deployment = draft.deployment
    if observed.occupant is not None:
        count = (deployment.status.collision_count or 0) + 1
        collided = draft.status.with_(collision_count=count)
        return Plan((Update(deployment.with_(status=collided), subresource="status"),))
    revision = marks.highest_revision(draft.old) + 1
    notes = marks.for_replica_set(deployment, {}, revision)
    notes = marks.with_sizes(notes, sizing.desired(deployment), sizing.ceiling(deployment))
    replicas = sizing.grown(deployment, draft.old, 0)
    suffix = draft.new_name.removeprefix(f"{deployment.metadata.name}-")
    made = replicasets.make_new(deployment, replicas, notes, suffix)
    draft.sets[draft.new_name] = made
    draft.actions.append(Create(made))
    if replicas > 0:
        message = f"Scaled up replica set {draft.new_name} from 0 to {replicas}"
        draft.actions.append(Emit(deployment, "Normal", "ScalingReplicaSet", message))
    draft.revision = revision
    if status.has_deadline(deployment):
        message = f'Created new replica set "{draft.new_name}"'
        created = status.make(status.PROGRESSING, "True", status.NEW_REPLICA_SET, message, now)
        draft.status = status.put(draft.status, created)
    return None


def _scale(draft: Draft) -> None:
    """Follow a changed `spec.replicas` without moving the rollout."""
    deployment = draft.deployment
    wanted = sizing.desired(deployment)
    live = [rs for rs in draft.all if sizing.size(rs) > 0]
    one = live[0] if len(live) == 1 else None
    most = wanted if one is not None else sizing.ceiling(deployment)
    others = [rs for rs in draft.all if rs is not one]
    if most > sizing.total(live) and not all(map(sizing.is_shrunk, others)):
        return  # pods that are about to go still take room
    if one is not None:
        draft.resize(one, wanted)
        return
    if not live:
        latest = draft.new or next(reversed(replicasets.by_age(draft.old)), None)
        if latest is not None and wanted > 0:
            draft.resize(latest, wanted)
        return
    if _is_saturated(draft):
        for rs in draft.old:
            if sizing.size(rs) > 0:
                draft.resize(rs, 0)
    elif sizing.is_rolling(deployment):
        for name, size in sizing.proportions(deployment, live).items():
            draft.resize(draft.sets[name], size)


def _is_saturated(draft: Draft) -> bool:
    new, wanted = draft.new, sizing.desired(draft.deployment)
    return (
        new is not None
        and sizing.size(new) == wanted
        and marks.number(new.metadata.annotations, marks.DESIRED_REPLICAS) == wanted
        and sizing.available(new) == wanted
    )


def _roll(draft: Draft, observed: Observed, now: datetime) -> Plan | None:
    """RollingUpdate: grow the new set, else shrink the old ones, else tidy up."""
    blocked = _ensure_new(draft, observed, now)
    new = draft.new
    if blocked is not None or new is None:
        return blocked
    wanted, size = sizing.desired(draft.deployment), sizing.size(new)
    target = wanted if size > wanted else sizing.grown(draft.deployment, draft.old, size)
    if size != wanted and draft.resize(new, target):
        return None
    shrunk = step_old_sets(draft.deployment, new, [rs for rs in draft.old if sizing.size(rs) > 0])
    for name, to in shrunk.items():
        draft.resize(draft.sets[name], to)
    if not shrunk and status.is_complete(draft.deployment, draft.deployment.status):
        _clean_up(draft)
    return None


def _recreate(draft: Draft, observed: Observed, now: datetime) -> Plan | None:
    """Recreate: nothing new before the last old pod is gone."""
    if draft.new is not None:
        _bring_up_to_date(draft, now)
    shrinking = [rs for rs in draft.old if sizing.size(rs) > 0]
    for rs in shrinking:
        draft.resize(rs, 0)
    if shrinking or observed.old_pods_exist or not all(map(sizing.is_shrunk, draft.old)):
        return None
    blocked = _ensure_new(draft, observed, now)
    if blocked is not None:
        return blocked
    new, wanted = draft.new, sizing.desired(draft.deployment)
    if new is not None and sizing.size(new) != wanted:
        draft.resize(new, wanted)
    if status.is_complete(draft.deployment, draft.deployment.status):
        _clean_up(draft)
    return None


def _clean_up(draft: Draft) -> None:
    """Delete the oldest empty sets beyond `revisionHistoryLimit`."""
    limit = draft.deployment.spec.revision_history_limit
    if limit is None or limit == MAX_INT32:
        return
    alive = [rs for rs in draft.old if rs.metadata.deletion_timestamp is None]
    surplus = sorted(alive, key=marks.revision)[: max(0, len(alive) - limit)]
    for rs in surplus:
        idle = rs.status.replicas == 0 and sizing.size(rs) == 0
        if idle and rs.metadata.generation <= rs.status.observed_generation:
            metadata = rs.metadata
            draft.actions.append(
                Delete(ReplicaSet, metadata.namespace, metadata.name, metadata.uid)
            )


def _finish(draft: Draft, final: DeploymentStatus, now: datetime) -> Plan:
    """Write status and revision if they changed, and come back when the rollout would be late.

    The revision goes with the status: upstream's status subresource takes annotations, and a write
    of them alone would count as a new generation.
    """
    deployment = draft.deployment
    notes = deployment.metadata.annotations
    if draft.revision and marks.revision(deployment) != draft.revision:
        notes = {**notes, marks.REVISION: str(draft.revision)}
    actions = list(draft.actions)
    if final != deployment.status or notes != deployment.metadata.annotations:
        metadata = deployment.metadata.with_(annotations=notes)
        updated = deployment.with_(metadata=metadata, status=final)
        actions.append(Update(updated, subresource="status"))
    late = None if deployment.spec.paused else status.deadline(deployment, final)
    wait = None if late is None else max(0.0, (late - now).total_seconds()) + 1.0
    return Plan(tuple(actions), wait)


def plan_create_failure(deployment: Deployment, name: str, error: str, now: datetime) -> Plan:
    """The API refused the new ReplicaSet: say so on the Deployment, before it is tried again."""
    message = f'Failed to create new replica set "{name}": {error}'
    told = Emit(deployment, "Warning", status.CREATE_ERROR, message)
    if not status.has_deadline(deployment):
        return Plan((told,))
    failed = status.make(status.PROGRESSING, "False", status.CREATE_ERROR, message, now)
    changed = status.put(deployment.status, failed)
    if changed == deployment.status:
        return Plan((told,))
    return Plan((Update(deployment.with_(status=changed), subresource="status"), told))
