"""LimitRanger and ResourceQuota on decoded trees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from apiserver.admission.attributes import CLAIMS, PODS
from apiserver.admission.interface import Attributes
from apiserver.admission.limit_ranger import (
    ANNOTATION,
    LimitRanger,
    claim_problems,
    give_defaults,
    pod_problems,
)
from apiserver.admission.resource_quota import ResourceQuota
from apiserver.request import User
from wherry.api.errors import ApiError
from wherry.api.scheme import Resource

Tree = dict[str, Any]


class Objects:
    def __init__(self, *found: Tree) -> None:
        self._found = found

    def get(self, resource: Resource, namespace: str, name: str) -> Mapping[str, Any] | None:
        raise NotImplementedError

    def list(self, resource: Resource, namespace: str = "") -> list[Mapping[str, Any]]:
        return [*self._found]


def pod(requests: Tree | None = None, limits: Tree | None = None, **spec: Any) -> Tree:
    resources = {"requests": requests, "limits": limits}
    resources = {key: value for key, value in resources.items() if value is not None}
    return {
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "resources": resources}], **spec},
    }


def limits(kind: str = "Container", **item: Any) -> Tree:
    return {"metadata": {"name": "l"}, "spec": {"limits": [{"type": kind, **item}]}}


def write(operation: Any, resource: Resource, tree: Tree, subresource: str = "") -> Attributes:
    return Attributes(operation, resource, subresource, "ns", "", tree, None, User("u"), False)


def test_defaults_fill_what_is_not_said() -> None:
    found = pod({"cpu": "2"}, initContainers=[{"name": "i", "resources": {}}])
    item = limits(default={"cpu": "3", "memory": "1Gi"}, defaultRequest={"cpu": "1"})
    give_defaults(found, item)
    spec = found["spec"]
    assert spec["containers"][0]["resources"] == {
        "requests": {"cpu": "2"}, "limits": {"cpu": "3", "memory": "1Gi"},
    }  # fmt: skip
    assert spec["initContainers"][0]["resources"] == {
        "requests": {"cpu": "1"}, "limits": {"cpu": "3", "memory": "1Gi"},
    }  # fmt: skip
    assert found["metadata"]["annotations"][ANNOTATION] == (
        "LimitRanger plugin set: cpu, memory limit for container c; "
        "cpu request for init container i; cpu, memory limit for init container i"
    )


def test_nothing_is_told_when_nothing_is_given() -> None:
    found = pod({"cpu": "1"}, {"cpu": "1"})
    give_defaults(found, limits(default={"cpu": "3"}, defaultRequest={"cpu": "1"}))
    assert "annotations" not in found["metadata"]


@pytest.mark.parametrize(
    ("candidate", "item", "words"),
    [
        (pod({"cpu": "1"}, {"cpu": "1"}), limits(min={"cpu": "1"}, max={"cpu": "1"}), []),
        (pod({"cpu": "1"}), limits(min={"cpu": "2"}),
         ["minimum cpu usage per Container is 2, but request is 1"]),
        (pod(), limits(min={"cpu": "2"}), ["minimum cpu usage per Container is 2.  No request is specified"]),
        (pod({"cpu": "1"}, {"cpu": "3"}), limits(max={"cpu": "2"}),
         ["maximum cpu usage per Container is 2, but limit is 3"]),
        (pod({"cpu": "1"}), limits(max={"cpu": "2"}), ["maximum cpu usage per Container is 2.  No limit is specified"]),
        (pod({"cpu": "1"}, {"cpu": "5"}), limits(maxLimitRequestRatio={"cpu": "4"}),
         ["cpu max limit to request ratio per Container is 4, but provided ratio is 5.000000"]),
        (pod({}, {"cpu": "5"}), limits(maxLimitRequestRatio={"cpu": "4"}),
         ["cpu max limit to request ratio per Container is 4, but no request is specified or request is 0"]),
        (pod({"cpu": "1"}, {"cpu": "1"}, initContainers=[{"name": "i", "resources": {"requests": {"cpu": "3"}, "limits": {"cpu": "3"}}}]),
         limits("Pod", max={"cpu": "2"}), ["maximum cpu usage per Pod is 2, but limit is 3"]),
    ],
)  # fmt: skip
def test_pods_beyond_bounds(candidate: Tree, item: Tree, words: list[str]) -> None:
    assert list(pod_problems(candidate, item)) == words


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ("1Gi", []),
        ("1Ki", ["minimum storage usage per PersistentVolumeClaim is 1Mi, but request is 1Ki"]),
        ("1Ti", ["maximum storage usage per PersistentVolumeClaim is 1Gi, but request is 1Ti"]),
    ],
)
def test_claims_beyond_bounds(size: str, words: list[str]) -> None:
    claim = {"spec": {"resources": {"requests": {"storage": size}}}}
    item = limits("PersistentVolumeClaim", min={"storage": "1Mi"}, max={"storage": "1Gi"})
    assert list(claim_problems(claim, item)) == words


def test_all_problems_are_told_at_once() -> None:
    lister = Objects(limits(min={"cpu": "2"}, max={"memory": "1"}))
    with pytest.raises(ApiError) as caught:
        LimitRanger().validate(write("CREATE", PODS, pod({"cpu": "1"})), lister)
    assert caught.value.message == (
        'pods "p" is forbidden: [minimum cpu usage per Container is 2, but request is 1, '
        "maximum memory usage per Container is 1.  No limit is specified]"
    )


def test_pods_that_are_there_are_left_alone() -> None:
    lister = Objects(limits(min={"cpu": "2"}))
    LimitRanger().validate(write("UPDATE", PODS, pod()), lister)
    LimitRanger().validate(write("UPDATE", PODS, pod(), "status"), lister)


def test_resized_pods_are_asked_again() -> None:
    with pytest.raises(ApiError, match="but request is 1"):
        LimitRanger().validate(
            write("UPDATE", PODS, pod({"cpu": "1"}), "resize"), Objects(limits(min={"cpu": "2"}))
        )


def test_claims_are_asked_when_they_grow() -> None:
    lister = Objects(limits("PersistentVolumeClaim", max={"storage": "1"}))
    claim = {"metadata": {"name": "d"}, "spec": {"resources": {"requests": {"storage": "2"}}}}
    with pytest.raises(ApiError, match="but request is 2"):
        LimitRanger().validate(write("UPDATE", CLAIMS, claim), lister)


def quota(*hard: str, **spec: Any) -> Tree:
    return {"metadata": {"name": "q"}, "spec": {"hard": dict.fromkeys(hard, "1"), **spec}}


@pytest.mark.parametrize(
    ("found", "candidate", "words"),
    [
        (quota("pods"), pod(), ""),
        (quota("cpu"), pod({"cpu": "1"}), ""),
        (quota("cpu"), pod(resources={"requests": {"cpu": "1"}}), ""),
        (quota("cpu", scopes=["Terminating"]), pod(), ""),
        (quota("memory", "limits.cpu"), pod({"cpu": "1"}),
         "failed quota: q: must specify limits.cpu for: c; memory for: c"),
    ],
    ids=["not compute", "said", "said for the pod", "out of scope", "missing"],
)  # fmt: skip
def test_bounded_compute_is_said_by_every_container(
    found: Tree, candidate: Tree, words: str
) -> None:
    attributes = write("CREATE", PODS, candidate)
    if not words:
        ResourceQuota().validate(attributes, Objects(found))
        return
    with pytest.raises(ApiError) as caught:
        ResourceQuota().validate(attributes, Objects(found))
    assert caught.value.message == f'pods "p" is forbidden: {words}'
