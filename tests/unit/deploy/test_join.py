"""What keeps a machine from joining, and what is asked to go when it leaves."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deploy import facts
from deploy.discovery import Cluster
from deploy.facts import Facts
from deploy.host import resolver_file
from deploy.join import check_same_cluster, is_there, name_problem, skew_problem
from deploy.leave import to_evict
from deploy.member import FILE, Member, is_good
from deploy.pki import KeyPair, Subject, ensure_authority, ensure_certificate
from deploy.places import Machine, Network
from deploy.preflight import Problem
from deploy.systemd import units


@pytest.mark.parametrize("theirs", ["v1.36.0", "v1.36.2+wherry.0.2.0", "v1.37.1", "v1.39.0"])
def test_a_node_may_be_as_new_as_its_api_server_or_three_minors_older(theirs: str) -> None:
    assert skew_problem("v1.36.2", theirs) is None


@pytest.mark.parametrize("theirs", ["v1.35.9", "v1.40.0", "v2.36.0", "latest"])
def test_other_versions_are_named(theirs: str) -> None:
    problem = skew_problem("v1.36.2", theirs)
    assert problem is not None
    assert theirs in problem.cause


def node(status: str = "True", address: str = "10.0.0.2") -> dict[str, Any]:
    ready = {"type": "Ready", "status": status}
    addresses = [{"type": "InternalIP", "address": address}]
    return {"metadata": {}, "status": {"conditions": [ready], "addresses": addresses}}


def test_a_name_is_taken_by_a_node_that_is_alive_only() -> None:
    assert name_problem("n1", 404, None) is None
    assert name_problem("n1", 200, node("Unknown")) is None
    assert name_problem("n1", 200, {"metadata": {}}) is None
    taken = name_problem("n1", 200, node())
    assert taken is not None
    assert taken.cause == "the name is taken: node n1 is there and Ready"


def test_a_token_that_is_refused_is_named() -> None:
    for status in (401, 403):
        refused = name_problem("n1", status, None)
        assert refused is not None
        assert "expired" in refused.cause
    assert name_problem("n1", 500, None) is not None


def test_a_node_is_there_when_it_is_ready_at_its_address() -> None:
    assert is_there(node(), "10.0.0.2")
    assert not is_there(node(), "10.0.0.3")  # what it was before its address changed
    assert not is_there(node("Unknown"), "10.0.0.2")
    assert not is_there({}, "10.0.0.2")


def test_facts_survive_their_config_map() -> None:
    found = Facts(Network(domain="example.org"), ("--a=1",), ("--b",), "v1.36.2")
    assert facts.read(facts.config_map(found)) == found
    tree = found.to_tree()
    tree["network"]["new"] = "of a later version"
    assert Facts.from_tree(tree) == found


@pytest.mark.parametrize(
    "data", [{}, {"ClusterFacts": ""}, {"ClusterFacts": "a: b"}, {"ClusterFacts": ": :"}]
)
def test_a_map_without_facts(data: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="wherry-config"):
        facts.read({"data": data})


@pytest.fixture
def member(tmp_path: Path) -> Member:
    place = Machine(
        "n1", "10.0.0.2", tmp_path / "node", tmp_path / "logs", tmp_path / "run",
        tmp_path / "docker.sock", own_engine=True,
    )  # fmt: skip
    return Member(
        "https://10.0.0.1:6443", place, Facts(kubelet=("--node-lease-duration-seconds=8",))
    )


def test_a_member_survives_its_file(member: Member, tmp_path: Path) -> None:
    assert Member.read(tmp_path) is None
    member.write(tmp_path)
    assert Member.read(tmp_path) == member
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_a_members_daemons_ask_for_their_certificates_and_know_the_cluster(
    member: Member, tmp_path: Path
) -> None:
    plan = member.plan(tmp_path / "state.json", tmp_path)
    assert [one.name for one in plan.daemons] == ["dockerd", "kubelet", "proxy"]
    assert plan.keeper == "deploy.renewing"
    kubelet = plan.daemons[1].command
    assert f"--cert-dir={member.pki}" in kubelet
    assert "--rotate-server-certificates" in kubelet
    assert "--cluster-dns=10.96.0.10" in kubelet
    assert "--node-lease-duration-seconds=8" in kubelet
    assert not any("tls-private-key" in word or "bootstrap" in word for word in kubelet)


def test_a_certificate_is_good_for_its_user_and_key_from_who_signs(tmp_path: Path) -> None:
    authority = ensure_authority(tmp_path)
    own = ensure_certificate(authority, tmp_path, "n1", "system:node:n1", ("system:nodes",))
    subject = Subject("system:node:n1", ("system:nodes",))
    assert is_good(own, subject, authority.path)
    assert not is_good(own, Subject("system:node:n2"), authority.path)
    assert not is_good(KeyPair(own.certificate, tmp_path / "none"), subject, authority.path)
    other = ensure_authority(tmp_path / "other")
    assert not is_good(own, subject, other.path)
    foreign = ensure_certificate(authority, tmp_path, "x", "system:node:n1", ("system:nodes",))
    assert not is_good(KeyPair(own.certificate, foreign.key), subject, authority.path)


def pod(name: str, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, **metadata}, "status": {"phase": "Running"}}


def test_files_pods_daemons_pods_and_ended_ones_are_not_asked_to_go() -> None:
    daemon = {"kind": "DaemonSet", "name": "d", "controller": True}
    replica = {"kind": "ReplicaSet", "name": "r", "controller": True}
    ended = pod("ended")
    ended["status"]["phase"] = "Succeeded"
    found = to_evict(
        [
            pod("bare"), pod("replica", ownerReferences=[replica]), ended,
            pod("daemon", ownerReferences=[daemon]),
            pod("file", annotations={"kubernetes.io/config.mirror": "x"}),
        ]
    )  # fmt: skip
    assert [one["metadata"]["name"] for one in found] == ["bare", "replica"]


def test_a_node_of_one_cluster_does_not_wander_into_another(member: Member, tmp_path: Path) -> None:
    own, other = ensure_authority(tmp_path / "own"), ensure_authority(tmp_path / "other")
    both = own.path.read_bytes() + other.path.read_bytes()
    check_same_cluster(member, Cluster("https://b", other.path.read_bytes()))  # it has no file yet
    member.ca.parent.mkdir(parents=True)
    member.ca.write_bytes(own.path.read_bytes())
    check_same_cluster(member, Cluster("https://b", both))  # while authorities are exchanged
    with pytest.raises(Problem, match=r"node n1 of the cluster at https://10\.0\.0\.1:6443"):
        check_same_cluster(member, Cluster("https://b", other.path.read_bytes()))


def test_systemd_lets_who_renews_a_members_certificate_reach_the_api_server(
    member: Member, tmp_path: Path
) -> None:
    texts = units(member.plan(tmp_path / "state.json", tmp_path), [str(member.pki)])
    renewal = texts["wherry-certificates.service"]
    assert f"-m deploy.renewing {tmp_path / FILE}" in renewal
    assert "PrivateNetwork" not in renewal
    assert "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6" in renewal
    assert f"ReadWritePaths={member.pki}" in renewal
    assert {"wherry-dockerd.service", "wherry-kubelet.service", "wherry-proxy.service"} <= set(
        texts
    )


def test_pods_are_given_the_resolvers_behind_the_machines_stub(tmp_path: Path) -> None:
    usual, behind = tmp_path / "resolv.conf", tmp_path / "real"
    assert resolver_file(usual, behind) == ""
    usual.write_text("nameserver 127.0.0.53\nsearch example.org\n")
    assert resolver_file(usual, behind) == ""
    behind.write_text("nameserver 192.0.2.1\n")
    assert resolver_file(usual, behind) == str(behind)
    usual.write_text("nameserver 192.0.2.9\n")
    assert resolver_file(usual, behind) == ""


def test_a_kubelet_is_told_of_another_resolver_file(member: Member, tmp_path: Path) -> None:
    def words(one: Member) -> list[str]:
        return [word for word in one.daemons()[1].command if word.startswith("--resolv-conf")]

    assert words(member) == []
    node = replace(member.node, resolv_conf="/run/x")
    assert words(replace(member, node=node)) == ["--resolv-conf=/run/x"]
