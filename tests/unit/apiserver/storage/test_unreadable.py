"""Which requests a value that nobody can read stands in the way of."""

from __future__ import annotations

import pytest

from apiserver.request import RequestInfo
from apiserver.storage.keys import Place
from apiserver.storage.unreadable import Unreadable, Unreadables, reason
from wherry.api.scheme import BY_PLURAL

SECRETS, PODS = BY_PLURAL["", "v1", "secrets"], BY_PLURAL["", "v1", "pods"]
LOST = Place(SECRETS, "default", "lost")


def ask(verb: str, namespace: str = "", name: str = "", selector: str = "", resource=SECRETS):
    return RequestInfo(verb, "/x", resource, namespace, name, "", selector)


@pytest.fixture
def found() -> Unreadables:
    found = Unreadables()
    assert not found
    found.note(LOST, "why")
    return found


@pytest.mark.parametrize(
    "info",
    [
        ask("get", "default", "lost"), ask("delete", "default", "lost"), ask("list", "default"),
        ask("list"), ask("watch"), ask("deletecollection", "default"),
        ask("list", "default", "", "metadata.name=lost"), ask("list", selector="type=Opaque"),
    ],
)  # fmt: skip
def test_who_would_read_it_is_told_its_key(found: Unreadables, info: RequestInfo):
    words = r'unable to transform key "/registry/secrets/default/lost": why'
    with pytest.raises(Unreadable, match=words):
        found.check(info)


@pytest.mark.parametrize(
    "info",
    [
        ask("get", "default", "other"), ask("get", "other", "lost"), ask("list", "other"),
        ask("list", resource=PODS), ask("create", "default"), ask("create", "default", "lost"),
        ask("watch", "default", "", "metadata.name=other"), RequestInfo("get", "/api"),
    ],
)  # fmt: skip
def test_all_others_are_served(found: Unreadables, info: RequestInfo):
    found.check(info)


def test_what_is_written_anew_or_gone_is_forgotten(found: Unreadables):
    found.forget(Place(SECRETS, "default", "other"))
    assert found
    found.forget(LOST)
    found.forget(LOST)
    assert not found


def test_reasons_show_nothing_of_the_value():
    assert "encrypted" in reason(b"k8s:enc:aesgcm:v1:key:\x00")
    assert "password" not in reason(b"password")
