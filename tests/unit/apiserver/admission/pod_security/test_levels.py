"""Labels to policies; the plug-in's configuration."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.admission.configuration import BadConfiguration
from apiserver.admission.pod_security.configuration import pod_security_configuration
from apiserver.admission.pod_security.levels import Policy, Standard, policy_of

PREFIX = "pod-security.kubernetes.io/"
NONE = Policy()
CONFIGURATION = {
    "apiVersion": "pod-security.admission.config.k8s.io/v1",
    "kind": "PodSecurityConfiguration",
}


def policy(**labels: str) -> Any:
    """Labels by their mode; `_` for `-`."""
    tree = {PREFIX + mode.replace("_", "-"): value for mode, value in labels.items()}
    return policy_of({"kubernetes.io/metadata.name": "x", **tree}, NONE)


class TestLabels:
    def test_none(self) -> None:
        assert policy() == (NONE, [])
        assert NONE.is_privileged
        assert str(NONE.enforce) == "privileged:latest"

    def test_each_mode(self) -> None:
        found, errors = policy(
            enforce="baseline", enforce_version="v1.20", audit="restricted", warn="restricted",
            warn_version="v1.0",
        )  # fmt: skip
        assert errors == []
        assert [str(one) for one in found] == [
            "baseline:v1.20",
            "restricted:latest",
            "restricted:v1.0",
        ]
        assert not found.is_privileged

    @pytest.mark.parametrize(
        ("labels", "warn"),
        [
            ({"enforce": "baseline", "enforce_version": "v1.20"}, "baseline:v1.20"),
            ({"enforce": "baseline", "warn_version": "v1.20"}, "baseline:v1.20"),
            ({"enforce": "restricted", "warn": "privileged"}, "privileged:latest"),
            ({"enforce_version": "v1.20"}, "privileged:latest"),
        ],
    )
    def test_who_enforces_warns(self, labels: dict[str, str], warn: str) -> None:
        found, _ = policy(**labels)
        assert str(found.warn) == warn

    def test_nonsense_is_strict_when_enforced_and_nothing_when_told(self) -> None:
        found, errors = policy(enforce="x", audit="y", warn="z", enforce_version="v2.0")
        assert [str(one) for one in found] == [
            "restricted:latest", "privileged:latest", "privileged:latest",
        ]  # fmt: skip
        assert [str(error) for error in errors] == [
            f'metadata.labels[{PREFIX}enforce]: Invalid value: "x": must be one of privileged, '
            "baseline, restricted",
            f'metadata.labels[{PREFIX}enforce-version]: Invalid value: "v2.0": must be "latest" or '
            '"v1.x"',
            f'metadata.labels[{PREFIX}audit]: Invalid value: "y": must be one of privileged, '
            "baseline, restricted",
            f'metadata.labels[{PREFIX}warn]: Invalid value: "z": must be one of privileged, '
            "baseline, restricted",
        ]

    @pytest.mark.parametrize("version", ["latest", "v1.0", "v1.9", "v1.36", "v1.10000"])
    def test_versions(self, version: str) -> None:
        found, errors = policy(enforce_version=version)
        assert (found.enforce.version, errors) == (version, [])

    @pytest.mark.parametrize(
        "version", ["", "v1", "v1.", "v1.01", "1.20", "v1.20.1", "v1.x", "Latest", "v1." + "9" * 20]
    )
    def test_bad_versions(self, version: str) -> None:
        found, errors = policy(enforce_version=version)
        assert found.enforce.version == "latest"
        assert len(errors) == 1


class TestConfiguration:
    def test_none(self) -> None:
        found = pod_security_configuration(None)
        assert found.defaults == NONE
        assert not found.users | found.namespaces | found.runtime_classes

    def test_all(self) -> None:
        found = pod_security_configuration(
            {
                **CONFIGURATION,
                "defaults": {
                    "enforce": "baseline",
                    "enforce-version": "v1.30",
                    "warn": "restricted",
                },
                "exemptions": {
                    "usernames": ["system:serviceaccount:a:b"],
                    "namespaces": ["kube-system"],
                    "runtimeClasses": ["kata"],
                },
            }
        )
        assert [str(one) for one in found.defaults] == [
            "baseline:v1.30", "privileged:latest", "restricted:latest",
        ]  # fmt: skip
        assert found.namespaces == {"kube-system"}
        assert found.users == {"system:serviceaccount:a:b"}
        assert found.runtime_classes == {"kata"}

    def test_labels_override_defaults(self) -> None:
        defaults = Policy(Standard("baseline", "v1.30"))
        found, _ = policy_of({PREFIX + "enforce": "restricted"}, defaults)
        assert str(found.enforce) == "restricted:v1.30"

    @pytest.mark.parametrize(
        ("tree", "words"),
        [
            ([], "not a mapping"),
            ({}, "is kind None"),
            ({**CONFIGURATION, "default": {}}, 'unknown field "default"'),
            ({**CONFIGURATION, "defaults": {"enforced": "x"}}, 'unknown field "defaults.enforced"'),
            (
                {**CONFIGURATION, "defaults": {"enforce": "x"}},
                'defaults.enforce: Invalid value: "x": must be one of',
            ),
            (
                {**CONFIGURATION, "defaults": {"audit-version": "x"}},
                'defaults.audit-version: Invalid value: "x": must be "latest"',
            ),
            (
                {**CONFIGURATION, "exemptions": {"namespaces": ["a", "a"]}},
                r'exemptions.namespaces\[1\]: Duplicate value: "a"',
            ),
            (
                {**CONFIGURATION, "exemptions": {"namespaces": ["A_b"]}},
                r'exemptions.namespaces\[0\]: Invalid value: "A_b"',
            ),
            (
                {**CONFIGURATION, "exemptions": {"usernames": [""]}},
                r"exemptions.usernames\[0\]: Required value",
            ),
            ({**CONFIGURATION, "exemptions": {"users": []}}, 'unknown field "exemptions.users"'),
            ({**CONFIGURATION, "exemptions": {"usernames": "x"}}, "is not a list of texts"),
        ],
    )
    def test_nonsense(self, tree: Any, words: str) -> None:
        with pytest.raises(BadConfiguration, match=words):
            pod_security_configuration(tree)
