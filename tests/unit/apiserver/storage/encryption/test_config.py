"""The encryption configuration: what it says of which resource, and how errors keep its secrets."""

from __future__ import annotations

import base64

import pytest
import yaml

from apiserver.storage.encryption.config import parse_encryption
from wherry.api.scheme import BY_PLURAL

SECRET = base64.b64encode(bytes(range(32))).decode()
GCM = {"aesgcm": {"keys": [{"name": "key1", "secret": SECRET}]}}
SECRETS, PODS = BY_PLURAL["", "v1", "secrets"], BY_PLURAL["", "v1", "pods"]
DEPLOYMENTS = BY_PLURAL["apps", "v1", "deployments"]


def parse(*entries: object, **fields: object):
    tree = {
        "kind": "EncryptionConfiguration", "apiVersion": "apiserver.config.k8s.io/v1",
        "resources": list(entries), **fields,
    }  # fmt: skip
    return parse_encryption(yaml.safe_dump(tree))


def entry(*resources: str, providers: object = None) -> dict:
    return {"resources": list(resources), "providers": providers or [GCM, {"identity": {}}]}


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["secrets"], [True, False, False]), (["deployments.apps"], [False, False, True]),
        (["*.apps"], [False, False, True]), (["*."], [True, True, False]),
        (["*.*"], [True, True, True]), (["secrets."], [True, False, False]),
    ],
)  # fmt: skip
def test_resources_are_named_as_upstream_does(names, found):
    rules = parse(entry(*names))
    assert [rules.of(one) is not None for one in (SECRETS, PODS, DEPLOYMENTS)] == found


def test_the_first_entry_that_names_a_resource_counts():
    rules = parse(entry("secrets", providers=[{"identity": {}}]), entry("*.*"))
    plain, sealed = rules.of(SECRETS), rules.of(PODS)
    assert plain is not None
    assert sealed is not None
    assert plain.seal(b"v", b"k") == b"v"
    assert sealed.seal(b"v", b"k") != b"v"


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([], "at least one resources is required"),
        ([{"resources": ["secrets"]}], "resources[0].providers: Required value"),
        ([entry()], "resources[0].resources: Required value"),
        ([entry("Secrets")], "should not contain capital letters"),
        ([entry("*")], "use '*.' to encrypt all"),
        ([entry("secrets", "*.")], "overlapping resources"),
        ([entry("secrets", "secrets.")], "specified multiple times"),
        ([entry("*.*", "pods")], "overlapping resources"),
        ([entry("secrets.*")], "across groups is not supported"),
        ([entry("*.extensions")], "has been removed"),
        ([entry("events.events.k8s.io")], "Use 'events' instead"),
        ([entry("serviceipallocations")], "cannot be encrypted"),
        ([entry("secrets", providers=[{"kms": {"name": "x"}}])], "KMS plug-ins are not supported"),
        ([entry("secrets", providers=[{**GCM, "identity": {}}])], "more than one provider"),
        ([entry("secrets", providers=[{"aesgcm": {"keys": []}}])], "keys: Required value"),
        ([entry("secrets", providers=[{"aesgmc": {}}])], "unknown field"),
        ([{"resource": ["secrets"]}], "unknown field 'resources[0].resource'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(entries, words):
    with pytest.raises(ValueError, match=r".") as caught:
        parse(*entries)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "key",
    [
        {"name": "key1", "secret": "bm90LWxvbmctZW5vdWdoLXNlY3JldA=="},
        {"name": "key1", "secret": "!not-base64-secret!"},
        {"secret": SECRET},
    ],
)
def test_errors_show_no_secret(key):
    with pytest.raises(ValueError, match=r"secret|name") as caught:
        parse(entry("secrets", providers=[{"secretbox": {"keys": [key]}}]))
    assert key["secret"] not in str(caught.value)


def test_broken_yaml_shows_no_line_of_the_file():
    text = f"kind: EncryptionConfiguration\nsecret: {SECRET}\n  bad: [indent"
    with pytest.raises(ValueError, match="no YAML at line 3") as caught:
        parse_encryption(text)
    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__, "a traceback would show it, too"


@pytest.mark.parametrize("text", ["", "[]", "kind: Policy"])
def test_other_things_are_refused(text):
    with pytest.raises(ValueError, match=r"empty|unexpected config type"):
        parse_encryption(text)


def test_what_was_stored_before_is_read_and_outdated():
    rules = parse(entry("secrets"))
    ciphers = rules.of(SECRETS)
    assert ciphers is not None
    assert ciphers.open(b"plain", b"k") == (b"plain", True)
