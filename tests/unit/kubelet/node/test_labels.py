"""Labels that a kubelet may give its own node."""

import pytest

from kubelet.config import parse
from kubelet.node import labels
from wherry.daemon.process import StartError


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("disk", True),
        ("example.com/rack", True),
        ("topology.kubernetes.io/zone", True),
        ("node.kubernetes.io/anything", True),
        ("x.kubelet.kubernetes.io/anything", True),
        ("node-role.kubernetes.io/worker", False),
        ("kubernetes.io/role", False),
        ("app.k8s.io/name", False),
        ("notkubernetes.io/name", True),
    ],
)
def test_names(name, allowed):
    assert (labels.problem({name: "x"}) == "") is allowed


def test_the_kubelet_refuses_to_start_with_upstreams_words():
    with pytest.raises(StartError) as refused:
        parse(["--node-labels=node-role.kubernetes.io/b=,a=b,k8s.io/a="])
    first, second = str(refused.value).splitlines()
    assert first == (
        "unknown 'kubernetes.io' or 'k8s.io' labels specified with --node-labels: "
        "[k8s.io/a node-role.kubernetes.io/b]"
    )
    assert second.startswith(
        "--node-labels in the 'kubernetes.io' namespace must begin with an allowed prefix "
        "(kubelet.kubernetes.io, node.kubernetes.io) or be in the specifically allowed set (beta."
    )


def test_a_value_that_is_none():
    assert labels.problem({"a": "b c"}).startswith("invalid node labels: 'b c' - ")
