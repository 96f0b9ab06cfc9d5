"""Plug-ins that are off until somebody asks for them, and PodTopologyLabels."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apiserver.admission.always_pull_images import AlwaysPullImages
from apiserver.admission.anti_affinity import LimitPodHardAntiAffinityTopology
from apiserver.admission.attributes import NAMESPACES, NODES, PODS, SERVICES
from apiserver.admission.blanket import AlwaysDeny, NamespaceExists
from apiserver.admission.configuration import BadConfiguration
from apiserver.admission.event_rate_limit import (
    EVENTS,
    EventRateLimit,
    Limit,
    limits_of,
)
from apiserver.admission.extended_resource_toleration import ExtendedResourceToleration
from apiserver.admission.external_ips import DenyServiceExternalIPs
from apiserver.admission.pod_node_selector import PodNodeSelector, selectors_of
from apiserver.admission.pod_tolerations import (
    ALLOWED,
    DEFAULTS,
    MEMORY_PRESSURE,
    PodTolerationRestriction,
    Tolerations,
    covers,
    merged,
    tolerations_of,
)
from apiserver.admission.pod_topology_labels import PodTopologyLabels
from apiserver.request import User
from tests.unit.apiserver.admission.objects import Objects, Tree, write
from wherry.api.errors import ApiError


def pod(**spec: Any) -> Tree:
    return {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}], **spec}}


def namespace(**annotations: str) -> tuple[str, Tree]:
    return "namespaces", {"metadata": {"name": "ns", "annotations": annotations}}


class TestExtendedResourceToleration:
    def admitted(self, tree: Tree) -> list[Tree]:
        ExtendedResourceToleration().admit(write("CREATE", PODS, tree), Objects())
        return tree["spec"].get("tolerations", [])

    def test_devices_are_borne(self) -> None:
        def asking(*names: str) -> Tree:
            return {"name": "c", "resources": {"requests": dict.fromkeys(names, "1")}}

        tree = pod(
            containers=[asking("cpu", "example.com/gpu")],
            initContainers=[asking("example.com/fpga", "hugepages-2Mi", "kubernetes.io/x")],
        )
        wanted = [
            {"key": f"example.com/{name}", "operator": "Exists", "effect": "NoSchedule"}
            for name in ("fpga", "gpu")
        ]
        assert self.admitted(tree) == wanted
        assert self.admitted(tree) == wanted

    def test_others_are_not(self) -> None:
        assert self.admitted(pod()) == []


class TestAlwaysPullImages:
    plugin = AlwaysPullImages()

    def test_every_image_is_pulled(self) -> None:
        tree = pod(
            containers=[{"name": "c", "image": "i", "imagePullPolicy": "Never"}],
            initContainers=[{"name": "i", "image": "j", "imagePullPolicy": "IfNotPresent"}],
            volumes=[{"name": "v", "image": {"reference": "k"}}, {"name": "w", "emptyDir": {}}],
        )
        attributes = write("CREATE", PODS, tree)
        self.plugin.admit(attributes, Objects())
        self.plugin.validate(attributes, Objects())
        assert tree["spec"]["containers"][0]["imagePullPolicy"] == "Always"
        assert tree["spec"]["initContainers"][0]["imagePullPolicy"] == "Always"
        assert tree["spec"]["volumes"][0]["image"]["pullPolicy"] == "Always"

    def test_only_a_new_image_counts(self) -> None:
        old = pod(containers=[{"name": "c", "image": "i", "imagePullPolicy": "Never"}])
        same = pod(containers=[{"name": "c", "image": "i", "imagePullPolicy": "Never"}])
        self.plugin.admit(write("UPDATE", PODS, same, old), Objects())
        assert same["spec"]["containers"][0]["imagePullPolicy"] == "Never"
        other = pod(containers=[{"name": "c", "image": "j", "imagePullPolicy": "Never"}])
        self.plugin.admit(write("UPDATE", PODS, other, old), Objects())
        assert other["spec"]["containers"][0]["imagePullPolicy"] == "Always"

    def test_who_changed_it_back_is_refused(self) -> None:
        tree = pod(containers=[{"name": "c", "image": "i", "imagePullPolicy": "Never"}])
        with pytest.raises(ApiError) as refusal:
            self.plugin.validate(write("CREATE", PODS, tree), Objects())
        assert refusal.value.message == (
            'pods "p" is forbidden: spec.containers[0].imagePullPolicy: Unsupported value: "Never": '
            'supported values: "Always"'
        )


class TestAntiAffinity:
    def ask(self, key: str, field: str = "requiredDuringSchedulingIgnoredDuringExecution") -> None:
        tree = pod(affinity={"podAntiAffinity": {field: [{"topologyKey": key}]}})
        plugin = LimitPodHardAntiAffinityTopology()
        plugin.validate(write("CREATE", PODS, tree), Objects())

    def test_nodes_only(self) -> None:
        self.ask("kubernetes.io/hostname")
        self.ask("zone", "preferredDuringSchedulingIgnoredDuringExecution")
        with pytest.raises(ApiError) as refusal:
            self.ask("zone")
        assert refusal.value.message == (
            'pods "p" is forbidden: affinity.PodAntiAffinity.RequiredDuringScheduling has '
            "TopologyKey zone but only key kubernetes.io/hostname is allowed"
        )


class TestBlanket:
    def test_deny(self) -> None:
        for operation in ("CREATE", "DELETE"):
            with pytest.raises(ApiError, match="admission control is denying all modifications"):
                AlwaysDeny().admit(write(operation, PODS, pod()), Objects())

    def test_namespace_exists(self) -> None:
        with pytest.raises(ApiError) as refusal:
            NamespaceExists().validate(write("CREATE", PODS, pod()), Objects())
        assert refusal.value.message == 'namespaces "ns" not found'
        NamespaceExists().validate(write("CREATE", PODS, pod()), Objects(namespace()))
        NamespaceExists().validate(write("CREATE", NAMESPACES, pod()), Objects())
        NamespaceExists().validate(write("CREATE", NODES, pod()), Objects())


class TestExternalIPs:
    def ask(self, new: list[str], old: list[str] | None = None) -> None:
        made = {"metadata": {"name": "s"}, "spec": {"externalIPs": new}}
        before = None if old is None else {"metadata": {"name": "s"}, "spec": {"externalIPs": old}}
        attributes = write("CREATE" if old is None else "UPDATE", SERVICES, made, before)
        DenyServiceExternalIPs().validate(attributes, Objects())

    def test_no_new_ones(self) -> None:
        self.ask([])
        self.ask(["1.1.1.1"], ["1.1.1.1", "2.2.2.2"])
        for old in (None, [], ["2.2.2.2"]):
            with pytest.raises(
                ApiError, match="Use of external IPs is denied by admission control"
            ):
                self.ask(["1.1.1.1"], old)


class TestPodTopologyLabels:
    zone = {"topology.kubernetes.io/zone": "z", "topology.kubernetes.io/region": "r"}
    objects = Objects(
        ("nodes", {"metadata": {"name": "n", "labels": {**zone, "other": "x"}}}),
        ("nodes", {"metadata": {"name": "bare"}}),
    )

    def test_a_binding_takes_the_nodes(self) -> None:
        binding: Tree = {
            "metadata": {"name": "p", "labels": {"topology.kubernetes.io/zone": "false"}},
            "target": {"kind": "Node", "name": "n"},
        }
        attributes = write("CREATE", PODS, binding, subresource="binding")
        PodTopologyLabels().admit(attributes, self.objects)
        assert binding["metadata"]["labels"] == self.zone

    def test_so_does_a_pod_that_comes_with_its_node(self) -> None:
        tree = pod(nodeName="n")
        PodTopologyLabels().admit(write("CREATE", PODS, tree), self.objects)
        assert tree["metadata"]["labels"] == self.zone

    @pytest.mark.parametrize("node", ["", "bare", "unknown"])
    def test_nothing_to_take(self, node: str) -> None:
        tree = pod(nodeName=node)
        PodTopologyLabels().admit(write("CREATE", PODS, tree), self.objects)
        assert "labels" not in tree["metadata"]
        binding: Tree = {"target": {"name": node}}
        attributes = write("CREATE", PODS, binding, subresource="binding")
        PodTopologyLabels().admit(attributes, self.objects)
        assert binding == {"target": {"name": node}}


class TestPodNodeSelector:
    def admitted(self, plugin: PodNodeSelector, tree: Tree, objects: Objects) -> Any:
        attributes = write("CREATE", PODS, tree)
        plugin.admit(attributes, objects)
        plugin.validate(attributes, objects)
        return tree["spec"].get("nodeSelector")

    def test_the_namespaces_is_added(self) -> None:
        key = "scheduler.alpha.kubernetes.io/node-selector"
        plugin = PodNodeSelector({"clusterDefaultNodeSelector": {"pool": "any"}})
        named = Objects(namespace(**{key: "pool=mine, disk=ssd"}))
        assert self.admitted(plugin, pod(), named) == {"disk": "ssd", "pool": "mine"}
        assert self.admitted(plugin, pod(nodeSelector={"a": "b"}), Objects(namespace())) == {
            "a": "b", "pool": "any",
        }  # fmt: skip
        with pytest.raises(ApiError, match="conflicts with its namespace node label selector"):
            self.admitted(plugin, pod(nodeSelector={"pool": "other"}), named)

    def test_only_what_is_allowed(self) -> None:
        plugin = PodNodeSelector({"ns": {"pool": "mine"}})
        assert self.admitted(plugin, pod(), Objects(namespace())) is None
        self.admitted(plugin, pod(nodeSelector={"pool": "mine"}), Objects(namespace()))
        with pytest.raises(ApiError, match="labels conflict with its namespace whitelist"):
            self.admitted(plugin, pod(nodeSelector={"x": "y"}), Objects(namespace()))

    def test_configuration(self) -> None:
        tree = {"podNodeSelectorPluginConfig": {"ns": "a=b,c=d", "clusterDefaultNodeSelector": ""}}
        assert selectors_of(tree) == {"ns": {"a": "b", "c": "d"}, "clusterDefaultNodeSelector": {}}
        assert selectors_of(None) == {}
        for bad in ([], {"x": 1}, {"podNodeSelectorPluginConfig": {"ns": "a"}}):
            with pytest.raises(BadConfiguration):
                selectors_of(bad)


class TestPodTolerations:
    def admitted(self, plugin: PodTolerationRestriction, tree: Tree, objects: Objects) -> Any:
        plugin.admit(write("CREATE", PODS, tree), objects)
        return tree["spec"].get("tolerations")

    def test_defaults(self) -> None:
        mine, cluster = {"key": "mine", "operator": "Exists"}, {"key": "all", "operator": "Exists"}
        plugin = PodTolerationRestriction(Tolerations((cluster,)))
        named = Objects(namespace(**{DEFAULTS: json.dumps([mine])}))
        assert self.admitted(plugin, pod(), named) == [mine]
        assert self.admitted(plugin, pod(), Objects(namespace())) == [cluster]
        empty = Objects(namespace(**{DEFAULTS: ""}))
        assert self.admitted(plugin, pod(), empty) is None
        promised = pod(resources={"requests": {"cpu": "1"}})
        assert self.admitted(plugin, promised, empty) == [MEMORY_PRESSURE]

    def test_limits(self) -> None:
        named = Objects(namespace(**{ALLOWED: json.dumps([{"key": "a", "operator": "Exists"}])}))
        plugin = PodTolerationRestriction(Tolerations())
        self.admitted(plugin, pod(tolerations=[{"key": "a", "value": "b"}]), named)
        with pytest.raises(ApiError, match="conflict with its namespace whitelist"):
            self.admitted(plugin, pod(tolerations=[{"key": "b", "operator": "Exists"}]), named)
        cluster = PodTolerationRestriction(Tolerations(allowed=({"key": "a"},)))
        with pytest.raises(ApiError, match="conflict with its cluster whitelist"):
            self.admitted(cluster, pod(tolerations=[{"key": "b"}]), Objects(namespace()))
        for text in ("{", "{}", "[1]"):
            with pytest.raises(ApiError, match=ALLOWED.rpartition("/")[2]):
                self.admitted(plugin, pod(tolerations=[{}]), Objects(namespace(**{ALLOWED: text})))

    @pytest.mark.parametrize(
        ("wide", "narrow", "expected"),
        [
            ({"key": "a", "operator": "Exists"}, {"key": "a", "value": "b"}, True),
            ({"operator": "Exists"}, {"key": "a", "value": "b", "effect": "NoSchedule"}, True),
            ({"key": "a", "value": "b"}, {"key": "a", "operator": "Equal", "value": "b"}, True),
            ({"key": "a", "value": "b"}, {"key": "a", "value": "c"}, False),
            ({"key": "a", "value": "b"}, {"key": "a", "operator": "Exists"}, False),
            ({"key": "a", "effect": "NoSchedule"}, {"key": "a"}, False),
            (
                {"key": "a", "effect": "NoExecute", "tolerationSeconds": 5},
                {"key": "a", "effect": "NoExecute"},
                False,
            ),
            (
                {"key": "a", "effect": "NoExecute", "tolerationSeconds": 5},
                {"key": "a", "effect": "NoExecute", "tolerationSeconds": 4},
                True,
            ),
        ],
    )
    def test_covering(self, wide: Tree, narrow: Tree, expected: bool) -> None:
        assert covers(wide, narrow) is expected

    def test_merging_keeps_the_first_of_equals_and_the_widest(self) -> None:
        a, b, everything = {"key": "a", "value": "1"}, {"key": "b"}, {"operator": "Exists"}
        assert merged([a, b, a]) == [a, b]
        assert merged([a, everything, b]) == [everything]

    def test_configuration(self) -> None:
        head = {
            "apiVersion": "podtolerationrestriction.admission.k8s.io/v1alpha1",
            "kind": "Configuration",
        }
        found = tolerations_of({**head, "default": [{"key": "a"}], "whitelist": [{"key": "b"}]})
        assert found == Tolerations(({"key": "a"},), ({"key": "b"},))
        assert tolerations_of(None) == Tolerations()
        for bad in (
            {},
            {**head, "defaults": []},
            {**head, "default": {}},
            {**head, "default": [1]},
        ):
            with pytest.raises(BadConfiguration):
                tolerations_of(bad)


class TestEventRateLimit:
    def event(self, name: str = "p", user: str = "u", namespace: str = "ns") -> Any:
        tree = {
            "metadata": {"name": "e"}, "source": {"component": "kubelet", "host": "n"},
            "involvedObject": {"kind": "Pod", "name": name},
        }  # fmt: skip
        return write("CREATE", EVENTS, tree, user=User(user), namespace=namespace)

    def accepts(self, plugin: EventRateLimit, event: Any) -> str:
        try:
            plugin.validate(event, Objects())
        except ApiError as error:
            return error.message
        return ""

    def test_a_burst_then_so_many_a_second(self) -> None:
        now = [0.0]
        plugin = EventRateLimit((Limit("Server", 2, 3),), lambda: now[0])
        assert [self.accepts(plugin, self.event()) for _ in range(3)] == ["", "", ""]
        why = "limit reached on type Server for key "
        with pytest.raises(ApiError) as refusal:
            plugin.validate(self.event(), Objects())
        assert (refusal.value.code, refusal.value.reason) == (429, "TooManyRequests")
        assert refusal.value.message == why
        now[0] = 1.0
        assert [self.accepts(plugin, self.event()) for _ in range(3)] == ["", "", why]
        now[0] = 100.0
        assert [self.accepts(plugin, self.event()) for _ in range(4)] == ["", "", "", why]

    @pytest.mark.parametrize(
        ("kind", "other", "key"),
        [
            ("Namespace", {"namespace": "b"}, "ns"),
            ("User", {"user": "b"}, "u"),
            ("SourceAndObject", {"name": "b"}, "kubeletnPodp"),
        ],
    )
    def test_each_is_counted_apart(self, kind: str, other: Any, key: str) -> None:
        plugin = EventRateLimit((Limit(kind, 1, 1),), lambda: 0.0)
        assert self.accepts(plugin, self.event()) == ""
        why = f"limit reached on type {kind} for key {key}"
        assert self.accepts(plugin, self.event()) == why
        assert self.accepts(plugin, self.event(**other)) == ""

    def test_all_limits_count_and_the_last_refusal_is_told(self) -> None:
        limits = (Limit("Server", 1, 1), Limit("User", 1, 2))
        plugin = EventRateLimit(limits, lambda: 0.0)
        assert self.accepts(plugin, self.event()) == ""
        assert "Server" in self.accepts(plugin, self.event())
        assert "User" in self.accepts(plugin, self.event())

    def test_no_more_are_remembered_than_told(self) -> None:
        plugin = EventRateLimit((Limit("User", 1, 1, 2),), lambda: 0.0)
        for user in ("a", "b", "a", "c"):  # b was asked for longest ago
            self.accepts(plugin, self.event(user=user))
        assert self.accepts(plugin, self.event(user="a")) != ""
        assert self.accepts(plugin, self.event(user="b")) == ""

    def test_deletions_are_free(self) -> None:
        plugin = EventRateLimit((Limit("Server", 1, 1),), lambda: 0.0)
        for _ in range(3):
            plugin.validate(write("DELETE", EVENTS, None, {"metadata": {"name": "e"}}), Objects())

    HEAD = {"apiVersion": "eventratelimit.admission.k8s.io/v1alpha1", "kind": "Configuration"}

    def test_configuration(self) -> None:
        limits = [
            {"type": "Server", "qps": 50, "burst": 100},
            {"type": "Namespace", "qps": 5, "burst": 10, "cacheSize": 7},
        ]
        assert limits_of({**self.HEAD, "limits": limits}) == (
            Limit("Server", 50, 100, 4096), Limit("Namespace", 5, 10, 7),
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("limits", "words"),
        [
            ([], "limits: Invalid value: .*must not be empty"),
            (
                [{"type": "Pod", "qps": 1, "burst": 1}],
                r'limits\[0\].type: Unsupported value: "Pod": supported values: "Namespace"',
            ),
            ([{"type": "Server", "burst": 1}], r"limits\[0\].qps: .*must be positive"),
            ([{"type": "Server", "qps": 1, "burst": -1}], r"limits\[0\].burst: .*must be positive"),
            (
                [{"type": "User", "qps": 1, "burst": 1, "cacheSize": -1}],
                r"limits\[0\].cacheSize: .*must not be negative",
            ),
            ([{"kind": "User"}], 'unknown field "limits.0..kind"'),
        ],
    )
    def test_nonsense(self, limits: Any, words: str) -> None:
        with pytest.raises(BadConfiguration, match=words):
            limits_of({**self.HEAD, "limits": limits})

    def test_it_needs_one(self) -> None:
        with pytest.raises(BadConfiguration, match="needs a configuration"):
            limits_of(None)
