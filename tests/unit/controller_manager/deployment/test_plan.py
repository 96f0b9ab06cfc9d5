"""A Deployment's steps: single decisions, and whole rollouts in a simulated cluster."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller_manager.deployment import marks, replicasets, sizing, status
from controller_manager.deployment.plan import Observed, plan_create_failure, plan_deployment
from controller_manager.plan import Create, Delete, Emit, Update
from wherry.api.apps_v1 import Deployment, ReplicaSet
from wherry.api.apps_v1.replicaset import ReplicaSetStatus

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def deployment(
    image="app:1", replicas=3, strategy="RollingUpdate", surge="25%", unavailable="25%", **spec
):
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    return Deployment.from_wire(
        {
            "metadata": {"name": "web", "namespace": "ns", "uid": "d1", "generation": 1, "resourceVersion": "1"},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": "web"}},
                "strategy": {"type": strategy, **({"rollingUpdate": rolling} if strategy == "RollingUpdate" else {})},
                "revisionHistoryLimit": 10,
                "progressDeadlineSeconds": 600,
                "template": {
                    "metadata": {"labels": {"app": "web"}},
                    "spec": {"containers": [{"name": "c", "image": image}]},
                },
                **spec,
            },
        }
    )  # fmt: skip


class World:
    """A Deployment and its ReplicaSets, whose pods come and go as the test says."""

    def __init__(self, made: Deployment) -> None:
        self.deployment = made
        self.sets: dict[str, ReplicaSet] = {}
        self.now = NOW
        self.events: list[str] = []
        self.writes = 0

    def step(self) -> float | None:
        """One pass of the controller; the wait it asked for."""
        observed = Observed(
            self.deployment,
            tuple(self.sets.values()),
            old_pods_exist=any(rs.status.replicas for rs in self.old()),
        )
        plan = plan_deployment(observed, self.now)
        for action in plan.actions:
            self.apply(action)
        return plan.requeue_after

    def apply(self, action) -> None:
        self.writes += not isinstance(action, Emit)
        match action:
            case Create(object=rs) | Update(object=ReplicaSet() as rs):
                name = rs.metadata.name
                assert isinstance(action, Update) == (name in self.sets)
                generation = rs.metadata.generation + 1
                created = rs.metadata.creation_timestamp or self.now + timedelta(
                    seconds=len(self.sets)
                )
                metadata = rs.metadata.with_(
                    uid=f"uid-{name}", creation_timestamp=created, generation=generation
                )
                self.sets[name] = rs.with_(metadata=metadata)
            case Update(object=made, subresource="status"):
                self.deployment = made
            case Delete(name=name):
                del self.sets[name]
            case Emit(reason=reason, message=message):
                self.events.append(f"{reason}: {message}")

    def old(self) -> list[ReplicaSet]:
        new = replicasets.find_new(self.deployment, list(self.sets.values()))
        return [rs for rs in self.sets.values() if rs is not new]

    def pods(self, name: str, ready: int | None = None) -> None:
        """The set's controller caught up: it has its pods, `ready` of them available."""
        rs = self.sets[name]
        count = sizing.size(rs)
        up = count if ready is None else min(ready, count)
        made = ReplicaSetStatus(
            replicas=count, ready_replicas=up, available_replicas=up,
            observed_generation=rs.metadata.generation,
        )  # fmt: skip
        self.sets[name] = rs.with_(status=made)

    def all_pods(self) -> None:
        for name in list(self.sets):
            self.pods(name)

    def change(self, **spec) -> None:
        metadata = self.deployment.metadata
        self.deployment = self.deployment.with_(
            metadata=metadata.with_(generation=metadata.generation + 1),
            spec=self.deployment.spec.with_(**spec),
        )

    def new_image(self, image: str) -> None:
        self.change(template=deployment(image).spec.template)

    def settle(self, steps: int = 60) -> None:
        """Let everything come up until nothing is written any more."""
        self.step()
        for _ in range(steps):
            before = self.writes
            self.all_pods()
            self.step()
            if self.writes == before:
                return
        raise AssertionError("does not settle")

    def condition(self, type_: str):
        return status.find(self.deployment.status, type_)

    def sizes(self) -> dict[str, int]:
        return {
            rs.spec.template.spec.containers[0].image: sizing.size(rs) for rs in self.sets.values()
        }


def test_first_pass_creates_the_replica_set_and_says_so():
    world = World(deployment())
    world.step()
    (rs,) = world.sets.values()
    suffix = rs.metadata.labels["pod-template-hash"]
    assert rs.metadata.name == f"web-{suffix}"
    assert rs.spec.selector.match_labels == {"app": "web", "pod-template-hash": suffix}
    assert rs.spec.template.metadata.labels == {"app": "web", "pod-template-hash": suffix}
    assert rs.metadata.annotations == {
        marks.REVISION: "1", marks.DESIRED_REPLICAS: "3", marks.MAX_REPLICAS: "4",
    }  # fmt: skip
    (owner,) = rs.metadata.owner_references
    assert (owner.kind, owner.uid, owner.controller, owner.block_owner_deletion) == (
        "Deployment",
        "d1",
        True,
        True,
    )
    assert world.events == [
        f"ScalingReplicaSet: Scaled up replica set {rs.metadata.name} from 0 to 3"
    ]
    assert world.deployment.metadata.annotations[marks.REVISION] == "1"
    progressing = world.condition("Progressing")
    assert (progressing.status, progressing.reason) == ("True", "NewReplicaSetCreated")
    assert progressing.message == f'Created new replica set "{rs.metadata.name}"'


def test_complete_rollout_has_upstream_words():
    world = World(deployment())
    world.settle()
    (name,) = world.sets
    progressing, available = world.condition("Progressing"), world.condition("Available")
    assert (progressing.reason, progressing.message) == (
        "NewReplicaSetAvailable", f'ReplicaSet "{name}" has successfully progressed.',
    )  # fmt: skip
    assert (available.reason, available.message) == (
        "MinimumReplicasAvailable", "Deployment has minimum availability.",
    )  # fmt: skip
    done = world.deployment.status
    assert (done.replicas, done.updated_replicas, done.ready_replicas, done.available_replicas) == (
        3,
        3,
        3,
        3,
    )
    assert done.observed_generation == 1


def test_settled_deployment_is_left_alone():
    world = World(deployment())
    world.settle()
    writes = world.writes
    world.step()
    assert world.writes == writes


def test_rolling_update_then_undo_counts_revisions():
    world = World(deployment("app:1"))
    world.settle()
    world.new_image("app:2")
    world.settle()
    assert world.sizes() == {"app:1": 0, "app:2": 3}
    assert world.deployment.metadata.annotations[marks.REVISION] == "2"
    world.new_image("app:1")
    world.settle()
    assert world.sizes() == {"app:1": 3, "app:2": 0}
    assert world.deployment.metadata.annotations[marks.REVISION] == "3"
    back = replicasets.find_new(world.deployment, list(world.sets.values()))
    assert back.metadata.annotations[marks.REVISION] == "3"
    assert back.metadata.annotations[marks.REVISION_HISTORY] == "1"


def test_recreate_waits_for_the_last_old_pod():
    world = World(deployment("app:1", strategy="Recreate"))
    world.settle()
    world.new_image("app:2")
    world.step()
    assert world.sizes() == {"app:1": 0}
    world.step()
    assert world.sizes() == {"app:1": 0}, "its pods are still there"
    world.all_pods()
    world.step()
    assert world.sizes() == {"app:1": 0, "app:2": 3}


def test_paused_deployment_scales_but_does_not_roll():
    world = World(deployment("app:1"))
    world.settle()
    world.change(paused=True)
    world.new_image("app:2")
    world.settle()
    assert world.sizes() == {"app:1": 3}
    assert world.condition("Progressing").reason == "DeploymentPaused"
    world.change(replicas=5)
    world.settle()
    assert world.sizes() == {"app:1": 5}
    world.change(paused=False)
    world.settle()
    assert world.sizes() == {"app:1": 0, "app:2": 5}


def test_scaling_amid_a_rollout_is_proportional():
    world = World(deployment("app:1", replicas=10, surge=3, unavailable=2))
    world.settle()
    world.new_image("app:2")
    world.step()
    world.all_pods()
    stuck = {
        rs.spec.template.spec.containers[0].image: rs.metadata.name for rs in world.sets.values()
    }
    world.pods(stuck["app:2"], ready=0)
    world.step()
    assert world.sizes() == {"app:1": 8, "app:2": 5}
    world.change(replicas=15)
    world.step()
    assert world.sizes() == {"app:1": 8, "app:2": 5}, "not before the shrunk set has shrunk"
    world.pods(stuck["app:1"])
    world.pods(stuck["app:2"], ready=0)
    world.step()
    assert world.sizes() == {"app:1": 11, "app:2": 7}, "upstream's documented example"


def test_scaling_to_zero_and_back():
    world = World(deployment())
    world.settle()
    world.change(replicas=0)
    world.settle()
    assert world.sizes() == {"app:1": 0}
    world.change(replicas=2)
    world.settle()
    assert world.sizes() == {"app:1": 2}


def test_stuck_rollout_exceeds_its_deadline():
    world = World(deployment(progressDeadlineSeconds=60))
    wait = world.step()
    assert wait == pytest.approx(61.0)
    (name,) = world.sets
    world.pods(name, ready=0)
    world.step()
    world.now += timedelta(seconds=62)
    world.step()
    late = world.condition("Progressing")
    assert (late.status, late.reason) == ("False", "ProgressDeadlineExceeded")
    assert late.message == f'ReplicaSet "{name}" has timed out progressing.'
    writes = world.writes
    assert world.step() is None
    assert world.writes == writes
    world.pods(name)
    world.step()
    assert world.condition("Progressing").reason == "NewReplicaSetAvailable", "it came after all"


def test_history_beyond_the_limit_is_deleted_oldest_first():
    world = World(deployment("app:1", revisionHistoryLimit=1))
    for number in range(1, 5):
        world.new_image(f"app:{number}")
        world.settle()
    assert world.sizes() == {"app:3": 0, "app:4": 3}


def test_a_taken_name_counts_a_collision_and_the_next_pass_finds_another():
    made = deployment()
    taken = ReplicaSet.from_wire({"metadata": {"name": replicasets.name_of_new(made)}})
    plan = plan_deployment(Observed(made, (), occupant=taken), NOW)
    (update,) = plan.actions
    assert update.subresource == "status"
    assert update.object.status.collision_count == 1
    assert replicasets.name_of_new(update.object) != replicasets.name_of_new(made)


def test_failed_pods_show_as_replica_failure():
    world = World(deployment())
    world.step()
    (name,) = world.sets
    failed = {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": "FailedCreate",
        "message": "quota",
    }
    made = ReplicaSetStatus.from_wire({"conditions": [failed]})
    world.sets[name] = world.sets[name].with_(status=made)
    world.step()
    assert world.condition("ReplicaFailure").message == "quota"
    world.settle()
    assert world.condition("ReplicaFailure") is None


def test_empty_selector_is_refused_once():
    made = deployment(selector={})
    plan = plan_deployment(Observed(made, ()), NOW)
    told, update = plan.actions
    assert told.reason == "SelectingAll"
    assert plan_deployment(Observed(update.object, ()), NOW).actions == ()


def test_refused_replica_set_shows_on_the_deployment():
    update, told = plan_create_failure(deployment(), "web-x", "no", NOW).actions
    assert told.message == 'Failed to create new replica set "web-x": no'
    condition = status.find(update.object.status, "Progressing")
    assert (condition.status, condition.reason) == ("False", "ReplicaSetCreateError")


def test_deleted_deployment_only_reports():
    world = World(deployment())
    world.settle()
    metadata = world.deployment.metadata.with_(deletion_timestamp=NOW)
    world.deployment = world.deployment.with_(metadata=metadata)
    world.new_image("app:2")
    world.step()
    assert world.sizes() == {"app:1": 3}


def test_min_ready_seconds_and_annotations_reach_the_set():
    world = World(deployment())
    world.settle()
    notes = {
        **world.deployment.metadata.annotations,
        "kubernetes.io/change-cause": "why",
        marks.LAST_APPLIED: "x",
    }
    world.deployment = world.deployment.with_(
        metadata=world.deployment.metadata.with_(annotations=notes)
    )
    world.change(min_ready_seconds=7)
    world.step()
    (rs,) = world.sets.values()
    assert rs.spec.min_ready_seconds == 7
    assert rs.metadata.annotations["kubernetes.io/change-cause"] == "why"
    assert marks.LAST_APPLIED not in rs.metadata.annotations


counts = st.one_of(st.integers(0, 6), st.sampled_from(["0%", "10%", "25%", "50%", "100%"]))


@settings(max_examples=60, deadline=None)
@given(replicas=st.integers(1, 12), surge=counts, unavailable=counts, data=st.data())
def test_no_rollout_breaks_max_surge_or_max_unavailable(replicas, surge, unavailable, data):
    """Whatever the order in which pods come up: the limits hold at each step, and it ends."""
    world = World(deployment("app:1", replicas, surge=surge, unavailable=unavailable))
    world.settle()
    world.new_image("app:2")
    floor = replicas - sizing.max_unavailable(world.deployment)
    ceiling = sizing.ceiling(world.deployment)
    for _ in range(15):
        world.step()
        assert sizing.total(world.sets.values()) <= ceiling
        assert sum(sizing.available(rs) for rs in world.sets.values()) >= floor
        for name, rs in list(world.sets.items()):
            if data.draw(st.booleans(), label=f"{name} catches up"):
                up = rs.status.available_replicas
                low = min(up, sizing.size(rs))
                world.pods(name, ready=data.draw(st.integers(low, sizing.size(rs))))
    world.settle()
    assert world.sizes() == {"app:1": 0, "app:2": replicas}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 6))
def test_a_plan_repeated_on_its_own_outcome_is_empty(replicas, ready, more):
    """Idempotent: with nothing happening in between, the second pass writes nothing."""
    world = World(deployment(replicas=replicas))
    world.settle()
    world.change(replicas=more)
    for _ in range(2):
        world.step()
    for name in world.sets:
        world.pods(name, ready=ready)
    for _ in range(3):
        world.step()
    writes = world.writes
    world.step()
    assert world.writes == writes


def test_status_of_observed_generation_moves_without_other_changes():
    world = World(deployment())
    world.settle()
    world.change()
    world.step()
    assert world.deployment.status.observed_generation == 2
