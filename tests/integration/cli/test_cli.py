"""The verbs against a real API server, seen from outside."""

import asyncio
import json
import re
import shutil
import subprocess

import pytest
import yaml

APP = """
apiVersion: v1
kind: ConfigMap
metadata: {name: cfg}
data: {color: blue, shape: round}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "web:1"}
"""
POD = '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"%s","labels":{"n":"%s"}},"spec":{"terminationGracePeriodSeconds":0,"containers":[{"name":"c","image":"i"}]}}'


def make_pods(wherry, *names):
    for name in names:
        wherry.ok("create", "-f", "-", stdin=POD % (name, name))


async def end(process):
    if process.returncode is None:
        process.kill()
    await process.communicate()


def test_apply_creates_then_leaves_then_changes(wherry):
    words = ("apply", "-f", "-")
    assert wherry.ok(*words, stdin=APP) == "configmap/cfg created\ndeployment.apps/web created\n"
    assert (
        wherry.ok(*words, stdin=APP) == "configmap/cfg unchanged\ndeployment.apps/web unchanged\n"
    )
    changed = (
        APP.replace("web:1", "web:2").replace(", shape: round", "").replace("  replicas: 2\n", "")
    )
    assert "deployment.apps/web configured" in wherry.ok(*words, stdin=changed)
    tree = yaml.safe_load(wherry.ok("get", "deploy", "web", "-o", "yaml"))
    assert tree["spec"]["template"]["spec"]["containers"][0]["image"] == "web:2"
    assert tree["spec"]["replicas"] == 1  # no longer said: the default again
    assert json.loads(wherry.ok("get", "cm/cfg", "-o", "json"))["data"] == {"color": "blue"}


def test_apply_keeps_what_others_set(wherry):
    wherry.ok("apply", "-f", "-", stdin=APP.replace("  replicas: 2\n", ""))
    wherry.ok("scale", "deploy/web", "--replicas=5")
    wherry.ok(
        "apply", "-f", "-", stdin=APP.replace("  replicas: 2\n", "").replace("web:1", "web:9")
    )
    assert yaml.safe_load(wherry.ok("get", "deploy/web", "-o", "yaml"))["spec"]["replicas"] == 5


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl")
def test_kubectl_and_we_apply_the_same_object(wherry):
    wherry.ok("apply", "-f", "-", stdin=APP)
    done = subprocess.run(
        ["kubectl", "-n", wherry.namespace, "apply", "-f", "-"], input=APP, text=True,
        capture_output=True, env=wherry.environment, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["configmap/cfg unchanged", "deployment.apps/web unchanged"]


def test_a_folder_is_applied_and_deleted(wherry, tmp_path):
    for name in ("b", "a"):
        (tmp_path / f"{name}.yaml").write_text(
            f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n"
        )
    folder = str(tmp_path)
    assert wherry.ok("apply", "-f", folder) == "configmap/a created\nconfigmap/b created\n"
    where = f"from {wherry.namespace} namespace"
    expected = f'configmap "a" deleted {where}\nconfigmap "b" deleted {where}\n'
    assert wherry.ok("delete", "-f", folder) == expected
    assert wherry.ok("get", "cm", "-o", "name") == ""


@pytest.mark.parametrize(
    ("words", "stdin", "code", "message"),
    [
        pytest.param(
            ("get", "pod", "x"), "", 1, 'Error from server (NotFound): pods "x" not found\n',
            id="not found",
        ),
        pytest.param(
            ("get", "foo"), "", 1, 'error: the server doesn\'t have a resource type "foo"\n',
            id="no such kind",
        ),
        pytest.param(
            ("apply", "-f", "-"), "a: b: c", 1,
            "error: error parsing STDIN: yaml: line 1, column 5: mapping values are not allowed in this context\n",
            id="no yaml",
        ),
        pytest.param(
            ("apply", "-f", "-"), "apiVersion: v1\nkind: Foo\nmetadata: {name: a}", 1,
            'error: resource mapping not found for "STDIN": no matches for kind "Foo" in version "v1"\n',
            id="unknown kind",
        ),
        pytest.param(
            ("create", "-f", "-"), POD.replace('"image"', '"imagge":"x","image"') % ("a", "a"), 1,
            'Error from server (BadRequest): error when creating "STDIN": Pod in version "v1" cannot '
            'be handled as a Pod: strict decoding error: unknown field "spec.containers[0].imagge"\n',
            id="unknown field",
        ),
        pytest.param(("get", "--nonsense"), "", 2, "No such option", id="unknown flag"),
        pytest.param(("nonsense",), "", 2, "No such command", id="unknown verb"),
        pytest.param(("logs", "x"), "", 1, 'Error from server (NotFound): pods "x"', id="no pod"),
        pytest.param(("get", "pods", "-o", "xml"), "", 1, "unable to match a printer", id="format"),
        pytest.param(
            ("apply", "-f", "-"), "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: b}",
            1, 'the namespace from the provided object "b" does not match', id="two namespaces",
        ),
    ],
)  # fmt: skip
def test_mistakes(wherry, words, stdin, code, message):
    done = wherry(*words, stdin=stdin, everywhere=words[0] == "nonsense")
    assert (done.code, done.out) == (code, "")
    assert message in done.err


def test_no_server(wherry):
    done = wherry("get", "pods", "--server", "https://127.0.0.1:1")
    words = "The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?"
    assert (done.code, done.err) == (1, words + "\n")


def test_no_kubeconfig(wherry, tmp_path):
    done = wherry("get", "pods", "--kubeconfig", str(tmp_path / "none"))
    assert done.code == 1
    assert done.err.startswith("error: cannot read kubeconfig")


def test_tables(wherry):
    assert wherry("get", "pods").err == f"No resources found in {wherry.namespace} namespace.\n"
    make_pods(wherry, "a", "bb")
    lines = wherry.ok("get", "pods").splitlines()
    assert re.fullmatch(r"NAME   READY   STATUS    RESTARTS   AGE", lines[0])
    assert [line.split()[:4] for line in lines[1:]] == [
        ["a", "0/1", "Pending", "0"], ["bb", "0/1", "Pending", "0"],
    ]  # fmt: skip
    assert "NOMINATED NODE" in wherry.ok("get", "pods", "-o", "wide")
    assert wherry.ok("get", "pods", "-o", "name") == "pod/a\npod/bb\n"
    assert wherry.ok("get", "po", "-l", "n=bb", "-o", "name") == "pod/bb\n"
    assert wherry.ok("get", "po", "--field-selector", "metadata.name!=bb", "-oname") == "pod/a\n"
    several = wherry.ok("get", "pods,cm", "--no-headers")
    assert several.startswith("pod/a ")
    everywhere = wherry.ok("get", "pods", "-A")
    assert everywhere.startswith("NAMESPACE ")
    assert wherry.namespace in everywhere


def test_one_missing_does_not_hide_the_others(wherry):
    make_pods(wherry, "a")
    done = wherry("get", "pod/none", "pod/a")
    assert (done.code, len(done.lines)) == (1, 2)
    assert done.err == 'Error from server (NotFound): pods "none" not found\n'
    assert wherry("get", "pod", "none", "--ignore-not-found").code == 0


def test_lists_as_yaml_say_what_each_item_is(wherry):
    make_pods(wherry, "a", "b")
    tree = yaml.safe_load(wherry.ok("get", "pods", "-o", "yaml"))
    assert (tree["kind"], [item["kind"] for item in tree["items"]]) == ("List", ["Pod", "Pod"])
    assert "managedFields" not in tree["items"][0]["metadata"]
    assert "managedFields" in wherry.ok("get", "pod", "a", "-o", "yaml", "--show-managed-fields")


async def test_watch_goes_on_with_changes(wherry):
    make_pods(wherry, "a")
    process = await wherry.start("get", "pods", "-w")
    try:
        async with asyncio.timeout(20):
            lines = [await process.stdout.readline() for _ in range(2)]
            await asyncio.to_thread(make_pods, wherry, "b")
            lines.append(await process.stdout.readline())
    finally:
        await end(process)
    assert [line.split()[0] for line in lines] == [b"NAME", b"a", b"b"]


async def test_delete_waits_for_finalizers(wherry):
    held = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: held, finalizers: [x.test/hold]}"
    wherry.ok("apply", "-f", "-", stdin=held)
    late = wherry("delete", "cm/held", "--timeout=1s")
    words = "error: timed out waiting for the condition on configmaps/held\n"
    assert (late.code, late.err) == (1, words)
    process = await wherry.start("delete", "cm", "held")
    try:
        async with asyncio.timeout(20):
            assert b"deleted" in await process.stdout.readline()
            assert process.returncode is None
            free = held.replace("[x.test/hold]", "[]")
            await asyncio.to_thread(wherry.ok, "apply", "-f", "-", stdin=free)
            await process.wait()
    finally:
        await end(process)
    assert process.returncode == 0
    assert wherry("get", "cm/held").code == 1


def test_delete_by_selector_and_without_waiting(wherry):
    make_pods(wherry, "a", "b")
    assert wherry.ok("delete", "pods", "-l", "n=a", "-o", "name") == "pod/a\n"
    assert wherry.ok("delete", "pods", "--all", "--wait=false").startswith('pod "b" deleted')
    assert wherry("delete", "pods").err == "error: resource(s) were provided, but no name was specified\n"  # fmt: skip
    assert wherry("delete", "pod", "none", "--ignore-not-found").code == 0


def test_scale(wherry):
    wherry.ok("apply", "-f", "-", stdin=APP)
    assert wherry.ok("scale", "deploy/web", "--replicas=3") == "deployment.apps/web scaled\n"
    refused = wherry("scale", "deploy/web", "--replicas=1", "--current-replicas=2")
    assert refused.err == "error: Expected replicas to be 2, was 3\n"


def test_rollout_words(wherry):
    wherry.ok("apply", "-f", "-", stdin=APP)
    status = wherry.ok("rollout", "status", "deploy/web", "--watch=false")
    assert status == "Waiting for deployment spec update to be observed...\n"
    late = wherry("rollout", "status", "deploy/web", "--timeout=1s")
    assert late.err == "error: timed out waiting for the condition\n"
    assert wherry.ok("rollout", "restart", "deploy/web") == "deployment.apps/web restarted\n"
    assert "restartedAt" in wherry.ok("get", "deploy/web", "-o", "yaml")
    assert wherry.ok("rollout", "pause", "deploy/web") == "deployment.apps/web paused\n"
    assert wherry.ok("rollout", "resume", "deploy/web") == "deployment.apps/web resumed\n"
    assert wherry("rollout", "status", "cm/cfg").code == 1


def test_rollout_undo_brings_the_template_back(wherry):
    """The Deployment controller's part is played: one ReplicaSet per revision."""
    wherry.ok("apply", "-f", "-", stdin=APP.replace("web:1", "web:2"))
    deployment = json.loads(wherry.ok("get", "deploy/web", "-o", "json"))
    for number in (1, 2):
        revision = {"deployment.kubernetes.io/revision": str(number)}
        labels = {"app": "web", "pod-template-hash": f"h{number}"}
        containers = [{"name": "web", "image": f"web:{number}"}]
        owner = {
            "apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "controller": True,
            "uid": deployment["metadata"]["uid"],
        }  # fmt: skip
        tree = {
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {
                "name": f"web-h{number}", "labels": labels, "annotations": revision,
                "ownerReferences": [owner],
            },
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
            },
        }  # fmt: skip
        wherry.ok("create", "-f", "-", stdin=json.dumps(tree))
    assert [line.split()[0] for line in wherry.ok("rollout", "history", "deploy/web").splitlines()] == [
        "deployment.apps/web", "REVISION", "1", "2",
    ]  # fmt: skip
    assert wherry.ok("rollout", "undo", "deploy/web") == "deployment.apps/web rolled back\n"
    template = json.loads(wherry.ok("get", "deploy/web", "-o", "json"))["spec"]["template"]
    assert template["spec"]["containers"][0]["image"] == "web:1"
    assert template["metadata"]["labels"] == {"app": "web"}


@pytest.mark.parametrize("kind", ["pod/a", "deploy/web", "cm/cfg", "sa/default", "ns/default"])
def test_describe(wherry, kind):
    wherry.ok("apply", "-f", "-", stdin=APP)
    make_pods(wherry, "a")
    text = wherry.ok("describe", kind)
    assert text.startswith(
        f"Name:{' ' * (len(text.split(chr(10))[0]) - 5 - len(kind.split('/')[1]))}"
    )
    assert "Events:" in text


def test_create_of_a_few_words(wherry):
    assert wherry.ok("create", "cm", "x", "--from-literal=a=1") == "configmap/x created\n"
    assert wherry.ok("create", "deployment", "y", "--image=z:1") == "deployment.apps/y created\n"
    assert (
        wherry.ok("create", "secret", "generic", "s", "--from-literal=p=q") == "secret/s created\n"
    )
    dry = yaml.safe_load(wherry.ok("create", "cm", "x", "--dry-run=client", "-o", "yaml"))
    assert dry["metadata"] == {"name": "x", "namespace": wherry.namespace}
    again = wherry("create", "cm", "x")
    assert again.err == 'Error from server (AlreadyExists): configmaps "x" already exists\n'


def test_api_resources_and_version(wherry):
    lines = wherry.ok("api-resources").splitlines()
    assert lines[0].split() == ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"]
    assert ["pods", "po", "v1", "true", "Pod"] in [line.split() for line in lines]
    assert "deployments.apps" in wherry.ok("api-resources", "-o", "name").splitlines()
    assert "Server Version: v1.36" in wherry.ok("version")
    assert "Server" not in wherry.ok("version", "--client", everywhere=True)


@pytest.mark.parametrize(
    "words", [("-h",), ("get", "-h"), ("create", "cm", "-h"), ("rollout", "-h")]
)
def test_help(wherry, words):
    assert wherry.ok(*words, everywhere=True).startswith("Usage: ")
