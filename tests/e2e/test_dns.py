"""Names of the cluster as pods and machines of a lab see them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from deploy.cluster import script
from tests.e2e.names import ask
from tests.e2e.support import IMAGE, Cluster, wait

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(200)]

DNS = "10.96.0.10"


def from_node(cluster: Cluster) -> Callable[..., str]:
    return partial(cluster.on, "node2")


def manifests(name: str) -> Iterator[dict[str, Any]]:
    """A StatefulSet with its headless Service, a Service with an address, an alias to it."""
    labels, metadata = {"app": "db"}, {"namespace": name}
    port = {"name": "sql", "port": 5432, "targetPort": 8080}
    yield {
        "apiVersion": "v1", "kind": "Service", "metadata": {**metadata, "name": "db"},
        "spec": {"clusterIP": "None", "selector": labels, "ports": [port]},
    }  # fmt: skip
    yield {
        "apiVersion": "v1", "kind": "Service", "metadata": {**metadata, "name": "web"},
        "spec": {"selector": labels, "ports": [{**port, "name": "http", "port": 80}]},
    }  # fmt: skip
    yield {
        "apiVersion": "v1", "kind": "Service", "metadata": {**metadata, "name": "alias"},
        "spec": {"type": "ExternalName", "externalName": f"web.{name}.svc.cluster.local"},
    }  # fmt: skip
    command = ["sh", "-c", "mkdir w; echo hello >w/index.html; exec httpd -f -p 8080 -h w"]
    yield {
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {**metadata, "name": "db"},
        "spec": {
            "serviceName": "db", "replicas": 2, "selector": {"matchLabels": labels},
            "podManagementPolicy": "Parallel",
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "terminationGracePeriodSeconds": 0,
                    "containers": [{"name": "c", "image": IMAGE, "command": command}],
                },
            },
        },
    }  # fmt: skip


def test_every_kind_of_name(cluster: Cluster, namespace: str) -> None:
    for one in manifests(namespace):
        cluster.apply(one)
    cluster.kubectl("rollout", "status", "statefulset/db", "-n", namespace, "--timeout=90s")
    zone = f"{namespace}.svc.cluster.local"
    ip = cluster.get("service", "web", "-n", namespace)["spec"]["clusterIP"]
    pods = cluster.get("pods", "-n", namespace)["items"]
    ips = {one["metadata"]["name"]: one["status"]["podIP"] for one in pods}
    do, pair = from_node(cluster), (f"db.{zone}", "A")
    wait(lambda: len(ask(do, DNS, pair)[pair][1]) == 2, "both pods' addresses")

    dashed = ips["db-0"].replace(".", "-")
    reverse = ".".join(reversed(ips["db-0"].split("."))) + ".in-addr.arpa"
    questions = {
        (f"web.{zone}", "A"): ["NOERROR", [f"A {ip}"], []],
        (f"web.{zone}", "AAAA"): ["NOERROR", [], ["SOA"]],
        (f"_http._tcp.web.{zone}", "SRV"): ["NOERROR", [f"SRV 0 100 80 web.{zone}."], []],
        (f"db.{zone}", "A"): ["NOERROR", sorted(f"A {one}" for one in ips.values()), []],
        (f"db-0.db.{zone}", "A"): ["NOERROR", [f"A {ips['db-0']}"], []],
        (f"_sql._tcp.db.{zone}", "SRV"): [
            "NOERROR", [f"SRV 0 50 8080 {pod}.db.{zone}." for pod in ("db-0", "db-1")], [],
        ],
        (reverse, "PTR"): ["NOERROR", [f"PTR db-0.db.{zone}."], []],
        (f"alias.{zone}", "A"): ["NOERROR", [f"A {ip}", f"CNAME web.{zone}."], []],
        (f"{dashed}.{namespace}.pod.cluster.local", "A"): ["NOERROR", [f"A {ips['db-0']}"], []],
        ("dns-version.cluster.local", "TXT"): ["NOERROR", ['TXT "1.1.0"'], []],
        (f"nobody.{zone}", "A"): ["NXDOMAIN", [], ["SOA"]],
        ("KUBERNETES.default.svc.cluster.local", "A"): ["NOERROR", ["A 10.96.0.1"], []],
    }  # fmt: skip
    for way in ("udp", "tcp"):
        assert ask(do, DNS, *questions, way=way) == questions, way

    # The search path of a pod: short names, and names with few dots.
    for name in (
        "web",
        f"web.{namespace}",
        f"web.{namespace}.svc",
        f"web.{zone}",
        "alias",
        "db-1.db:8080",
    ):
        words = ("exec", "db-0", "-n", namespace, "--", "wget", "-qO-", f"http://{name}/")
        wait(lambda words=words: cluster.kubectl(*words, check=False) == "hello\n", name)


@pytest.fixture
def second(cluster: Cluster, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another DNS server, on a machine."""
    address, place = cluster.lab.wires.address("node1"), cluster.lab.control_plane()
    command = (
        "nsenter", f"--net=/run/netns/{cluster.lab.wires.namespace('node1')}",
        script("wherry-dns"), f"--kubeconfig={place.kubeconfig('dns')}",
        f"--bind-address={address}", f"--cluster-dns={DNS}", "--health-port=10254",
    )  # fmt: skip
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(command, stderr=log) as process:
        yield process
        process.kill()


def test_a_server_that_dies_without_a_word_is_asked_no_more(
    cluster: Cluster, second: subprocess.Popen[bytes]
) -> None:
    address = cluster.lab.wires.address("node1")
    name = f"kube-dns-{address.replace('.', '-')}"

    def ready() -> Any:
        items = cluster.get("endpointslices", "-n", "kube-system")["items"]
        found = [one for one in items if one["metadata"]["name"] == name]
        return [one["endpoints"][0]["conditions"]["ready"] for one in found]

    wait(lambda: ready() == [True], "a second server")
    question = ("kubernetes.default.svc.cluster.local", "A")
    do = from_node(cluster)
    assert ask(do, address, question)[question][1] == ["A 10.96.0.1"]

    second.kill()
    second.wait(10)
    wait(lambda: ready() == [False], "the other server's notice")

    def all_answered() -> bool:
        names = [(f"{one}.default.svc.cluster.local", "A") for one in range(19)]
        found = ask(do, DNS, question, *names)
        return [one[0] for one in found.values()] == ["NOERROR", *["NXDOMAIN"] * 19]

    wait(all_answered, "answers of the one that lives")
    cluster.kubectl("delete", "endpointslice", name, "-n", "kube-system")
