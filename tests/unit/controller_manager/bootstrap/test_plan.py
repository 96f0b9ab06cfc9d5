"""Tokens that are over go; what joining machines read is signed with those that are good."""

import base64
from datetime import UTC, datetime, timedelta

import jwt
import pytest
import yaml

from controller_manager.bootstrap.plan import (
    Token,
    cluster_kubeconfig,
    detached_signature,
    plan_cleaning,
    plan_cluster_info,
    signing_token,
)
from controller_manager.plan import Create, Delete, Update
from wherry.api.core_v1 import ConfigMap, Secret
from wherry.api.model import format_time

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SECRET = "0123456789abcdef"


def token(ident="abcdef", *, ends=None, name="", type="bootstrap.kubernetes.io/token", **more):
    data = {"token-id": ident, "token-secret": SECRET, "usage-bootstrap-signing": "true", **more}
    if ends is not None:
        data["expiration"] = ends if isinstance(ends, str) else format_time(NOW + ends)
    return Secret.from_wire(
        {
            "metadata": {
                "name": name or f"bootstrap-token-{ident}", "namespace": "kube-system", "uid": "u",
            },
            "type": type,
            "data": {k: base64.b64encode(v.encode()).decode() for k, v in data.items()},
        }
    )  # fmt: skip


def test_a_token_goes_when_it_is_over():
    (action,) = plan_cleaning(token(ends=timedelta(seconds=-1)), NOW).actions
    assert isinstance(action, Delete)
    assert action.uid == "u"
    later = plan_cleaning(token(ends=timedelta(seconds=90)), NOW)
    assert (later.actions, later.requeue_after) == ((), 90)
    assert plan_cleaning(token(), NOW).actions == ()
    assert plan_cleaning(token(ends="tomorrow"), NOW).actions  # as upstream: unreadable is over
    assert plan_cleaning(token(ends=timedelta(days=-1), type="Opaque"), NOW).actions == ()


@pytest.mark.parametrize(
    "other",
    [
        token(ends=timedelta(seconds=-1)),
        token(name="bootstrap-token-other1"),
        token(type="Opaque"),
        token(**{"usage-bootstrap-signing": "false"}),
        token(**{"token-secret": ""}),
    ],
)
def test_who_does_not_sign(other):
    assert signing_token(other, NOW) is None


# RFC 7518 wants longer keys for HS256 than a token's secret is; upstream signs with it all the same.
pytestmark = pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")


def verified(content: str, signature: str, secret: str = SECRET) -> None:
    header, nothing, mac = signature.split(".")
    assert nothing == ""
    payload = base64.urlsafe_b64encode(content.encode()).rstrip(b"=").decode()
    jwt.api_jws.decode(f"{header}.{payload}.{mac}", secret, algorithms=["HS256"])


def test_a_signature_is_a_jws_without_its_content():
    signature = detached_signature("hello", Token("abcdef", SECRET))
    assert jwt.get_unverified_header(f"{signature.split('.')[0]}.e30.AA") == {
        "alg": "HS256", "kid": "abcdef",
    }  # fmt: skip
    verified("hello", signature)
    with pytest.raises(jwt.InvalidSignatureError):
        verified("hell0", signature)
    with pytest.raises(jwt.InvalidSignatureError):
        verified("hello", signature, "another secret..")


def test_the_published_kubeconfig_names_the_server_and_whom_to_trust():
    tree = yaml.safe_load(cluster_kubeconfig("https://10.0.0.1:6443", "PEM"))
    (cluster,) = tree["clusters"]
    assert cluster["cluster"]["server"] == "https://10.0.0.1:6443"
    assert base64.b64decode(cluster["cluster"]["certificate-authority-data"]) == b"PEM"
    assert not tree["users"]


def info(**data):
    metadata = {"name": "cluster-info", "namespace": "kube-public"}
    return ConfigMap.from_wire({"metadata": metadata, "data": data})


def test_cluster_info_is_made_and_signed():
    (action,) = plan_cluster_info(None, [token()], "config", NOW).actions
    assert isinstance(action, Create)
    data = action.object.data
    assert data["kubeconfig"] == "config"
    verified("config", data["jws-kubeconfig-abcdef"])
    assert plan_cluster_info(action.object, [token()], "config", NOW).actions == ()


def test_without_publishing_it_is_only_signed():
    assert plan_cluster_info(None, [token()], "", NOW).actions == ()
    (action,) = plan_cluster_info(info(kubeconfig="theirs"), [token()], "", NOW).actions
    assert isinstance(action, Update)
    verified("theirs", action.object.data["jws-kubeconfig-abcdef"])


def test_signatures_of_tokens_that_are_gone_go_and_the_rest_stays():
    before = info(kubeconfig="c", other="x", **{"jws-kubeconfig-gone00": "s"})
    (action,) = plan_cluster_info(before, [], "", NOW).actions
    assert dict(action.object.data) == {"kubeconfig": "c", "other": "x"}
    (action,) = plan_cluster_info(before, [token()], "new", NOW).actions
    assert set(action.object.data) == {"kubeconfig", "other", "jws-kubeconfig-abcdef"}
