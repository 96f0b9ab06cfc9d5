"""`wherry up` on one machine, `wherry join` on another: a node in seconds, and gone without a trace.

The machines are network namespaces of their own, as are a third that is turned away at the door.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import docker
import pytest
from cryptography import x509

from deploy import netns
from deploy.cleanup import remove_tree
from tests.e2e.names import Question, ask
from tests.e2e.support import IMAGE, run, wait, wherry_program

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

READY_SECONDS_MAX = 30.0  # 10 s is the aim on a machine of its own; here others take their share
NAMES = ("first", "second", "third")


@dataclass(frozen=True)
class Machine:
    """A namespace to run commands in, and the folders that `wherry` is told to use there."""

    name: str
    directory: Path
    wires: netns.Wires

    @property
    def folders(self) -> list[str]:
        return [
            *(f"--{one}-dir={self.directory / one}" for one in ("config", "data", "run")),
            f"--docker-socket={self.directory / 'docker.sock'}",
        ]

    @property
    def address(self) -> str:
        return self.wires.address(self.name)

    def inside(self, *command: str) -> tuple[str, ...]:
        return ("nsenter", f"--net=/run/netns/{self.wires.namespace(self.name)}", *command)

    def do(self, *command: str, check: bool = True) -> str:
        done = run(*self.inside(*command), check=check)
        return done.stdout + done.stderr

    @contextmanager
    def listening(self, port: int) -> Iterator[None]:
        """Somebody else holds a port."""
        program = (
            f"import socket; s = socket.create_server(('', {port})); print(flush=True); input()"
        )
        words = self.inside(sys.executable, "-c", program)
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            assert other.stdout is not None
            other.stdout.readline()
            yield
            other.kill()

    def wherry(self, verb: str, *words: str, check: bool = True) -> str:
        return self.do(wherry_program(), verb, *words, *self.folders, check=check)

    def load(self, archive: Path) -> None:
        client = docker.DockerClient(base_url=f"unix://{self.directory / 'docker.sock'}")
        client.images.load(archive.read_bytes())
        client.close()

    def traces(self) -> list[str]:
        """What there is of a cluster on this machine: files, mounts, links, rules, processes."""
        found = [str(one) for one in self.directory.iterdir()]
        found += [
            m for m in Path("/proc/self/mounts").read_text().split() if str(self.directory) in m
        ]
        links = self.do("ip", "-o", "link").splitlines()
        found += [one for one in links if not re.match(r"\d+: (lo|eth0)[:@]", one)]
        found += [one for one in self.do("nft", "list", "tables").splitlines() if "wherry" in one]
        found += [one for one in self.do("iptables-save").splitlines() if "DOCKER" in one]
        found += [
            one
            for family in ("-4", "-6")
            for one in self.do("ip", family, "route").splitlines()
            if "10.244." in one or "fd00:10:" in one
        ]
        return found + [one for one in _commands() if str(self.directory) in one]


def _commands() -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue


@dataclass(frozen=True)
class Site:
    """Three machines, the first of which runs a cluster; `line` is what it said how to join it."""

    machines: dict[str, Machine]
    line: list[str]

    def __getitem__(self, name: str) -> Machine:
        return self.machines[name]

    def kubectl(self, *words: str, check: bool = True, **more: Any) -> str:
        first = self["first"]
        file = str(first.directory / "config" / "admin.kubeconfig")
        done = run(*first.inside("kubectl", "--kubeconfig", file, *words), check=check, **more)
        return done.stdout if check else done.stdout + done.stderr

    def node(self, name: str) -> Any:
        found = json.loads(self.kubectl("get", "nodes", "-o", "json"))["items"]
        return next((one for one in found if one["metadata"]["name"] == name), None)

    def token(self, *words: str) -> str:
        file = self["first"].directory / "config" / "admin.kubeconfig"
        return self["first"].do(wherry_program(), "token", *words, f"--kubeconfig={file}").strip()

    def join(self, name: str, *more: str, line: list[str] | None = None, check: bool = True) -> str:
        return self[name].wherry(
            "join", *(line or self.line), "--node-name", name, *more, check=check
        )


@pytest.fixture(scope="module")
def site(hello_archive: Path) -> Iterator[Site]:
    if os.geteuid() != 0:
        pytest.skip("wherry up needs root")
    directory = Path(tempfile.mkdtemp(prefix="wjoin"))
    directory.chmod(0o755)
    wires = netns.Wires(netns.identify(directory), netns.free_subnet(), NAMES)
    netns.make(wires)
    machines = {name: Machine(name, directory / name, wires) for name in NAMES}
    for one in machines.values():
        one.directory.mkdir()
    first = machines["first"]
    try:
        said = first.wherry(
            "up", "--node-name=first", f"--advertise-address={first.address}", "--dual-stack"
        )
        line = re.search(r"^  wherry join (.*)$", said, re.M)
        assert line, said
        first.load(hello_archive)
        yield Site(machines, line[1].split())
    finally:
        for one in reversed(machines.values()):
            one.wherry("down", "--purge", check=False)
        netns.remove(wires)
        remove_tree(directory)


def families(networks: list[str]) -> set[int]:
    return {ip_network(one, strict=False).version for one in networks}


def is_ready(node: Any) -> bool:
    conditions = (node or {}).get("status", {}).get("conditions", ())
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def taints(node: Any) -> list[str]:
    return [one["key"] for one in node["spec"].get("taints", ())]


HELLO = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "hello"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "hello"}},
        "template": {
            "metadata": {"labels": {"app": "hello"}},
            "spec": {
                "terminationGracePeriodSeconds": 1,
                "containers": [
                    {
                        "name": "c",
                        "image": IMAGE,
                        "command": [
                            "sh",
                            "-c",
                            "mkdir w; echo hello >w/index.html; httpd -f -p 8080 -h w",
                        ],
                    }
                ],
            },
        },
    },
}


def service(name: str, **more: str) -> dict[str, Any]:
    """A Service of both IP families for the pods of HELLO."""
    port = {"name": "http", "port": 80, "targetPort": 8080}
    spec = {"selector": {"app": "hello"}, "ipFamilyPolicy": "PreferDualStack", "ports": [port]}
    return {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {**spec, **more},
    }  # fmt: skip


def addresses(thing: Any) -> list[str]:
    """A pod's or a Service's, IPv4 first."""
    if thing["kind"] == "Pod":
        return [one["ip"] for one in thing["status"]["podIPs"]]
    return list(thing["spec"]["clusterIPs"])


ROLE = "node-role.kubernetes.io/control-plane"


def obstacles(machine: Machine) -> Iterator[str]:
    """What is in the way on a machine, one thing after the other, as `join` names it."""
    with machine.listening(10250):
        yield "port 10250 (kubelet) is taken"
    for what, cause in {
        ("addr", "10.244.9.1/24"): "the pods' range 10.244.0.0/16 overlaps 10.244.9.0/24",
        ("route", "10.96.7.0/24"): "the Services' range 10.96.0.0/16 overlaps 10.96.7.0/24",
    }.items():
        machine.do("ip", what[0], "add", what[1], "dev", "eth0")
        yield cause
        machine.do("ip", what[0], "del", what[1], "dev", "eth0")


def test_who_may_not_join_is_told_why_in_a_line_and_leaves_nothing(site: Site) -> None:
    target, _, token, _, hash_ = site.line
    hashed = ("--discovery-token-ca-cert-hash", hash_)
    ended = site.token("create", "--ttl", "1s")
    wait(lambda: ended not in site.token("list"), "the end of a token")
    other = "sha256:" + "0" * 64
    good = [target, "--token", token, *hashed]
    cases = {
        "the secret of token": [target, "--token", f"{token[:7]}{'0' * 16}", *hashed],
        "knows no token": [target, "--token", ended, *hashed],
        "a wrong hash": [target, "--token", token, "--discovery-token-ca-cert-hash", other],
        "nothing says which authority": [target, "--token", token],
        "the token is none": [target, "--token", "secret", *hashed],
        "is not reached: connection refused": [f"{target}1"[:-2] + "9", "--token", token, *hashed],
        "the name is taken: node first is there and Ready": [
            target, "--token", token, *hashed, "--node-name", "first",
        ],
    }  # fmt: skip
    third = site["third"]
    with ThreadPoolExecutor(4) as pool:  # they stop at the door and do not meet
        answers = pool.map(lambda words: third.wherry("join", *words, check=False), cases.values())
        refusals = dict(zip(cases, answers, strict=True))
    for cause in obstacles(third):
        refusals[cause] = third.wherry("join", *good, check=False)
    refusals["missing: nftables"] = third.do(
        "env", "PATH=/nowhere", wherry_program(), "join", *good, *third.folders, check=False
    )
    for cause, said in refusals.items():
        assert cause in said, said
        assert len(said.splitlines()) == 2, said  # the cause and what mends it
    assert third.traces() == []
    late = third.wherry("join", *good, "--node-name=third", "--timeout=0.5", check=False)
    assert "does not become ready (not ready after 0 s)" in late
    assert third.traces() == []
    assert [
        one.split()[0] for one in site.kubectl("get", "nodes", "--no-headers").splitlines()
    ] == ["first"]
    assert is_ready(site.node("first"))


def test_a_machine_joins_in_seconds_and_its_pods_are_reached(
    site: Site, hello_archive: Path
) -> None:
    assert ROLE in site.node("first")["metadata"]["labels"]
    assert ROLE not in taints(site.node("first"))
    began = time.monotonic()
    said = site.join("second")
    seconds = time.monotonic() - began
    print(f"\njoined in {seconds:.1f} s:\n{said}")
    assert seconds < READY_SECONDS_MAX, said
    assert is_ready(site.node("second"))
    wait(lambda: ROLE in taints(site.node("first")), "the control plane's taint")

    site["second"].load(hello_archive)
    wait(lambda: "default" in site.kubectl("get", "sa", "-o", "name"), "the service account")
    site.kubectl("apply", "-f", "-", input=json.dumps(HELLO))
    for name, more in (("hello", {}), ("hellos", {"clusterIP": "None"})):
        site.kubectl("apply", "-f", "-", input=json.dumps(service(name, **more)))
    site.kubectl("rollout", "status", "deployment/hello", "--timeout=90s")
    pods = json.loads(site.kubectl("get", "pods", "-l", "app=hello", "-o", "json"))["items"]
    assert {one["spec"]["nodeName"] for one in pods} == {"second"}  # the first one is tainted
    for one in addresses(pods[0]):
        assert _fetched(site["first"], f"[{one}]:8080" if ":" in one else f"{one}:8080")
    wait(
        lambda: site.kubectl(
            "exec", "deployment/hello", "--", "echo", "hello", check=False
        ) == "hello\n",
        "a serving certificate",
    )  # fmt: skip


def test_names_and_addresses_of_both_families(site: Site) -> None:
    first, second = site["first"], site["second"]
    four, six = addresses(json.loads(site.kubectl("get", "service", "hello", "-o", "json")))
    for one in (four, f"[{six}]"):
        assert _fetched(first, one)
    pods = json.loads(site.kubectl("get", "pods", "-l", "app=hello", "-o", "json"))["items"]
    by_family = list(zip(*map(addresses, pods), strict=True))
    hello, hellos = (f"{one}.default.svc.cluster.local" for one in ("hello", "hellos"))
    pod6 = by_family[1][0]
    dashed = pod6.replace(":", "-")
    questions: dict[Question, list[Any]] = {
        (hello, "A"): [f"A {four}"],
        (hello, "AAAA"): [f"AAAA {six}"],
        (ip_address(six).reverse_pointer, "PTR"): [f"PTR {hello}."],
        (hellos, "A"): sorted(f"A {one}" for one in by_family[0]),
        (hellos, "AAAA"): sorted(f"AAAA {one}" for one in by_family[1]),
        (ip_address(pod6).reverse_pointer, "PTR"): [f"PTR {dashed}.{hellos}."],
        (f"{dashed}.default.pod.cluster.local", "AAAA"): [f"AAAA {pod6}"],
        (f"{dashed}.default.pod.cluster.local", "A"): [],
    }
    names = addresses(
        json.loads(site.kubectl("get", "svc", "-n=kube-system", "kube-dns", "-o=json"))
    )
    assert names == ["10.96.0.10", "fd00:10:96::a"]
    for server in names:  # asked over either family
        for way in ("udp", "tcp"):
            found = ask(second.do, server, *questions, way=way)
            assert {one: records for one, (_, records, _) in found.items()} == questions


def _fetched(machine: Machine, address: str) -> bool:
    def answers() -> bool:
        said = machine.do("curl", "-sf", "--max-time", "5", f"http://{address}/", check=False)
        return "hello" in said

    return bool(wait(answers, address))


def test_two_users_and_no_token_are_left_on_the_machine(site: Site) -> None:
    folder = site["second"].directory
    users = set()
    for file in folder.rglob("*.crt"):
        users.add(x509.load_pem_x509_certificates(file.read_bytes())[0].subject.rfc4514_string())
    pem = folder / "data" / "node" / "pki" / "kubelet-client-current.pem"
    node = x509.load_pem_x509_certificates(pem.read_bytes())[0].subject.rfc4514_string()
    assert node == "CN=system:node:second,O=system:nodes"
    assert users == {"CN=kubernetes", "CN=system:kube-proxy"}
    assert pem.stat().st_mode & 0o777 == 0o600
    secret = site.line[2].partition(".")[2].encode()
    texts = [one for one in folder.rglob("*") if one.suffix in (".kubeconfig", ".json", ".log")]
    assert texts
    assert not any(secret in one.read_bytes() for one in texts if one.is_file())


def test_the_proxys_certificate_is_renewed_by_the_node(site: Site) -> None:
    second = site["second"]
    keeper = (sys.executable, "-m", "deploy.renewing", str(second.directory / "config/member.json"))
    assert second.do(*keeper) == ""  # it is good for a year
    certificate = second.directory / "data/node/pki/proxy.crt"
    before = certificate.read_bytes()
    certificate.unlink()
    assert "the proxy has a new one" in second.do(*keeper)
    made = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
    assert made.subject.rfc4514_string() == "CN=system:kube-proxy"
    assert certificate.read_bytes() != before


def test_the_machine_comes_back_under_another_address_with_its_old_key(site: Site) -> None:
    second = site["second"]
    pem = second.directory / "data" / "node" / "pki" / "kubelet-client-current.pem"
    before, uid = pem.read_bytes(), site.node("second")["metadata"]["uid"]
    old = second.address
    new = old.rpartition(".")[0] + ".77"
    second.do("ip", "addr", "del", f"{old}/24", "dev", "eth0")
    second.do("ip", "addr", "add", f"{new}/24", "dev", "eth0")
    second.do("ip", "route", "replace", "default", "via", second.wires.hub_address)
    said = site.join("second")
    assert f"node second at {new}" in said
    addresses = [one["address"] for one in site.node("second")["status"]["addresses"]]
    assert new in addresses
    assert old not in addresses
    assert (pem.read_bytes(), site.node("second")["metadata"]["uid"]) == (before, uid)
    service = json.loads(site.kubectl("get", "service", "hello", "-o", "json"))
    assert _fetched(site["first"], service["spec"]["clusterIP"])

    said = site["third"].wherry(
        "join", *site.line, "--node-name", "second", check=False
    )  # fmt: skip
    assert "the name is taken" in said


def test_it_leaves_without_a_trace_and_joins_again_when_installed_anew(
    site: Site, hello_archive: Path
) -> None:
    said = site["second"].wherry("leave")
    assert "drained node second: 2 pod(s) went" in said
    assert "wherry delete node second" in said
    assert site["second"].traces() == []
    wait(lambda: not is_ready(site.node("second")), "a node that is silent")

    said = site.join("second")  # another key, the same name
    assert is_ready(site.node("second"))
    assert not site.node("second")["spec"].get("unschedulable")
    site["second"].load(hello_archive)
    site.kubectl("rollout", "status", "deployment/hello", "--timeout=90s")
    site.kubectl("delete", "service/hello", "service/hellos", "deployment/hello")


def test_an_administrator_who_lets_it_go_has_the_node_deleted_and_the_taint_gone(
    site: Site,
) -> None:
    admin = site["first"].directory / "config" / "admin.kubeconfig"
    said = site["second"].wherry("leave", f"--kubeconfig={admin}")
    assert "deleted node second" in said
    assert site.node("second") is None
    wait(lambda: ROLE not in taints(site.node("first")), "a control plane alone")


def test_without_the_first_machine_it_leaves_by_force(site: Site) -> None:
    site.join("second")
    site["first"].wherry("down")
    said = site["second"].wherry("leave", "--timeout=5", check=False)
    assert "is not reached" in said
    assert "fix: wherry leave --force" in said
    assert (site["second"].directory / "config").exists()
    said = site["second"].wherry("leave", "--force")
    assert "this machine has left" in said
    assert site["second"].traces() == []


def test_it_starts_again_as_it_was_begun(site: Site) -> None:
    first = site["first"]
    first.wherry("down")
    for words, cause in (
        (("--pod-network-cidr", "10.9.0.0/16"), "--pod-network-cidr 10.9.0.0/16: the cluster was"),
        (("--node-name", "other"), "--node-name other: the cluster was begun with first"),
    ):
        said = first.wherry("up", *words, check=False)
        assert cause in said, said
        assert len(said.splitlines()) == 2, said
    said = first.wherry("up")
    assert f"node first at {first.address}" in said
    assert len(families(site.node("first")["spec"]["podCIDRs"])) == 2
    assert "wherry join " + site.line[0] in said
    here = '{"spec": {"nodeName": "first"}}'  # which is tainted while there is another node
    site.kubectl("run", "one", f"--image={IMAGE}", f"--overrides={here}", "--", "sleep", "1000")
    site.kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=60s")
    assert "node/first" in first.do(wherry_program(), "status", *first.folders[:3])
    assert "cluster is up" in first.wherry("up")


def test_purged_without_a_trace_it_begins_anew_with_ipv6_and_is_joined(site: Site) -> None:
    first, second = site["first"], site["second"]
    first.wherry("down", "--purge")
    assert first.traces() == []
    ranges = ("--pod-network-cidr", "fd00:10:244::/48", "--service-cidr", "fd00:10:96::/112")
    line = re.search(
        r"^  wherry join (.*)$", first.wherry("up", "--node-name=first", *ranges), re.M
    )
    assert line
    assert line[1].startswith(f"[{first.wires.address6('first')}]:6443")
    said = site.join("second", line=line[1].split())
    assert f"node second at {first.wires.address6('second')}" in said
    assert families(site.node("second")["spec"]["podCIDRs"]) == {6}
    question = ("kubernetes.default.svc.cluster.local", "AAAA")
    asked = ask(second.do, "fd00:10:96::a", question)
    assert asked == {question: ["NOERROR", ["AAAA fd00:10:96::1"], []]}
    assert second.wherry("leave", "--force").endswith("this machine has left\n")
    assert second.traces() == []
