"""Pods: what is refused, what may change, what is warned about."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

from apiserver.codec.decode import decode
from apiserver.registry.core.pod import PodStrategy
from wherry.api.core_v1 import Pod

STRATEGY = PodStrategy()
CONTAINER: dict[str, Any] = {"name": "c", "image": "busybox:1"}


def pod(container: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A pod with defaults, as it comes to validation."""
    body = {
        "metadata": {"name": "p", "namespace": "default"},
        "spec": {"containers": [{**CONTAINER, **(container or {})}], **spec},
    }
    tree = decode(Pod, json.dumps(body).encode()).tree
    STRATEGY.default(tree)
    STRATEGY.prepare_for_create(tree)
    return tree


def said(tree: dict[str, Any]) -> list[str]:
    return [str(one) for one in STRATEGY.validate(tree)]


REQUIREMENT = {"key": "a", "operator": "In", "values": ["b"]}


@pytest.mark.parametrize(
    "tree",
    [
        pod(),
        pod({"command": ["a"], "env": [{"name": "A B", "value": "c"}]}),
        pod({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['a']"}}}]}),
        pod({"env": [{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}}]}),
        pod({"resources": {"limits": {"cpu": 1, "nvidia.com/gpu": 2, "hugepages-2Mi": "4Mi"}}}),
        pod({"livenessProbe": {"exec": {"command": ["x"]}}, "readinessProbe": {"tcpSocket": {"port": 1}}}),
        pod({"volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": "a/b"}]}, volumes=[{"name": "v"}]),
        pod(hostNetwork=True, dnsPolicy="None", dnsConfig={"nameservers": ["10.0.0.1"]}),
        pod(tolerations=[{"operator": "Exists"}], nodeSelector={"a": "b"}),
        pod(affinity={"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [REQUIREMENT]}]}}}),
        pod(initContainers=[{"name": "i", "image": "b", "restartPolicy": "Always", "livenessProbe": {"exec": {"command": ["x"]}}}]),
    ],
    ids=lambda tree: json.dumps(tree["spec"])[:60],
)  # fmt: skip
def test_accepted(tree: dict[str, Any]) -> None:
    assert said(tree) == []


SPEC = "spec.containers[0]"


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        (pod({"name": ""}), f"{SPEC}.name: Required value"),
        (pod({"image": " x"}), f"{SPEC}.image: Invalid value: \" x\": must not have leading or trailing whitespace"),
        (pod({"imagePullPolicy": "x"}), f'{SPEC}.imagePullPolicy: Unsupported value: "x": supported values: "Always", "IfNotPresent", "Never"'),
        (pod({"ports": [{"containerPort": 70000}]}), f"{SPEC}.ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive"),
        (pod({"ports": [{"containerPort": 1, "protocol": "x"}]}), f'{SPEC}.ports[0].protocol: Unsupported value: "x": supported values: "SCTP", "TCP", "UDP"'),
        (pod({"ports": [{"containerPort": 1, "hostPort": 5}, {"containerPort": 2, "hostPort": 5}]}), f'{SPEC}.ports[1].hostPort: Duplicate value: "TCP//5"'),
        (pod({"env": [{"name": "A=B"}]}), f'{SPEC}.env[0].name: Invalid value: "A=B": a valid environment variable name'),
        (pod({"env": [{"name": "A", "valueFrom": {}}]}), f'{SPEC}.env[0].valueFrom: Invalid value: "": must specify one of'),
        (pod({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.x"}}}]}), f'{SPEC}.env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.x": error converting fieldPath: field label not supported: spec.x'),
        (pod({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels"}}}]}), f'{SPEC}.env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "metadata.labels"'),
        (pod({"envFrom": [{}]}), f'{SPEC}.envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`'),
        (pod({"resources": {"limits": {"cpu": "-1"}}}), f'{SPEC}.resources.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0'),
        (pod({"resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}}), f'{SPEC}.resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1'),
        (pod({"resources": {"limits": {"disk": "1"}}}), f'{SPEC}.resources.limits[disk]: Invalid value: "disk": must be a standard resource for containers'),
        (pod({"resources": {"requests": {"a.b/c": "1"}}}), f"{SPEC}.resources.limits: Required value: Limit must be set for non overcommitable resources"),
        (pod({"livenessProbe": {}}), f"{SPEC}.livenessProbe: Required value: must specify a handler type"),
        (pod({"livenessProbe": {"exec": {"command": ["a"]}, "tcpSocket": {"port": 1}}}), f"{SPEC}.livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type"),
        (pod({"livenessProbe": {"exec": {"command": ["a"]}, "successThreshold": 2}}), f"{SPEC}.livenessProbe.successThreshold: Invalid value: 2: must be 1"),
        (pod({"volumeMounts": [{"name": "v", "mountPath": "/v"}]}), f'{SPEC}.volumeMounts[0].name: Not found: "v"'),
        (pod({"securityContext": {"runAsUser": -1}}), f"{SPEC}.securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive"),
        (pod(volumes=[{"name": "v", "emptyDir": {}, "hostPath": {"path": "/"}}]), "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type"),
        (pod(volumes=[{"name": "v", "secret": {}}]), "spec.volumes[0].secret.secretName: Required value"),
        (pod(volumes=[{"name": "v", "configMap": {"name": "a", "items": [{"key": "k", "path": "../x"}]}}]), "spec.volumes[0].configMap.items[0].path: Invalid value: \"../x\": must not contain '..'"),
        (pod(volumes=[{"name": "v", "hostPath": {"path": "/a/../b"}}]), "spec.volumes[0].hostPath.path: Invalid value: \"/a/../b\": must not contain '..'"),
        (pod(restartPolicy="x"), 'spec.restartPolicy: Unsupported value: "x": supported values: "Always", "OnFailure", "Never"'),
        (pod(dnsPolicy="None"), "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"),
        (pod(activeDeadlineSeconds=0), "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"),
        (pod(hostname="a.b"), 'spec.hostname: Invalid value: "a.b": must not contain dots'),
        (pod(tolerations=[{"key": "a", "operator": "Exists", "value": "b"}]), "spec.tolerations[0].operator: Invalid value"),
        (pod(tolerations=[{"key": "a", "effect": "x"}]), 'spec.tolerations[0].effect: Unsupported value: "x": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"'),
        (pod(hostAliases=[{"ip": "x"}]), 'spec.hostAliases[0].ip: Invalid value: "x": must be a valid IP address'),
        (pod(schedulingGates=[{"name": "a"}], nodeName="n"), "spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared"),
        (pod(initContainers=[{"name": "c", "image": "b"}]), 'spec.initContainers[0].name: Duplicate value: "c"'),
        (pod(initContainers=[{"name": "i", "image": "b", "livenessProbe": {"exec": {"command": ["a"]}}}]), "spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always"),
        (pod(ephemeralContainers=[{"name": "e", "image": "b"}]), "spec.ephemeralContainers: Forbidden: cannot be set on create"),
    ],
    ids=lambda value: value[:70] if isinstance(value, str) else "",
)  # fmt: skip
def test_refused(tree: dict[str, Any], words: str) -> None:
    assert any(one.startswith(words) for one in said(tree)), said(tree)


def changed(old: dict[str, Any], **spec: Any) -> list[str]:
    tree = deepcopy(old)
    tree["spec"].update(spec)
    return [str(one) for one in STRATEGY.validate_update(tree, old)]


class TestUpdate:
    def test_images_and_deadlines_and_tolerations_may_change(self) -> None:
        old = pod(tolerations=[{"key": "a", "operator": "Exists", "effect": "NoExecute"}])
        image = [{**old["spec"]["containers"][0], "image": "other:2"}]
        assert not changed(old, containers=image)
        assert not changed(old, activeDeadlineSeconds=5)
        timed = [{**old["spec"]["tolerations"][0], "tolerationSeconds": 5}, {"operator": "Exists"}]
        assert not changed(old, tolerations=timed)

    @pytest.mark.parametrize(
        ("old", "spec", "words"),
        [
            (pod(), {"nodeName": "n"}, "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`"),
            (pod(), {"containers": []}, "spec.containers: Required value"),
            (pod(activeDeadlineSeconds=5), {"activeDeadlineSeconds": 6}, "spec.activeDeadlineSeconds: Invalid value: 6: must be less than or equal to previous value"),
            (pod(activeDeadlineSeconds=5), {"activeDeadlineSeconds": None}, "spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value"),
            (pod(tolerations=[{"operator": "Exists"}]), {"tolerations": []}, "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"),
            (pod(schedulingGates=[{"name": "a"}]), {"schedulingGates": [{"name": "b"}]}, "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'b'"),
        ],
        ids=lambda value: value[:60] if isinstance(value, str) else "",
    )  # fmt: skip
    def test_little_else(self, old: dict[str, Any], spec: dict[str, Any], words: str) -> None:
        errors = changed(old, **spec)
        assert any(one.startswith(words) for one in errors), errors

    def test_gates_may_go_and_gated_pods_be_narrowed(self) -> None:
        old = pod(schedulingGates=[{"name": "a"}], nodeSelector={"a": "b"})
        assert not changed(old, schedulingGates=[])
        assert not changed(old, nodeSelector={"a": "b", "c": "d"})
        assert changed(old, nodeSelector={"c": "d"})

    def test_a_container_that_ended_for_good_stays_ended(self) -> None:
        old = pod(restartPolicy="Never")
        old["status"]["containerStatuses"] = [
            {"name": "c", "state": {"terminated": {"exitCode": 0}}}
        ]
        new = deepcopy(old)
        new["status"]["containerStatuses"][0]["state"] = {"running": {}}
        errors = [str(one) for one in STRATEGY.validate_status_update(new, old)]
        assert errors == [
            "status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state"
        ]

    @pytest.mark.parametrize(
        ("container", "policy", "code", "kind", "stays"),
        [
            ({}, "OnFailure", 0, "containers", True),
            ({}, "OnFailure", 1, "containers", False),
            ({}, "Never", 1, "initContainers", True),
            ({}, "Always", 0, "initContainers", False),
            ({"restartPolicy": "Always"}, "Never", 0, "initContainers", False),
            ({"restartPolicy": "OnFailure"}, "Never", 3, "containers", False),
            ({"restartPolicy": "Never"}, "Always", 3, "containers", True),
            (
                {"restartPolicy": "Never", "restartPolicyRules": [
                    {"action": "Restart", "exitCodes": {"operator": "In", "values": [3]}}]},
                "Never", 3, "containers", False,
            ),
            (
                {"restartPolicy": "Never", "restartPolicyRules": [
                    {"action": "Restart", "exitCodes": {"operator": "NotIn", "values": [3]}}]},
                "Never", 3, "containers", True,
            ),
            (
                {"restartPolicy": "Never", "restartPolicyRules": [
                    {"action": "RestartAllContainers",
                     "exitCodes": {"operator": "In", "values": [9]}}]},
                "Never", 3, "containers", False,
            ),
        ],
    )  # fmt: skip
    def test_a_sidecar_or_one_with_rules_may_run_again(
        self, container: dict[str, Any], policy: str, code: int, kind: str, stays: bool
    ) -> None:
        old = pod(restartPolicy=policy)
        old["spec"][kind] = [{"name": "x", "image": "i", **container}]
        field = "containerStatuses" if kind == "containers" else "initContainerStatuses"
        old["status"][field] = [{"name": "x", "state": {"terminated": {"exitCode": code}}}]
        new = deepcopy(old)
        new["status"][field][0]["state"] = {"running": {}}
        errors = [str(one) for one in STRATEGY.validate_status_update(new, old)]
        assert [f"status.{field}[0].state" in one for one in errors] == [True] * stays


@pytest.mark.parametrize(
    ("tree", "warnings"),
    [
        (pod(), []),
        (pod({"env": [{"name": "A"}, {"name": "A"}]}), ['spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply']),
        (pod({"resources": {"limits": {"memory": "1m"}}}), [
            'spec.containers[0].resources.limits[memory]: fractional byte value "1m" is invalid, must be an integer',
            'spec.containers[0].resources.requests[memory]: fractional byte value "1m" is invalid, must be an integer',
        ]),
        (pod({"ports": [{"containerPort": 1}, {"containerPort": 1}]}), ["spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]"]),
        (pod(nodeSelector={"beta.kubernetes.io/os": "x"}), ['spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead']),
        (pod(imagePullSecrets=[{}]), ['spec.imagePullSecrets[0].name: invalid empty name ""']),
        (pod(hostAliases=[{"ip": "1.1.1.1"}, {"ip": "1.1.1.1"}]), ['spec.hostAliases[1].ip: duplicate ip "1.1.1.1"']),
        (pod(topologySpreadConstraints=[{"maxSkew": 1, "topologyKey": "a", "whenUnsatisfiable": "DoNotSchedule"}]), ["spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in matching no pod"]),
    ],
    ids=lambda value: "",
)  # fmt: skip
def test_warnings(tree: dict[str, Any], warnings: list[str]) -> None:
    assert STRATEGY.warnings(tree, None) == warnings
    assert STRATEGY.warnings(tree, tree) == []
