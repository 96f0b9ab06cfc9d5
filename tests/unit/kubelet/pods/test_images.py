"""Images by pull policy; credentials; what a failed start shows."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest

from kubelet.pods.failures import Failures
from kubelet.pods.images import ImageError, Images, Wish, is_reference, pull_policy, pullable
from kubelet.pods.pull_secrets import credentials, registry_of
from kubelet.pods.starter import StartError
from kubelet.runtime.memory import MemoryRuntime
from kubelet.runtime.protocol import ImageRecord
from wherry.api.core_v1 import Secret
from wherry.daemon.clock import FakeClock

NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("here", "there", "policy", "reason", "said"),
    [
        (True, False, "IfNotPresent", None, ["Pulled"]),
        (False, True, "IfNotPresent", None, ["Pulling", "Pulled"]),
        (True, True, "Always", None, ["Pulling", "Pulled"]),
        (False, False, "IfNotPresent", "ErrImagePull", ["Pulling", "Failed"]),
        (True, False, "Always", "ErrImagePull", ["Pulling", "Failed"]),
        (False, True, "Never", "ErrImageNeverPull", ["ErrImageNeverPull"]),
        (True, False, "Never", None, ["Pulled"]),
    ],
)
async def test_policies(here, there, policy, reason, said):
    runtime = MemoryRuntime(FakeClock())
    if here:
        await runtime.import_image(b"", "a/b:1", ())
    if there:
        runtime.registry.add("a/b:1")
    heard = []
    images = Images(runtime, FakeClock())
    try:
        await images.ensure(Wish("a/b:1", policy), lambda kind, word, text: heard.append(word))
        failed = None
    except ImageError as error:
        failed = error.reason
    assert (failed, heard) == (reason, said)


@pytest.mark.parametrize(
    ("image", "policy", "expected"),
    [("x", "", "Always"), ("x:latest", "", "Always"), ("x:1", "", "IfNotPresent"),
     ("h:5000/x", "", "Always"), ("x@sha256:1", "", "IfNotPresent"), ("x", "Never", "Never")],
)  # fmt: skip
def test_default_policy(image, policy, expected):
    assert pull_policy(image, policy) == expected


@pytest.mark.parametrize(
    ("text", "valid"),
    [("busybox", True), ("h.io:5000/a/b_c:v1.2", True), ("Upper", False), ("a b", False), ("", False), ("a:", False)],
)  # fmt: skip
def test_references(text, valid):
    assert is_reference(text) is valid


def test_shown_ids():
    assert pullable(ImageRecord("sha256:1")) == "docker://sha256:1"
    digest = "r/x@sha256:2"
    assert pullable(ImageRecord("sha256:1", digests=(digest,))) == f"docker-pullable://{digest}"


@pytest.mark.parametrize(
    ("image", "registry"),
    [("busybox", "index.docker.io"), ("a/b", "index.docker.io"), ("r.io/a", "r.io"), ("localhost/a", "localhost"), ("r:5000/a", "r:5000")],
)  # fmt: skip
def test_registries(image, registry):
    assert registry_of(image) == registry


def test_credentials():
    auth = base64.b64encode(b"me:pa:ss").decode()
    document = {"auths": {"https://r.io/v1/": {"auth": auth}, "other.io": {"auth": "!"}}}
    secret = Secret(data={".dockerconfigjson": json.dumps(document).encode()})
    found = credentials("r.io/x", [secret])
    assert [(c["username"], c["password"]) for c in found] == [("me", "pa:ss")]
    assert credentials("other.io/x", [secret]) == ()
    assert credentials("r.io/x", [Secret(data={".dockerconfigjson": b"no"})]) == ()


class TestFailures:
    def test_a_pull_backs_off(self):
        failures = Failures()
        now = NOW
        waits = []
        for _ in range(7):
            failures.add("c", StartError("ErrImagePull", "no", pull=True), now)
            waits.append((failures.not_before["c"] - now).total_seconds())
            now = failures.not_before["c"]
        assert waits == [10, 20, 40, 80, 160, 300, 300]

    def test_the_error_is_shown_then_the_back_off(self):
        failures = Failures()
        failures.add("c", StartError("ErrImagePull", "no", pull=True), NOW)
        assert failures.waiting(NOW, {"c": "x"})["c"].reason == "ErrImagePull"
        at = failures.changes_at(NOW)
        shown = failures.waiting(at, {"c": "x"})["c"]
        assert (shown.reason, shown.message) == (
            "ImagePullBackOff",
            'Back-off pulling image "x": ErrImagePull: no',
        )
        assert failures.changes_at(at) is None

    def test_a_changed_object_lets_configuration_be_tried_at_once(self):
        failures = Failures()
        failures.add("a", StartError("CreateContainerConfigError", "no"), NOW)
        failures.add("b", StartError("ErrImagePull", "no", pull=True), NOW)
        failures.forget_configuration()
        assert set(failures.not_before) == {"b"}

    def test_missing_volumes_look_like_creating(self):
        failures = Failures()
        failures.add("a", StartError("ContainerCreating", ""), NOW)
        assert failures.waiting(NOW, {}) == {}
        assert failures.not_before["a"] == NOW + timedelta(seconds=0.5)
