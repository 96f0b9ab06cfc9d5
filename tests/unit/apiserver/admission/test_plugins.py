"""Each admission plug-in on decoded trees, with a lister over a dict."""

from __future__ import annotations

import random
from typing import Any

import pytest

from apiserver.admission.attributes import NAMESPACES, NODES, PODS, PRIORITY_CLASSES
from apiserver.admission.chain import (
    NOT_HERE,
    OFF_BY_DEFAULT,
    PLUGINS,
    Chain,
    Settings,
    chosen,
    plugins,
)
from apiserver.admission.default_toleration_seconds import DefaultTolerationSeconds
from apiserver.admission.interface import Attributes, Lister, Plugin
from apiserver.admission.namespace_lifecycle import NamespaceLifecycle
from apiserver.admission.priority import Priority
from apiserver.admission.service_account import ServiceAccount
from apiserver.admission.taint_nodes import TaintNodesByCondition
from tests.unit.apiserver.admission.objects import Objects, Tree, write
from wherry.api.errors import ApiError
from wherry.api.scheme import BY_PLURAL

CONFIG_MAPS = BY_PLURAL["", "v1", "configmaps"]


def pod(**spec: Any) -> Tree:
    return {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}], **spec}}


def namespace(name: str, phase: str = "Active") -> tuple[str, Tree]:
    return "namespaces", {"metadata": {"name": name, "labels": {}}, "status": {"phase": phase}}


def account(name: str = "default", **fields: Any) -> tuple[str, Tree]:
    return "serviceaccounts", {"metadata": {"namespace": "ns", "name": name}, **fields}


def priority_class(name: str, value: int, **fields: Any) -> tuple[str, Tree]:
    return "priorityclasses", {"metadata": {"name": name}, "value": value, **fields}


class TestNamespaceLifecycle:
    plugin = NamespaceLifecycle()

    def test_a_namespace_must_be_there(self) -> None:
        with pytest.raises(ApiError) as refusal:
            self.plugin.admit(write("CREATE", CONFIG_MAPS, pod()), Objects())
        assert refusal.value.message == 'namespaces "ns" not found'
        assert refusal.value.code == 404

    def test_nothing_is_made_in_one_that_goes(self) -> None:
        objects = Objects(namespace("ns", "Terminating"))
        with pytest.raises(ApiError) as refusal:
            self.plugin.admit(write("CREATE", CONFIG_MAPS, pod()), objects)
        assert refusal.value.message == (
            'configmaps "p" is forbidden: unable to create new content in namespace ns because it '
            "is being terminated"
        )
        assert refusal.value.causes == [
            {
                "reason": "NamespaceTerminating",
                "message": "namespace ns is being terminated",
                "field": "metadata.namespace",
            }
        ]

    def test_updates_and_deletions_go_on_there(self) -> None:
        objects = Objects(namespace("ns", "Terminating"))
        self.plugin.admit(write("UPDATE", CONFIG_MAPS, pod(), pod()), objects)
        self.plugin.admit(write("DELETE", CONFIG_MAPS, None, pod()), objects)

    @pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
    def test_some_never_go(self, name: str) -> None:
        with pytest.raises(ApiError) as refusal:
            self.plugin.admit(write("DELETE", NAMESPACES, None, name=name), Objects())
        assert refusal.value.message == (
            f'namespaces "{name}" is forbidden: this namespace may not be deleted'
        )

    def test_others_do(self) -> None:
        self.plugin.admit(write("DELETE", NAMESPACES, None, name="mine"), Objects())


class TestServiceAccount:
    plugin = ServiceAccount(random.Random(1))

    def test_default_account_and_token_volume(self) -> None:
        tree = pod(initContainers=[{"name": "i"}], volumes=[{"name": "mine", "emptyDir": {}}])
        self.plugin.admit(write("CREATE", PODS, tree), Objects(account()))
        spec = tree["spec"]
        assert (spec["serviceAccountName"], spec["serviceAccount"]) == ("default", "default")
        mine, volume = spec["volumes"]
        assert mine["name"] == "mine"
        name = volume["name"]
        assert name.startswith("kube-api-access-")
        assert len(name) == len("kube-api-access-") + 5
        assert volume["projected"] == {
            "sources": [
                {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                {
                    "configMap": {
                        "name": "kube-root-ca.crt",
                        "items": [{"key": "ca.crt", "path": "ca.crt"}],
                    }
                },
                {
                    "downwardAPI": {
                        "items": [
                            {
                                "path": "namespace",
                                "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
                            }
                        ]
                    }
                },
            ],
            "defaultMode": 420,
        }
        mount = {
            "name": name, "readOnly": True,
            "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
        }  # fmt: skip
        for container in (*spec["containers"], *spec["initContainers"]):
            assert container["volumeMounts"] == [mount]

    def test_an_own_mount_is_respected(self) -> None:
        own = {"name": "v", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}
        tree = pod(containers=[{"name": "c", "volumeMounts": [own]}])
        self.plugin.admit(write("CREATE", PODS, tree), Objects(account()))
        assert "volumes" not in tree["spec"]

    @pytest.mark.parametrize(
        ("of_pod", "of_account", "mounted"),
        [
            ({}, {}, True),
            ({}, {"automountServiceAccountToken": False}, False),
            (
                {"automountServiceAccountToken": True},
                {"automountServiceAccountToken": False},
                True,
            ),
            ({"automountServiceAccountToken": False}, {}, False),
        ],
        ids=["nobody says", "account says no", "pod overrules", "pod says no"],
    )
    def test_automount(self, of_pod: Tree, of_account: Tree, mounted: bool) -> None:
        tree = pod(**of_pod)
        self.plugin.admit(write("CREATE", PODS, tree), Objects(account(**of_account)))
        assert ("volumes" in tree["spec"]) is mounted

    def test_missing_account(self) -> None:
        with pytest.raises(ApiError) as refusal:
            self.plugin.admit(write("CREATE", PODS, pod(serviceAccountName="bot")), Objects())
        assert refusal.value.message == (
            'pods "p" is forbidden: error looking up service account ns/bot: '
            'serviceaccount "bot" not found'
        )

    def test_pull_secrets_come_from_the_account(self) -> None:
        tree = pod()
        secrets = [{"name": "registry"}]
        self.plugin.admit(write("CREATE", PODS, tree), Objects(account(imagePullSecrets=secrets)))
        assert tree["spec"]["imagePullSecrets"] == secrets

    def test_mirror_pods_have_none(self) -> None:
        tree = pod()
        tree["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
        self.plugin.admit(write("CREATE", PODS, tree), Objects())
        assert "serviceAccountName" not in tree["spec"]
        tree["spec"]["serviceAccountName"] = "bot"
        with pytest.raises(ApiError, match="mirror pod may not reference service accounts"):
            self.plugin.admit(write("CREATE", PODS, tree), Objects())

    def test_updates_and_others_are_left_alone(self) -> None:
        tree = pod()
        self.plugin.admit(write("UPDATE", PODS, tree, pod()), Objects())
        self.plugin.admit(write("CREATE", CONFIG_MAPS, tree), Objects())
        assert tree == pod()


class TestDefaultTolerationSeconds:
    plugin = DefaultTolerationSeconds(300, 60)

    def test_both_are_added_after_the_pods_own(self) -> None:
        own = {"key": "mine", "operator": "Exists"}
        tree = pod(tolerations=[own])
        self.plugin.admit(write("CREATE", PODS, tree), Objects())
        rest = {"operator": "Exists", "effect": "NoExecute"}
        assert tree["spec"]["tolerations"] == [
            own,
            {"key": "node.kubernetes.io/not-ready", **rest, "tolerationSeconds": 300},
            {"key": "node.kubernetes.io/unreachable", **rest, "tolerationSeconds": 60},
        ]

    @pytest.mark.parametrize(
        ("own", "added"),
        [
            ([{"operator": "Exists"}], 0),
            ([{"key": "node.kubernetes.io/not-ready", "operator": "Exists"}], 1),
            (
                [{"key": "node.kubernetes.io/not-ready", "effect": "NoExecute", "value": ""}],
                1,
            ),
            ([{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}], 2),
        ],
        ids=["everything", "any effect", "NoExecute", "another effect"],
    )
    def test_what_the_pod_says_counts(self, own: list[Tree], added: int) -> None:
        tree = pod(tolerations=own)
        self.plugin.admit(write("CREATE", PODS, tree), Objects())
        assert len(tree["spec"]["tolerations"]) == len(own) + added


class TestPriority:
    plugin = Priority()
    objects = Objects(priority_class("high", 1000, preemptionPolicy="Never"))

    def test_no_class_at_all(self) -> None:
        tree = pod()
        self.plugin.admit(write("CREATE", PODS, tree), self.objects)
        assert tree["spec"]["priority"] == 0
        assert tree["spec"]["preemptionPolicy"] == "PreemptLowerPriority"
        assert "priorityClassName" not in tree["spec"]

    def test_a_named_class(self) -> None:
        tree = pod(priorityClassName="high")
        self.plugin.admit(write("CREATE", PODS, tree), self.objects)
        assert (tree["spec"]["priority"], tree["spec"]["preemptionPolicy"]) == (1000, "Never")

    def test_the_lowest_global_default(self) -> None:
        objects = Objects(
            priority_class("a", 7, globalDefault=True), priority_class("b", 5, globalDefault=True)
        )
        tree = pod()
        self.plugin.admit(write("CREATE", PODS, tree), objects)
        assert (tree["spec"]["priorityClassName"], tree["spec"]["priority"]) == ("b", 5)

    @pytest.mark.parametrize(
        ("spec", "words"),
        [
            ({"priorityClassName": "none"}, "no PriorityClass with name none was found"),
            (
                {"priority": 7},
                "the integer value of priority (7) must not be provided in pod spec; priority "
                "admission controller computed 0 from the given PriorityClass name",
            ),
            (
                {"priorityClassName": "high", "preemptionPolicy": "PreemptLowerPriority"},
                "the string value of PreemptionPolicy (PreemptLowerPriority) must not be provided "
                "in pod spec; priority admission controller computed Never from the given "
                "PriorityClass name",
            ),
        ],
        ids=["missing", "own number", "own policy"],
    )
    def test_refusals(self, spec: Tree, words: str) -> None:
        with pytest.raises(ApiError) as refusal:
            self.plugin.admit(write("CREATE", PODS, pod(**spec)), self.objects)
        assert refusal.value.message == f'pods "p" is forbidden: {words}'

    def test_an_update_keeps_what_was_computed(self) -> None:
        tree = pod()
        self.plugin.admit(write("UPDATE", PODS, tree, pod(priority=5)), self.objects)
        assert tree["spec"]["priority"] == 5

    def test_only_one_global_default(self) -> None:
        objects = Objects(priority_class("a", 1, globalDefault=True))
        second = {"metadata": {"name": "b"}, "value": 2, "globalDefault": True}
        with pytest.raises(ApiError, match="Only one default can exist"):
            self.plugin.validate(write("CREATE", PRIORITY_CLASSES, second), objects)
        same = {"metadata": {"name": "a"}, "value": 2, "globalDefault": True}
        self.plugin.validate(write("UPDATE", PRIORITY_CLASSES, same, same), objects)


class TestTaintNodes:
    plugin = TaintNodesByCondition()
    taint = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}

    def test_new_nodes_are_tainted(self) -> None:
        tree: Tree = {"metadata": {"name": "n"}}
        self.plugin.admit(write("CREATE", NODES, tree), Objects())
        assert tree["spec"]["taints"] == [self.taint]

    def test_once(self) -> None:
        tree: Tree = {"metadata": {"name": "n"}, "spec": {"taints": [self.taint]}}
        self.plugin.admit(write("CREATE", NODES, tree), Objects())
        assert tree["spec"]["taints"] == [self.taint]

    def test_updates_are_left_alone(self) -> None:
        tree: Tree = {"metadata": {"name": "n"}, "spec": {}}
        self.plugin.admit(write("UPDATE", NODES, tree, tree), Objects())
        assert tree["spec"] == {}


LIMITS = {
    "apiVersion": "eventratelimit.admission.k8s.io/v1alpha1",
    "kind": "Configuration",
    "limits": [{"type": "Server", "qps": 1, "burst": 1}],
}
CONFIGURED = Settings(configurations={"EventRateLimit": LIMITS})


class TestChain:
    def test_default_ones_are_on_in_upstreams_order(self) -> None:
        assert chosen([], []) == [name for name in PLUGINS if name not in OFF_BY_DEFAULT]
        assert [one.name for one in plugins(list(PLUGINS), CONFIGURED)] == list(PLUGINS)

    def test_switching_one_off_or_on(self) -> None:
        assert chosen([], ["Priority"]) == [name for name in chosen([], []) if name != "Priority"]
        for name in OFF_BY_DEFAULT:
            assert name in chosen([name], [])

    @pytest.mark.parametrize("name", NOT_HERE)
    def test_names_of_what_is_not_here_yet_are_understood(self, name: str) -> None:
        assert chosen([name], []) == chosen([], [name]) == chosen([], [])

    @pytest.mark.parametrize(
        ("enable", "disable"),
        [
            (["Nope"], []),
            ([], ["Nope"]),
            (["Priority"], ["Priority"]),
            (["ImagePolicyWebhook"], []),
        ],
    )
    def test_nonsense(self, enable: list[str], disable: list[str]) -> None:
        with pytest.raises(ValueError, match=r"Nope|both|not part of Wherry"):
            chosen(enable, disable)

    def test_a_pod_through_all_of_them(self) -> None:
        objects = Objects(namespace("ns"), account())
        chain = Chain(plugins(chosen([], []), Settings(1, 2)), objects)
        attributes = write("CREATE", PODS, pod())
        chain.admit(attributes)
        chain.validate(attributes)
        assert attributes.tree is not None
        assert [one["tolerationSeconds"] for one in attributes.tree["spec"]["tolerations"]] == [
            1,
            2,
        ]

    def test_only_those_are_asked_that_speak_of_the_resource(self) -> None:
        asked: list[str] = []

        class OfNodes(Plugin):
            name = "OfNodes"
            about = frozenset({NODES})

            def admit(self, attributes: Attributes, lister: Lister) -> None:
                asked.append(f"admit {attributes.resource.plural}")

        class OfAll(Plugin):
            name = "OfAll"

            def validate(self, attributes: Attributes, lister: Lister) -> None:
                asked.append(f"validate {attributes.resource.plural}")

        chain = Chain([OfNodes(), OfAll()], Objects())
        for attributes in (write("CREATE", PODS, pod()), write("CREATE", NODES, pod())):
            chain.admit(attributes)
            chain.validate(attributes)
        assert asked == ["validate pods", "admit nodes", "validate nodes"]

    def test_warnings_are_said_once(self) -> None:
        attributes = write("CREATE", PODS, pod())
        attributes.warn("careful")
        attributes.warn("careful")
        attributes.annotate("a", "b")
        assert (attributes.warnings, attributes.annotations) == (["careful"], {"a": "b"})
