"""What one must be allowed to act as somebody else.

By the verb `impersonate` on users, groups, uids, extras and service accounts one may be them whatever
one asks for then. The constrained modes take two rights: `impersonate:MODE` of the user, and
`impersonate-on:MODE:VERB` of the request itself. They are tried first, but for the mode by which the
same user got through last. Nothing is decided here: `ask` raises when something is not allowed.

Source: k8s.io/apiserver/pkg/endpoints/filters/impersonation/{constrained_impersonation,mode}.go.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from apiserver.authn.impersonation import completed
from apiserver.authn.service_account import split_username
from apiserver.authz.authorizer import Attributes, denied
from apiserver.request import User
from wherry.api.errors import ApiError
from wherry.api.names import dns1123_subdomain

Ask = Callable[[Attributes], None]  # ApiError 403 when it is not allowed

REMEMBERED_MAX = 10_000
MANY = 4  # of groups or extras: then a right to all of them is asked for before each
_GROUP = "authentication.k8s.io"
_PATH = re.compile(r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+")
_NODE = "system:node:"
_NODES = "system:nodes"
_MASTERS = "system:masters"
_NODE_NAME = "authentication.kubernetes.io/node-name"
_NODE_KEYS = "authentication.kubernetes.io/associated-node-keys"


@dataclass(frozen=True, slots=True)
class Mode:
    """One way to be somebody else. `applies(wanted, asking)` says whether it is one for these."""

    name: str
    applies: Callable[[User, User], bool]


class Impersonation:
    """Finds a mode that is allowed, and remembers it."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._last: OrderedDict[str, Mode | None] = OrderedDict()

    def user(self, wanted: User, request: Attributes) -> tuple[User, str]:
        """Who the asking user is from now on, and by which constrained right ("": by the plain one).

        ApiError 403: that of the mode tried first.
        """
        name = request.user.name
        order: list[Mode | None] = [*MODES, None]
        if name in self._last:
            last = self._last[name]
            order = [last, *(mode for mode in order if mode is not last)]
        refusal: ApiError | None = None
        for mode in order:
            if mode is not None and not mode.applies(wanted, request.user):
                continue
            try:
                found = self._by(mode, wanted, request)
            except ApiError as error:
                refusal = refusal or error
                continue
            self._remember(name, mode)
            return found, "" if mode is None else f"impersonate:{mode.name}"
        assert refusal is not None, "the verb `impersonate` applies to everybody"
        raise refusal

    def _remember(self, name: str, mode: Mode | None) -> None:
        self._last[name] = mode
        self._last.move_to_end(name)
        if len(self._last) > REMEMBERED_MAX:
            self._last.popitem(last=False)

    def _by(self, mode: Mode | None, wanted: User, request: Attributes) -> User:
        if mode is None:
            for attributes in plain(request.user, wanted):
                self._ask(attributes)
            return completed(wanted)
        if mode is ASSOCIATED_NODE:
            request = request._replace(user=_without_values(request.user))
        self._ask(request._replace(verb=f"impersonate-on:{mode.name}:{request.verb}"))
        self._constrained(mode, wanted, request.user)
        node = _node_of(wanted.name)
        return completed(wanted if node is None else replace(wanted, groups=(_NODES,)))

    def _constrained(self, mode: Mode, wanted: User, asking: User) -> None:
        """Each part of the wanted user, by the mode's own verb."""

        def may(resource: str, name: str, *, at: str = "", part: str = "") -> Attributes:
            verb = f"impersonate:{mode.name}"
            return Attributes(asking, verb, at, _GROUP, "v1", resource, part, name)

        node, account = _node_of(wanted.name), split_username(wanted.name)
        if node is not None:
            # Answered for all nodes at once: whose node it is `applies` has seen.
            self._ask(may("nodes", "*" if mode is ASSOCIATED_NODE else node))
        elif account is not None:
            self._ask(may("serviceaccounts", account[1], at=account[0]))
        else:
            self._ask(may("users", wanted.name))
        if wanted.uid:
            self._ask(may("uids", wanted.uid))
        if "" in wanted.groups:
            raise denied(may("groups", ""), "impersonating the empty string group is not allowed")
        if _MASTERS in wanted.groups:
            why = "impersonating the system:masters group is not allowed"
            raise denied(may("groups", _MASTERS), why)
        self._all([may("groups", name) for name in wanted.groups], may("groups", "*"))
        wrong = wrong_extra(wanted)
        if wrong:
            raise denied(may("userextras", ""), wrong)
        extras = [
            may("userextras", value, part=key)
            for key, values in wanted.extra.items()
            for value in values
        ]
        self._all(extras, may("userextras", "*", part="*"))

    def _all(self, needed: list[Attributes], at_once: Attributes) -> None:
        if len(needed) >= MANY and self._is_allowed(at_once):
            return
        for attributes in needed:
            self._ask(attributes)

    def _is_allowed(self, attributes: Attributes) -> bool:
        try:
            self._ask(attributes)
        except ApiError:
            return False
        return True


def plain(asking: User, wanted: User) -> Iterator[Attributes]:
    """All that the verb `impersonate` must be allowed for, in upstream's order."""

    def may(group: str, resource: str, name: str, *, at: str = "", part: str = "") -> Attributes:
        return Attributes(asking, "impersonate", at, group, "v1", resource, part, name)

    account = split_username(wanted.name)
    if account is None:
        yield may("", "users", wanted.name)
    else:
        yield may("", "serviceaccounts", account[1], at=account[0])
    if wanted.uid:
        yield may(_GROUP, "uids", wanted.uid)
    for group in wanted.groups:
        yield may("", "groups", group)
    for key, values in wanted.extra.items():
        for value in values:
            yield may(_GROUP, "userextras", value, part=key)


def wrong_extra(wanted: User) -> str:
    """Why the extras cannot be taken on; "" when they can."""
    for key, values in wanted.extra.items():
        if not key:
            return "impersonating the empty string key in extra is not allowed"
        prefix, slash, rest = key.partition("/")
        if not slash or dns1123_subdomain(prefix) or not _PATH.fullmatch(rest):
            return "impersonating an invalid key in extra is not allowed"
        if "" in values:
            return "impersonating the empty string value in extra is not allowed"
    return ""


def _node_of(name: str) -> str | None:
    """The node that a username is of."""
    node = name.removeprefix(_NODE)
    return node if node != name and not dns1123_subdomain(node) else None


def _only_named(wanted: User) -> bool:
    return not (wanted.uid or wanted.groups or wanted.extra)


def _is_own_node(wanted: User, asking: User) -> bool:
    """Whether the asking service account's pod runs on the node that is wanted."""
    node = _node_of(wanted.name)
    if node is None or split_username(asking.name) is None or not _only_named(wanted):
        return False
    return tuple(asking.extra.get(_NODE_NAME, ())) == (node,)


def _is_node(wanted: User, asking: User) -> bool:
    return _only_named(wanted) and _node_of(wanted.name) is not None


def _is_account(wanted: User, asking: User) -> bool:
    return _only_named(wanted) and split_username(wanted.name) is not None


def _is_other(wanted: User, asking: User) -> bool:
    return _node_of(wanted.name) is None and split_username(wanted.name) is None


def _without_values(asking: User) -> User:
    """So that what is answered does not hang on the node, as the answer is for all of them."""
    return replace(asking, extra={_NODE_KEYS: tuple(sorted(asking.extra))})


ASSOCIATED_NODE = Mode("associated-node", _is_own_node)
MODES = (
    ASSOCIATED_NODE,
    Mode("arbitrary-node", _is_node),
    Mode("serviceaccount", _is_account),
    Mode("user-info", _is_other),
)
