"""`--token-auth-file`: a CSV of `token,user,uid,"group1,group2"`, read once at the start.

Source: k8s.io/apiserver/pkg/authentication/token/tokenfile.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from datetime import datetime
from io import StringIO

from apiserver.authn.authenticator import Authenticated
from apiserver.request import User

COLUMNS_MIN = 3


def parse(text: str) -> dict[str, User]:
    """The users by token; ValueError for a line with too few columns or no token."""
    users: dict[str, User] = {}
    rows = csv.reader(StringIO(text), skipinitialspace=True)
    for row in rows:
        if not row or row[0].startswith("#"):
            continue
        if len(row) < COLUMNS_MIN:
            raise ValueError(
                f"line {rows.line_num}: must have at least {COLUMNS_MIN} columns "
                f"(token, user name, user uid), found {len(row)}"
            )
        token, name, uid = (column.strip() for column in row[:3])
        if not token:
            raise ValueError(f"line {rows.line_num}: empty token")
        groups = row[3].split(",") if len(row) > COLUMNS_MIN else []
        users[token] = User(name, uid, tuple(g.strip() for g in groups if g.strip()))
    return users


class TokenFile:
    """Knows the tokens of a token file."""

    def __init__(self, users: Mapping[str, User], api_audiences: Sequence[str]) -> None:
        self._api_audiences = tuple(api_audiences)
        self._users = dict(users)

    def authenticate(
        self, token: str, audiences: Sequence[str], now: datetime
    ) -> Authenticated | None:
        user = self._users.get(token)
        if user is None:
            return None
        shared = tuple(one for one in self._api_audiences if one in (audiences or (one,)))
        if self._api_audiences and not shared:
            return None
        return Authenticated(user, shared)
