"""The plug-in: what is refused, warned of, noted; what is skipped and exempt."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from apiserver.admission.attributes import NAMESPACES, PODS
from apiserver.admission.interface import Attributes
from apiserver.admission.pod_security import existing
from apiserver.admission.pod_security.configuration import PodSecurityConfiguration
from apiserver.admission.pod_security.evaluations import Evaluations
from apiserver.admission.pod_security.levels import Policy, Standard
from apiserver.admission.pod_security.plugin import PodSecurity, is_significant, is_stricter
from apiserver.request import User
from wherry.api.errors import ApiError
from wherry.api.scheme import BY_PLURAL, Resource

PREFIX = "pod-security.kubernetes.io/"
Tree = dict[str, Any]
BAD = {"hostNetwork": True, "containers": [{"name": "c", "image": "i"}]}
WORDS = 'PodSecurity "baseline:latest": host namespaces (hostNetwork=true)'


class Cluster:
    """One namespace with labels, and pods in it."""

    def __init__(self, *pods: Tree, **labels: str) -> None:
        self._labels = {PREFIX + mode.replace("_", "-"): value for mode, value in labels.items()}
        self._pods = list(pods)

    def get(self, resource: Resource, namespace: str, name: str) -> Mapping[str, Any] | None:
        if resource is NAMESPACES and name == "ns":
            return {"metadata": {"name": "ns", "labels": self._labels}}
        return None

    def list(self, resource: Resource, namespace: str = "") -> list[Mapping[str, Any]]:
        return list(self._pods)

    def each(
        self, resource: Resource, namespace: str = ""
    ) -> tuple[int, Iterator[Mapping[str, Any]]]:
        assert (resource, namespace) == (PODS, "ns")
        return len(self._pods), iter(self._pods)


def pod(name: str = "p", spec: Tree | None = None, **metadata: Any) -> Tree:
    return {"metadata": {"name": name, **metadata}, "spec": spec or dict(BAD)}


def ask(
    cluster: Cluster,
    tree: Tree,
    old: Tree | None = None,
    *,
    resource: Resource = PODS,
    configured: PodSecurityConfiguration | None = None,
    user: str = "u",
    subresource: str = "",
) -> Attributes:
    """Asks, and gives what was warned and noted; or raises."""
    namespace = "" if resource is NAMESPACES else "ns"
    attributes = Attributes(
        "UPDATE" if old is not None else "CREATE", resource, subresource, namespace,
        tree["metadata"]["name"], tree, old, User(user), False,
    )  # fmt: skip
    PodSecurity(configured).validate(attributes, cluster)
    return attributes


class TestPods:
    def test_nothing_is_asked_by_default(self) -> None:
        found = ask(Cluster(), pod())
        assert found.warnings == []
        assert found.annotations == {PREFIX + "enforce-policy": "privileged:latest"}

    def test_enforce(self) -> None:
        with pytest.raises(ApiError) as refusal:
            ask(Cluster(enforce="baseline"), pod())
        assert refusal.value.message == f'pods "p" is forbidden: violates {WORDS}'
        assert (refusal.value.code, refusal.value.reason) == (403, "Forbidden")

    def test_several_reasons_in_upstreams_words(self) -> None:
        with pytest.raises(ApiError) as refusal:
            ask(Cluster(enforce="restricted"), pod(spec={"containers": [{"name": "a"}]}))
        assert refusal.value.message == (
            'pods "p" is forbidden: violates PodSecurity "restricted:latest": '
            "allowPrivilegeEscalation != false "
            '(container "a" must set securityContext.allowPrivilegeEscalation=false), '
            "unrestricted capabilities "
            '(container "a" must set securityContext.capabilities.drop=["ALL"]), '
            "runAsNonRoot != true "
            '(pod or container "a" must set securityContext.runAsNonRoot=true), '
            'seccompProfile (pod or container "a" must set securityContext.seccompProfile.type to '
            '"RuntimeDefault" or "Localhost")'
        )

    def test_warn_and_audit(self) -> None:
        found = ask(Cluster(audit="restricted", audit_version="v1.7", warn="baseline"), pod())
        assert found.warnings == [f"would violate {WORDS}"]
        assert found.annotations == {
            PREFIX + "enforce-policy": "privileged:latest",
            PREFIX + "audit-violations": 'would violate PodSecurity "restricted:v1.7": host '
            "namespaces (hostNetwork=true), runAsNonRoot != true (pod or container "
            '"c" must set securityContext.runAsNonRoot=true)',
        }

    def test_who_is_refused_is_not_warned_but_noted(self) -> None:
        attributes = Attributes(
            "CREATE", PODS, "", "ns", "p", pod(), None, User("u"), False
        )  # fmt: skip
        with pytest.raises(ApiError):
            PodSecurity().validate(
                attributes, Cluster(enforce="baseline", audit="baseline", warn="baseline")
            )
        assert attributes.warnings == []
        assert attributes.annotations[PREFIX + "audit-violations"] == f"would violate {WORDS}"
        assert attributes.annotations[PREFIX + "enforce-policy"] == "baseline:latest"

    def test_bad_labels_are_strict_and_noted(self) -> None:
        attributes = Attributes("CREATE", PODS, "", "ns", "p", pod(), None, User("u"), False)
        with pytest.raises(ApiError, match="restricted:latest"):
            PodSecurity().validate(attributes, Cluster(enforce="strict"))
        assert attributes.annotations[PREFIX + "error"].startswith(
            f'Failed to parse policy: metadata.labels[{PREFIX}enforce]: Invalid value: "strict"'
        )

    @pytest.mark.parametrize(
        "subresource", ["status", "binding", "eviction", "exec", "portforward"]
    )
    def test_subresources_that_leave_the_spec_alone(self, subresource: str) -> None:
        ask(Cluster(enforce="restricted"), pod(), pod(), subresource=subresource)

    def test_a_namespace_that_is_not_there(self) -> None:
        attributes = Attributes("CREATE", PODS, "", "gone", "p", pod(), None, User("u"), False)
        with pytest.raises(ApiError) as refusal:
            PodSecurity().validate(attributes, Cluster())
        assert refusal.value.code == 500


class TestUpdates:
    cluster = Cluster(enforce="baseline")

    def test_a_pod_that_was_let_in_before_may_be_labelled_and_resized(self) -> None:
        changed = pod(labels={"a": "b"})
        ask(self.cluster, changed, pod())
        spec = {**BAD, "containers": [{"name": "c", "image": "i", "resources": {"limits": {}}}]}
        ask(self.cluster, pod(spec=spec), pod(), subresource="resize")

    def test_but_not_get_another_image_or_a_debugger(self) -> None:
        image = {**BAD, "containers": [{"name": "c", "image": "other"}]}
        with pytest.raises(ApiError, match="host namespaces"):
            ask(self.cluster, pod(spec=image), pod())
        debugged = {**BAD, "ephemeralContainers": [{"name": "d", "image": "i"}]}
        with pytest.raises(ApiError, match="host namespaces"):
            ask(self.cluster, pod(spec=debugged), pod(), subresource="ephemeralcontainers")

    def test_what_is_significant(self) -> None:
        fine: Tree = {"containers": [{"name": "c", "image": "i"}]}
        key = "container.seccomp.security.alpha.kubernetes.io/c"
        old = pod(spec=fine)
        for spec, significant in [
            (fine, False),
            ({**fine, "tolerations": [{}]}, False),
            ({"containers": [{"name": "c", "image": "j"}]}, True),
            ({"containers": [*fine["containers"], {"name": "d"}]}, True),
            ({**fine, "initContainers": [{"name": "d"}]}, True),
            ({**fine, "ephemeralContainers": [{"name": "d"}]}, True),
        ]:
            assert is_significant(pod(spec=spec), old) is significant, spec
        assert is_significant(pod(spec=fine, annotations={key: "unconfined"}), old)
        debugged = pod(spec={**fine, "ephemeralContainers": [{"name": "d", "image": "i"}]})
        assert not is_significant(debugged, debugged)


class TestWorkloads:
    @pytest.mark.parametrize(
        ("group", "plural", "tree"),
        [
            ("apps", "deployments", {"spec": {"template": {"spec": BAD}}}),
            ("apps", "replicasets", {"spec": {"template": {"spec": BAD}}}),
            ("apps", "statefulsets", {"spec": {"template": {"spec": BAD}}}),
            ("apps", "daemonsets", {"spec": {"template": {"spec": BAD}}}),
            ("batch", "jobs", {"spec": {"template": {"spec": BAD}}}),
            ("batch", "cronjobs", {"spec": {"jobTemplate": {"spec": {"template": {"spec": BAD}}}}}),
            ("", "replicationcontrollers", {"spec": {"template": {"spec": BAD}}}),
            ("", "podtemplates", {"template": {"spec": BAD}}),
        ],
    )
    def test_are_let_in_with_a_warning(self, group: str, plural: str, tree: Tree) -> None:
        resource = BY_PLURAL[group, "v1", plural]
        made = {"metadata": {"name": "w"}, **tree}
        found = ask(Cluster(enforce="baseline"), made, resource=resource)
        assert found.warnings == [f"would violate {WORDS}"]
        quiet = ask(Cluster(enforce="baseline", warn="privileged"), made, resource=resource)
        assert quiet.warnings == []
        scaled = ask(
            Cluster(enforce="baseline"), made, made, resource=resource, subresource="scale"
        )
        assert scaled.warnings == []

    def test_without_a_template(self) -> None:
        resource = BY_PLURAL["", "v1", "replicationcontrollers"]
        tree = {"metadata": {"name": "w"}, "spec": {}}
        assert ask(Cluster(enforce="restricted"), tree, resource=resource).warnings == []


class TestExemptions:
    configured = PodSecurityConfiguration(
        Policy(Standard("baseline")), frozenset({"ns"}), frozenset({"root"}), frozenset({"kata"})
    )

    def test_defaults_hold_without_labels(self) -> None:
        only_defaults = PodSecurityConfiguration(Policy(Standard("baseline")))
        with pytest.raises(ApiError, match="baseline:latest"):
            ask(Cluster(), pod(), configured=only_defaults)

    @pytest.mark.parametrize(
        ("more", "spec", "reason"),
        [
            ({"configured": configured}, BAD, "namespace"),
            (
                {"configured": PodSecurityConfiguration(users=frozenset({"root"})), "user": "root"},
                BAD,
                "user",
            ),
            (
                {"configured": PodSecurityConfiguration(runtime_classes=frozenset({"kata"}))},
                {**BAD, "runtimeClassName": "kata"},
                "runtimeClass",
            ),
        ],
    )
    def test_who_is_exempt_is_noted(self, more: Tree, spec: Tree, reason: str) -> None:
        found = ask(Cluster(enforce="restricted"), pod(spec=spec), **more)
        assert found.annotations == {PREFIX + "exempt": reason}


def namespace(**labels: str) -> Tree:
    tree = {PREFIX + mode.replace("_", "-"): value for mode, value in labels.items()}
    return {"metadata": {"name": "ns", "labels": tree}}


class TestNamespaces:
    def test_bad_labels_are_refused(self) -> None:
        with pytest.raises(ApiError) as refusal:
            ask(Cluster(), namespace(enforce="x"), resource=NAMESPACES)
        assert refusal.value.message == (
            f'Namespace "ns" is invalid: metadata.labels[{PREFIX}enforce]: Invalid value: "x": '
            "must be one of privileged, baseline, restricted"
        )
        assert refusal.value.code == 422
        with pytest.raises(ApiError):
            ask(Cluster(), namespace(enforce="x"), namespace(), resource=NAMESPACES)

    def test_bad_ones_that_were_there_before_may_stay(self) -> None:
        old = namespace(enforce="x")
        new = namespace(enforce="x", other="y")
        ask(Cluster(), new, old, resource=NAMESPACES)
        with pytest.raises(ApiError):
            ask(Cluster(), namespace(enforce="y"), old, resource=NAMESPACES)

    def test_pods_that_would_not_be_let_in_are_named(self) -> None:
        owned = {"ownerReferences": [{"uid": "1", "controller": True}]}
        both = {**BAD, "hostPID": True, "volumes": [{"name": "v", "hostPath": {}}]}
        cluster = Cluster(
            pod("web-2", **owned), pod("web-1", **owned), pod("web-3", **owned), pod("db", both),
            pod("fine", {"containers": [{"name": "c"}]}),
        )  # fmt: skip
        found = ask(cluster, namespace(enforce="baseline"), namespace(), resource=NAMESPACES)
        assert found.warnings == [
            'existing pods in namespace "ns" violate the new PodSecurity enforce level '
            '"baseline:latest"',
            "db: host namespaces, hostPath volumes",
            "web-1 (and 2 other pods): host namespaces",
        ]
        relaxed = ask(
            cluster, namespace(enforce="baseline"), namespace(enforce="restricted"),
            resource=NAMESPACES,
        )  # fmt: skip
        assert relaxed.warnings == []

    @pytest.mark.parametrize(
        ("new", "old", "stricter"),
        [
            ("baseline:latest", "privileged:latest", True),
            ("restricted:latest", "baseline:latest", True),
            ("baseline:latest", "restricted:latest", False),
            ("baseline:latest", "restricted:v1.20", True),
            ("privileged:latest", "privileged:v1.20", False),
            ("baseline:latest", "baseline:latest", False),
        ],
    )
    def test_when_pods_are_looked_at(self, new: str, old: str, stricter: bool) -> None:
        assert is_stricter(Standard(*new.split(":")), Standard(*old.split(":"))) is stricter

    def test_no_more_than_so_many_pods(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(existing, "PODS_CHECKED_MAX", 2)
        cluster = Cluster(*(pod(f"p{number}") for number in range(5)))
        found = ask(cluster, namespace(enforce="baseline"), namespace(), resource=NAMESPACES)
        assert found.warnings == [
            "new PodSecurity enforce level only checked against the first 2 of 5 existing pods",
            'existing pods in namespace "ns" violate the new PodSecurity enforce level '
            '"baseline:latest"',
            "p0 (and 1 other pod): host namespaces",
        ]

    def test_no_longer_than_so_long(self) -> None:
        ticks = iter(range(100))
        checker = PodSecurity(seconds=lambda: float(next(ticks)))
        attributes = Attributes(
            "UPDATE", NAMESPACES, "", "", "ns", namespace(enforce="baseline"), namespace(),
            User("u"), False,
        )  # fmt: skip
        checker.validate(attributes, Cluster(*(pod(f"p{number}") for number in range(5))))
        assert attributes.warnings[0].endswith("the first 1 of 5 existing pods")

    def test_pods_of_one_controller_come_last(self) -> None:
        owned = {"ownerReferences": [{"uid": "1", "controller": True}]}
        found = existing._one_of_each_first(
            [pod("a", **owned), pod("b", **owned), pod("c"), pod("d")]
        )
        assert [one["metadata"]["name"] for one in found] == ["a", "c", "d", "b"]

    def test_labels_on_an_exempt_namespace_do_nothing(self) -> None:
        exempt = PodSecurityConfiguration(namespaces=frozenset({"ns"}))
        for old in (None, namespace()):
            found = ask(
                Cluster(pod()), namespace(enforce="baseline", audit="restricted"), old,
                resource=NAMESPACES, configured=exempt,
            )  # fmt: skip
            assert found.warnings == [
                'namespace "ns" is exempt from Pod Security, and the policy '
                "(enforce=baseline:latest, audit=restricted:latest) will be ignored"
            ]


class TestMetrics:
    def test_decisions_and_exemptions_are_counted(self) -> None:
        evaluations = Evaluations()
        exempt = PodSecurityConfiguration(users=frozenset({"root"}))
        checker = PodSecurity(exempt, evaluations)

        def ask_as(user: str, cluster: Cluster) -> None:
            attributes = Attributes("CREATE", PODS, "", "ns", "p", pod(), None, User(user), False)
            with contextlib.suppress(ApiError):
                checker.validate(attributes, cluster)

        ask_as("root", Cluster(enforce="baseline"))
        ask_as("u", Cluster())
        ask_as("u", Cluster(enforce="baseline", enforce_version="v1.20"))
        ask_as("u", Cluster(warn="baseline", warn_version="v1.99", audit="baseline"))
        counted, exemptions = evaluations.collect()
        assert {tuple(one.labels.values()): one.value for one in counted.samples} == {
            ("allow", "privileged", "latest", "create", "pod", "", "enforce"): 2,
            ("deny", "baseline", "v1.20", "create", "pod", "", "enforce"): 1,
            ("deny", "baseline", "latest", "create", "pod", "", "audit"): 1,
            ("deny", "baseline", "future", "create", "pod", "", "warn"): 1,
        }
        assert [(one.labels, one.value) for one in exemptions.samples] == [
            ({"request_operation": "create", "resource": "pod", "subresource": ""}, 1)
        ]
