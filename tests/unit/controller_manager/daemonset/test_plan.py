"""Where daemon pods belong, and whole rolling updates in a simulated cluster."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller_manager import history, pods
from controller_manager.daemonset.controller import FailureDelays
from controller_manager.daemonset.nodes import Fit, fit, new_pod, node_of
from controller_manager.daemonset.plan import Observed, plan_daemons, plan_status
from controller_manager.daemonset.rolling import plan_rolling
from controller_manager.plan import Create, Update
from controller_manager.slimming import PodSlimmer
from wherry.api.apps_v1 import ControllerRevision, DaemonSet
from wherry.api.core_v1 import Node, Pod
from wherry.api.model import format_time

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def daemon_set(
    image="agent:1", strategy="RollingUpdate", unavailable=1, surge=0, template=None, **spec
):
    rolling = {"rollingUpdate": {"maxUnavailable": unavailable, "maxSurge": surge}}
    return DaemonSet.from_wire(
        {
            "metadata": {"name": "agent", "namespace": "ns", "uid": "d1", "generation": 1},
            "spec": {
                "selector": {"matchLabels": {"app": "agent"}},
                "revisionHistoryLimit": 10,
                "updateStrategy": {"type": strategy, **(rolling if strategy == "RollingUpdate" else {})},
                "template": {
                    "metadata": {"labels": {"app": "agent"}},
                    "spec": {"containers": [{"name": "c", "image": image}], **(template or {})},
                },
                **spec,
            },
        }
    )  # fmt: skip


def node(name, *taints, **labels):
    told = [dict(zip(("key", "effect"), taint.split(":"), strict=True)) for taint in taints]
    return Node.from_wire(
        {"metadata": {"name": name, "labels": labels}, "spec": {"taints": told} if told else {}}
    )


def affinity(**requirement):
    terms = [{"matchExpressions": [requirement]}]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    return {"affinity": {"nodeAffinity": required}}


@pytest.mark.parametrize(
    ("template", "where", "expected"),
    [
        pytest.param({}, node("a"), (True, True), id="plain"),
        pytest.param({"nodeName": "b"}, node("a"), (False, False), id="another name"),
        pytest.param({"nodeSelector": {"disk": "ssd"}}, node("a"), (False, False), id="selector"),
        pytest.param({"nodeSelector": {"disk": "ssd"}}, node("a", disk="ssd"), (True, True), id="selected"),
        pytest.param(affinity(key="cpus", operator="Gt", values=["3"]), node("a", cpus="4"), (True, True), id="more"),
        pytest.param(affinity(key="cpus", operator="Exists"), node("a"), (False, False), id="affinity"),
        pytest.param({}, node("a", "x:NoSchedule"), (False, True), id="tainted"),
        pytest.param({}, node("a", "x:NoExecute"), (False, False), id="expelling"),
        pytest.param({}, node("a", "x:PreferNoSchedule"), (True, True), id="merely asked"),
        pytest.param({"tolerations": [{"operator": "Exists"}]}, node("a", "x:NoExecute"), (True, True), id="tolerated"),
        pytest.param({}, node("a", "node.kubernetes.io/unschedulable:NoSchedule"), (True, True), id="cordoned"),
        pytest.param({}, node("a", "node.kubernetes.io/unreachable:NoExecute"), (True, True), id="silent"),
        pytest.param({}, node("a", "node.kubernetes.io/network-unavailable:NoSchedule"), (False, True), id="no network"),
        pytest.param({"hostNetwork": True}, node("a", "node.kubernetes.io/network-unavailable:NoSchedule"), (True, True), id="host network"),
    ],
)  # fmt: skip
def test_fit(template, where, expected):
    assert fit(daemon_set(template=template), where) == Fit(*expected)


def test_the_pod_says_where_it_belongs():
    made = new_pod(daemon_set(template=affinity(key="x", operator="Exists")), "a", "h1", [])
    assert node_of(made) == "a"
    (term,) = (
        made.spec.affinity.node_affinity.required_during_scheduling_ignored_during_execution.node_selector_terms
    )
    assert (term.match_expressions, term.match_fields[0].key) == ([], "metadata.name")
    assert made.metadata.labels == {"app": "agent", "controller-revision-hash": "h1"}
    assert made.metadata.generate_name == "agent-"
    assert len(made.spec.tolerations) == 6
    assert node_of(PodSlimmer()(made)) == "a"
    assert (
        new_pod(daemon_set(), "a", "h1", []).metadata.name
        != new_pod(daemon_set(), "b", "h1", []).metadata.name
    )


class World:
    """A DaemonSet on some nodes, whose pods come up as the test says."""

    def __init__(self, made: DaemonSet, *names: str) -> None:
        self.set = made
        self.nodes = {name: node(name) for name in names}
        self.pods: dict[str, Pod] = {}
        self.revisions: dict[str, ControllerRevision] = {}
        self.now = NOW
        self.made = 0
        self.writes = 0

    def step(self) -> None:
        revisions = list(self.revisions.values())
        occupant = self.revisions.get(history.name_of_new(self.set))
        past = history.plan_history(self.set, revisions, occupant, {})
        assert not past.collided
        for action in past.actions:
            assert isinstance(action, (Create, Update))
            self.writes += 1
            self.revisions[action.object.metadata.name] = action.object
        observed = self.observed()
        plan = plan_daemons(observed)
        if not plan.create and not plan.delete:
            plan = plan_rolling(observed, self.now)
        for pod in plan.delete:
            self.end(pod.metadata.name)
        for pod in () if plan.delete else plan.create:
            assert pod.metadata.name not in self.pods
            self.made += 1
            self.writes += 1
            metadata = pod.metadata.with_(
                uid=f"u{self.made}", creation_timestamp=NOW + timedelta(seconds=self.made)
            )
            self.pods[pod.metadata.name] = pod.with_(metadata=metadata)

    def observed(self) -> Observed:
        (current,) = [
            r for r in self.revisions.values() if history.template_of(r) == self.set.spec.template
        ]
        return Observed(
            self.set,
            tuple(self.nodes.values()),
            tuple(self.pods.values()),
            history.hash_of(current),
        )

    def end(self, name: str) -> None:
        self.writes += 1
        del self.pods[name]

    def ready(self, name: str) -> None:
        pod = self.pods[name]
        condition = {"type": "Ready", "status": "True", "lastTransitionTime": format_time(self.now)}
        status = {"phase": "Running", "conditions": [condition]}
        tree = {**pod.to_wire(), "status": status}
        tree["spec"]["nodeName"] = node_of(pod)
        self.pods[name] = Pod.from_wire(tree)

    def all_ready(self) -> None:
        for name, pod in list(self.pods.items()):
            if not pods.is_ready(pod):
                self.ready(name)

    def settle(self, *, ready: bool = True) -> None:
        for _ in range(100):
            before = self.writes
            self.step()
            if ready:
                self.all_ready()
            if self.writes == before:
                return
        raise AssertionError("does not settle")

    def images(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for pod in self.pods.values():
            found.setdefault(node_of(pod), []).append(pod.spec.containers[0].image)
        return found

    def available(self) -> set[str]:
        return {node_of(pod) for pod in self.pods.values() if pods.is_ready(pod)}

    def status(self):
        return plan_status(self.observed(), None, self.now)[0]


def test_one_on_each_node():
    world = World(daemon_set(), "a", "b", "c")
    world.settle()
    assert world.images() == {name: ["agent:1"] for name in "abc"}
    status = world.status()
    assert (
        status.desired_number_scheduled,
        status.current_number_scheduled,
        status.number_ready,
    ) == (3, 3, 3)
    assert (
        status.updated_number_scheduled,
        status.number_available,
        status.number_unavailable,
    ) == (3, 3, 0)
    world.nodes["d"] = node("d")
    world.settle()
    assert set(world.images()) == set("abcd")


def test_nodes_that_stop_fitting():
    world = World(daemon_set(), "a", "b", "c")
    world.settle()
    world.nodes["a"] = node("a", "x:NoExecute")
    world.nodes["b"] = node("b", "x:NoSchedule")
    world.settle()
    assert set(world.images()) == {"b", "c"}
    assert (world.status().number_misscheduled, world.status().desired_number_scheduled) == (1, 1)


def test_pods_waiting_for_a_node_that_is_gone():
    world = World(daemon_set(), "a")
    world.step()
    del world.nodes["a"]
    world.settle()
    assert world.pods == {}


def test_the_oldest_of_several_stays():
    world = World(daemon_set(), "a")
    world.settle()
    (first,) = world.pods
    twin = new_pod(world.set, "a", world.observed().hash_, [])
    metadata = twin.metadata.with_(uid="twin", creation_timestamp=NOW + timedelta(hours=1))
    world.pods[twin.metadata.name] = twin.with_(metadata=metadata)
    world.settle()
    assert list(world.pods) == [first]


def test_failed_pods_are_replaced_later_and_later():
    world = World(daemon_set(), "a")
    world.settle()
    (name,) = world.pods
    world.pods[name] = Pod.from_wire({**world.pods[name].to_wire(), "status": {"phase": "Failed"}})
    plan = plan_daemons(world.observed())
    assert ([p.metadata.name for p in plan.delete], plan.failed_on) == ([name], ("a",))
    assert (
        plan.events[0].message
        == f"Found failed daemon pod ns/{name} on node a, will try to kill it"
    )
    delays = FailureDelays()
    for expected in (1, 2, 4):
        delays.failed("d1", "a", NOW)
        assert delays.waits("d1", NOW) == {"a": expected}
    observed = world.observed()
    waiting = Observed(
        observed.daemon_set, observed.nodes, observed.pods, observed.hash_, {"a": 4.0}
    )
    assert (plan_daemons(waiting).delete, plan_daemons(waiting).wait) == ((), 4.0)
    assert delays.waits("d1", NOW + timedelta(hours=2)) == {}


def update(world: World, image: str) -> None:
    world.set = world.set.with_(
        spec=daemon_set(image).spec.with_(update_strategy=world.set.spec.update_strategy)
    )


def test_on_delete_waits_for_people():
    world = World(daemon_set(strategy="OnDelete"), "a", "b")
    world.settle()
    update(world, "agent:2")
    world.settle()
    assert world.images() == {"a": ["agent:1"], "b": ["agent:1"]}
    (gone,) = [name for name, pod in world.pods.items() if node_of(pod) == "a"]
    world.end(gone)
    world.settle()
    assert world.images() == {"a": ["agent:2"], "b": ["agent:1"]}


def test_history_goes_back_and_is_cleaned():
    world = World(daemon_set(), "a")
    for image in ("agent:1", "agent:2", "agent:1"):
        update(world, image)
        world.settle()
    numbers = {
        history.template_of(r).spec.containers[0].image: r.revision
        for r in world.revisions.values()
    }
    assert numbers == {"agent:1": 3, "agent:2": 2}
    owner = world.set.with_(spec=world.set.spec.with_(revision_history_limit=0))
    old = [r for r in world.revisions.values() if r.revision == 2]
    assert [action.name for action in history.plan_clean_up(owner, old, [])] == [
        old[0].metadata.name
    ]
    assert history.plan_clean_up(owner, old, [old[0].metadata.name]) == []


def test_a_taken_name_collides():
    occupant = history.new_revision(daemon_set("other"), 1, {})
    assert history.plan_history(daemon_set(), [], occupant, {}).collided


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 6),
    st.sampled_from([(1, 0), (2, 0), ("50%", 0), (0, 1), (0, "50%"), (0, 2)]),
    st.lists(st.integers(0, 9), max_size=40),
)
def test_a_rolling_update_keeps_its_promises(count, limits, picks):
    unavailable, surge = limits
    names = [f"n{i}" for i in range(count)]
    world = World(daemon_set(unavailable=unavailable, surge=surge), *names)
    world.settle()
    update(world, "agent:2")
    half = -(-count // 2)
    may_miss = half if unavailable == "50%" else unavailable
    may_surge = half if surge == "50%" else surge
    for pick in picks:
        world.step()
        extra = sum(len(images) - 1 for images in world.images().values())
        assert extra <= may_surge
        assert len(world.available()) >= count - may_miss
        starting = sorted(name for name, pod in world.pods.items() if not pods.is_ready(pod))
        if starting:
            world.ready(starting[pick % len(starting)])
    world.settle()
    assert world.images() == {name: ["agent:2"] for name in names}


def test_a_revision_holds_the_template_as_kubectl_writes_it() -> None:
    made = history.new_revision(daemon_set(template={"affinity": {}}), 1, {})
    assert json.dumps(made.data, separators=(",", ":")) == (
        '{"spec":{"template":{"$patch":"replace","metadata":{"labels":{"app":"agent"}},'
        '"spec":{"affinity":{},"containers":[{"image":"agent:1","name":"c","resources":{}}]}}}}'
    )
    assert history.template_of(made) == daemon_set(template={"affinity": {}}).spec.template
