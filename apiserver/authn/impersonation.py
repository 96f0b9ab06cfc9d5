"""Acting as somebody else: whom the `Impersonate-*` headers name, and who one is then.

What that takes: `impersonation_modes`. Source: k8s.io/apiserver/pkg/endpoints/filters/impersonation.
"""

from __future__ import annotations

import json
from dataclasses import replace

from apiserver.authn.authenticator import ANONYMOUS, AUTHENTICATED
from apiserver.authn.front_proxy import Fields, first_of, prefixed, values_of
from apiserver.authn.service_account import groups as groups_of_account
from apiserver.authn.service_account import split_username
from apiserver.request import User
from wherry.api.errors import bad_request

PREFIX = b"impersonate-"
_EXTRA = "impersonate-extra-"
_UNAUTHENTICATED = ANONYMOUS.groups[0]


def is_asked_for(fields: Fields) -> bool:
    """Whether any header speaks of impersonation."""
    for name, _value in fields:  # noqa: SIM110  # a generator costs every request twice as much
        if name.startswith(PREFIX):
            return True
    return False


def wanted(fields: Fields) -> User | None:
    """The user the headers name, as they name it. ApiError 400 when they name all but a user."""
    name = first_of(fields, ("impersonate-user",))
    uid = first_of(fields, ("impersonate-uid",))
    groups = tuple(values_of(fields, "impersonate-group"))
    extra: dict[str, tuple[str, ...]] = {}
    for key, value in prefixed(fields, _EXTRA):
        extra[key] = (*extra.get(key, ()), value)
    if name:
        return User(name, uid, groups, extra)
    if uid or groups or extra:
        asked = json.dumps({"uid": uid, "groups": groups, "extra": extra})
        raise bad_request(f"requested {asked} without impersonating a user name")
    return None


def completed(as_user: User) -> User:
    """The user with the groups that come by themselves."""
    groups = as_user.groups
    account = split_username(as_user.name)
    if account is not None and not groups:
        groups = groups_of_account(account[0])
    if as_user.name == ANONYMOUS.name:
        own = _UNAUTHENTICATED
    else:
        own = "" if _UNAUTHENTICATED in groups else AUTHENTICATED
    if own and own not in groups:
        groups = (*groups, own)
    return replace(as_user, groups=groups)
