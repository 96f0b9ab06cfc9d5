"""The scheduler as a process beside the real API server and etcd: asserts on what the API shows."""

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
from contextlib import asynccontextmanager

import httpx
import pytest

from tests.integration.conftest import TOKEN
from wherry.api.coordination_v1 import Lease
from wherry.api.core_v1 import (
    Container,
    Event,
    Namespace,
    Node,
    NodeSpec,
    NodeStatus,
    Pod,
    PodSchedulingGate,
    PodSpec,
    ResourceRequirements,
    Taint,
)
from wherry.api.meta_v1 import ObjectMeta
from wherry.client.kubeconfig import load
from wherry.client.rest import ApiError, Client

NAMESPACE = "work"
FAST = [
    "--leader-elect-lease-duration=2s",
    "--leader-elect-renew-deadline=1s",
    "--leader-elect-retry-period=200ms",
]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class SchedulerProcess:
    def __init__(self, apiserver, directory, *flags):
        self.port = free_port()
        self.log = directory / f"scheduler-{self.port}.log"
        command = [
            sys.executable, "-m", "scheduler.main", f"--kubeconfig={apiserver.kubeconfig}",
            "--bind-address=127.0.0.1", f"--secure-port={self.port}", *flags,
        ]  # fmt: skip
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(15)


@pytest.fixture
def start(apiserver, tmp_path):
    started = []

    def one(*flags):
        made = SchedulerProcess(apiserver, tmp_path, *flags)
        started.append(made)
        return made

    yield one
    for made in started:
        made.stop(signal.SIGKILL)


@pytest.fixture
async def client(apiserver):
    async with Client(load(apiserver.kubeconfig)) as made:
        await made.create(Namespace(metadata=ObjectMeta(name=NAMESPACE)))
        await made.request(
            "POST",
            f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts",
            body={"metadata": {"name": "default"}},
        )
        yield made


async def until(question, seconds=20):
    async with asyncio.timeout(seconds):
        while not (answer := await question()):
            await asyncio.sleep(0.02)
        return answer


async def add_node(client, name, cpu="2", labels=None, taints=()):
    node = await client.create(
        Node(
            metadata=ObjectMeta(name=name, labels=labels or {}),
            spec=NodeSpec(taints=list(taints)),
        )
    )
    amounts = {"cpu": cpu, "memory": "4Gi", "pods": "110"}
    await client.update_status(node.with_(status=NodeStatus(capacity=amounts, allocatable=amounts)))
    # A node that no kubelet has reported for is tainted not-ready at creation; here it is ready.
    await client.patch(Node, name, "", {"spec": {"taints": [t.to_wire() for t in taints] or None}})


def pod(name, cpu="100m", **spec):
    container = Container(
        name="c", image="i", resources=ResourceRequirements(requests={"cpu": cpu})
    )
    return Pod(
        metadata=ObjectMeta(name=name, namespace=NAMESPACE),
        spec=PodSpec(containers=[container], **spec),
    )


async def node_of(client, name):
    return (await client.get(Pod, name, NAMESPACE)).spec.node_name


def condition(shown):
    return next((c for c in shown.status.conditions if c.type == "PodScheduled"), None)


async def events_of(client, name, reason):
    found = await client.list(
        Event, NAMESPACE, field_selector=f"involvedObject.name={name},reason={reason}"
    )
    return found.items


async def test_places_pods_and_says_so(client, start):
    start("--leader-elect=false")
    await add_node(client, "n1")
    await add_node(client, "n2", labels={"disk": "ssd"})
    await client.create(pod("anywhere"))
    await client.create(pod("choosy", node_selector={"disk": "ssd"}))
    await until(lambda: node_of(client, "anywhere"))
    assert await until(lambda: node_of(client, "choosy")) == "n2"
    shown = await client.get(Pod, "choosy", NAMESPACE)
    assert condition(shown).status == "True"
    (event,) = await until(lambda: events_of(client, "choosy", "Scheduled"))
    assert event.message == f"Successfully assigned {NAMESPACE}/choosy to n2"
    assert (event.type, event.source.component) == ("Normal", "default-scheduler")


async def test_says_why_not_and_tries_again_when_something_helps(client, start):
    start("--leader-elect=false")
    await add_node(client, "small", cpu="100m")
    await add_node(client, "tainted", taints=[Taint(key="k", value="v", effect="NoSchedule")])
    await client.create(pod("big", cpu="1"))

    async def told():
        shown = await client.get(Pod, "big", NAMESPACE)
        found = condition(shown)
        return found if found and found.status == "False" else None

    found = await until(told)
    words = "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s)."
    assert (found.reason, found.message) == ("Unschedulable", words)
    (event,) = await until(lambda: events_of(client, "big", "FailedScheduling"))
    assert (event.message, event.type) == (words, "Warning")
    await client.patch(Node, "tainted", "", {"spec": {"taints": None}})
    assert await until(lambda: node_of(client, "big")) == "tainted"


async def test_no_nodes_then_one(client, start):
    start("--leader-elect=false")
    await client.create(pod("a"))
    (event,) = await until(lambda: events_of(client, "a", "FailedScheduling"))
    assert event.message == "no nodes available to schedule pods"
    await add_node(client, "n1")
    assert await until(lambda: node_of(client, "a")) == "n1"


async def test_never_overcommits_and_uses_all_there_is(client, start):
    for number in range(3):
        await add_node(client, f"n{number}", cpu="1")
    start("--leader-elect=false")
    await asyncio.gather(*[client.create(pod(f"p{i}")) for i in range(35)])

    async def thirty():
        pods = (await client.list(Pod, NAMESPACE)).items
        return pods if sum(bool(p.spec.node_name) for p in pods) >= 30 else None

    pods = await until(thirty)
    counts = {}
    for one in pods:
        counts[one.spec.node_name] = counts.get(one.spec.node_name, 0) + 1
    assert counts == {"n0": 10, "n1": 10, "n2": 10, "": 5}
    placed = next(p for p in pods if p.spec.node_name)
    await client.delete(Pod, placed.metadata.name, NAMESPACE, grace_period_seconds=0)

    async def thirty_of_34():
        pods = (await client.list(Pod, NAMESPACE)).items
        return len(pods) == 34 and sum(bool(p.spec.node_name) for p in pods) == 30

    await until(thirty_of_34)


async def test_gates_and_other_schedulers_are_respected(client, start):
    start("--leader-elect=false")
    await add_node(client, "n1")
    await client.create(pod("gated", scheduling_gates=[PodSchedulingGate(name="x")]))
    await client.create(pod("foreign", scheduler_name="mine"))
    await client.create(pod("plain"))
    await until(lambda: node_of(client, "plain"))
    assert await node_of(client, "gated") == ""
    assert await node_of(client, "foreign") == ""
    assert condition(await client.get(Pod, "gated", NAMESPACE)).reason == "SchedulingGated"
    await client.patch(Pod, "gated", NAMESPACE, {"spec": {"schedulingGates": None}})
    assert await until(lambda: node_of(client, "gated")) == "n1"


async def test_a_restart_goes_on_where_it_was(client, start):
    first = start("--leader-elect=false")
    await add_node(client, "n1", cpu="1")
    await client.create(pod("a", cpu="600m"))
    await until(lambda: node_of(client, "a"))
    first.stop(signal.SIGKILL)
    await client.create(pod("b", cpu="600m"))
    await client.create(pod("c", cpu="300m"))
    start("--leader-elect=false")
    await until(lambda: node_of(client, "c"))
    assert await node_of(client, "b") == ""


async def test_survives_the_api_server(client, start, apiserver):
    made = start("--leader-elect=false")
    await add_node(client, "n1")
    await client.create(pod("a"))
    await until(lambda: node_of(client, "a"))
    apiserver.kill()
    await asyncio.to_thread(apiserver.start)

    async def create():
        with contextlib.suppress(OSError, ApiError):
            return await client.create(pod("b"))

    await until(create)
    assert await until(lambda: node_of(client, "b")) == "n1"
    assert made.process.poll() is None


async def test_never_overcommits_when_the_api_server_dies_among_bindings(client, start, apiserver):
    for number in range(3):
        await add_node(client, f"n{number}", cpu="2")
    await asyncio.gather(*[client.create(pod(f"p{i}")) for i in range(70)])
    made = start("--leader-elect=false")

    async def placed():
        with contextlib.suppress(OSError, ApiError):
            pods = (await client.list(Pod, NAMESPACE)).items
            return [one.spec.node_name for one in pods if one.spec.node_name]
        return []

    await until(placed)
    apiserver.kill()
    await asyncio.to_thread(apiserver.start)

    async def all_that_fit():
        nodes = await placed()
        return nodes if len(nodes) >= 60 else None

    nodes = await until(all_that_fit, 40)
    assert {name: nodes.count(name) for name in nodes} == {"n0": 20, "n1": 20, "n2": 20}
    assert made.process.poll() is None


async def test_a_standby_takes_over(client, start):
    await add_node(client, "n1")
    one, two = start(*FAST), start(*FAST)

    async def holder():
        with contextlib.suppress(ApiError):
            lease = await client.get(Lease, "kube-scheduler", "kube-system")
            return lease.spec.holder_identity

    await until(holder)
    await client.create(pod("a"))
    await until(lambda: node_of(client, "a"))
    leader = one if "leads" in one.log.read_text() else two
    leader.stop(signal.SIGKILL)
    await client.create(pod("b"))
    await until(lambda: node_of(client, "b"))
    other = two if leader is one else one
    assert other.stop() == 0
    assert not await holder()


@asynccontextmanager
async def scraper(made):
    async with httpx.AsyncClient(base_url=f"https://127.0.0.1:{made.port}", verify=False) as http:
        yield http


async def test_health_and_metrics(client, start):
    made = start("--leader-elect=false")
    await add_node(client, "n1")
    await client.create(pod("a"))
    await until(lambda: node_of(client, "a"))
    async with scraper(made) as http:

        async def listening():
            with contextlib.suppress(httpx.TransportError):
                return await http.get("/healthz")

        await until(listening)
        assert (await http.get("/healthz")).text == "ok"
        ready = (await http.get("/readyz?verbose")).text
        assert "[+]informer-sync ok" in ready
        assert (await http.get("/metrics")).status_code == 403
        bad = {"Authorization": "Bearer nope"}
        assert (await http.get("/metrics", headers=bad)).status_code == 401
        good = {"Authorization": f"Bearer {TOKEN}"}
        metrics = (await http.get("/metrics", headers=good)).text
    assert (
        'scheduler_schedule_attempts_total{profile="default-scheduler",result="scheduled"} 1.0'
        in metrics
    )
    assert 'scheduler_pending_pods{queue="active"} 0.0' in metrics
    assert 'scheduler_queue_incoming_pods_total{event="PodAdd",queue="active"} 1.0' in metrics
    assert 'scheduler_pod_scheduling_sli_duration_seconds_count{attempts="1"} 1.0' in metrics
    assert 'scheduler_cache_size{type="nodes"} 1.0' in metrics


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["--nonsense"], 2, "unknown flag: --nonsense"),
        (["--kubeconfig=/nowhere"], 1, "cannot read kubeconfig /nowhere"),
        (["--leader-elect-renew-deadline=60s"], 1, "leader election wants"),
    ],
)
def test_wrong_starts_say_what_is_wrong(flags, code, said, tmp_path, apiserver):
    done = subprocess.run(
        [sys.executable, "-m", "scheduler.main", f"--kubeconfig={apiserver.kubeconfig}", *flags],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == code
    assert said in done.stderr
