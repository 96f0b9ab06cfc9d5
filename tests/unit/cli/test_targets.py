"""What the words after a verb mean."""

import pytest

from cli.discovery import Resource, find, parse
from cli.errors import CliError
from cli.targets import one_object, targets

PODS = Resource("", "v1", "Pod", "pods", "pod", True, ("list",), ("po",), ("all",))
SERVICES = Resource("", "v1", "Service", "services", "service", True, ("list",), ("svc",), ("all",))
NODES = Resource("", "v1", "Node", "nodes", "node", False, ("list",), ("no",))
DEPLOYMENTS = Resource(
    "apps", "v1", "Deployment", "deployments", "deployment", True, (), ("deploy",)
)
OTHER_PODS = Resource("metrics.k8s.io", "v1beta1", "PodMetrics", "pods", "", True)
ALL = [PODS, SERVICES, NODES, DEPLOYMENTS, OTHER_PODS]


class Kinds:
    def resource(self, word):
        found = find(word, ALL)
        if found is None:
            raise CliError(f'the server doesn\'t have a resource type "{word}"')
        return found

    def category(self, word):
        return [one for one in ALL if word in one.categories]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param("pods", [("pods", ())], id="a kind"),
        pytest.param("po a b", [("pods", ("a", "b"))], id="names"),
        pytest.param("pods,svc", [("pods", ()), ("services", ())], id="kinds"),
        pytest.param("Pod,po,pod", [("pods", ())], id="the same kind, spelt differently"),
        pytest.param("pod/a svc/b", [("pods", ("a",)), ("services", ("b",))], id="kind and name"),
        pytest.param("deployments.apps/a", [("deployments.apps", ("a",))], id="with group"),
        pytest.param("deploy.v1.apps", [("deployments.apps", ())], id="with version and group"),
        pytest.param("pods.metrics.k8s.io", [("pods.metrics.k8s.io", ())], id="other group"),
        pytest.param("all", [("pods", ()), ("services", ())], id="category"),
    ],
)
def test_targets(line, expected):
    found = targets(line.split(), Kinds())
    assert [(target.resource.qualified, target.names) for target in found] == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "You must specify the type of resource"),
        ("foo", 'the server doesn\'t have a resource type "foo"'),
        ("pods pod/a", "there is no need to specify a resource type as a separate argument"),
        ("pod/", "must have a single resource and name"),
        ("pods,", "empty resource type"),
    ],
)
def test_refused(line, message):
    with pytest.raises(CliError, match=message):
        targets(line.split(), Kinds())


def test_one_object():
    assert one_object(["a"], Kinds(), "pods") == (PODS, "a")
    assert one_object(["deploy/a"], Kinds(), "pods") == (DEPLOYMENTS, "a")
    assert one_object(["deploy", "a"], Kinds()) == (DEPLOYMENTS, "a")
    with pytest.raises(CliError, match="exactly one object"):
        one_object(["deploy", "a", "b"], Kinds())


@pytest.mark.parametrize(
    ("resource", "arguments", "path"),
    [
        (PODS, ("ns", "a", "log"), "/api/v1/namespaces/ns/pods/a/log"),
        (PODS, (), "/api/v1/pods"),
        (NODES, ("ns", "n"), "/api/v1/nodes/n"),
        (DEPLOYMENTS, ("ns",), "/apis/apps/v1/namespaces/ns/deployments"),
    ],
)
def test_paths(resource, arguments, path):
    assert resource.path(*arguments) == path


def test_discovery_document():
    item = {
        "resource": "deployments", "responseKind": {"kind": "Deployment"}, "scope": "Namespaced",
        "singularResource": "deployment", "verbs": ["get"], "shortNames": ["deploy"],
    }  # fmt: skip
    document = {
        "items": [
            {"metadata": {"name": "apps"}, "versions": [{"version": "v1", "resources": [item]}]}
        ]
    }
    expected = Resource("apps", "v1", "Deployment", "deployments", "deployment", True, ("get",), ("deploy",))  # fmt: skip
    assert parse(document) == [expected]
