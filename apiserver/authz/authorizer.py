"""May this user do that? What is asked, what is answered, and several authorizers as one.

Source: k8s.io/apiserver/pkg/authorization/{authorizer,union,authorizerfactory}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from apiserver.request import RequestInfo, User
from wherry.api.errors import ApiError, forbidden, go_quote, status_error
from wherry.api.field_selectors import FieldTerm, parse_field_selector
from wherry.api.scheme import BY_PLURAL

# Its members may do everything, whatever else is said: who holds the cluster's keys is never locked out.
MASTERS: Final = "system:masters"
START_SECONDS: Final = 1  # after which to ask again
NAMESPACES: Final = BY_PLURAL["", "v1", "namespaces"]
_SELECTING: Final = frozenset({"list", "watch", "deletecollection"})


class Attributes(NamedTuple):
    """What is asked for. `path` is set only when it is no resource.

    fields, labels: what a list, watch or deletecollection is limited to; labels as a selector's text
    """

    user: User
    verb: str
    namespace: str = ""
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    path: str = ""
    fields: tuple[FieldTerm, ...] = ()
    labels: str = ""


class Decision(NamedTuple):
    """`reason` says why, in upstream's words; often there is nothing to say.

    final: a refusal that no authorizer behind may overrule
    error: what kept an authorizer from deciding
    """

    allowed: bool
    reason: str = ""
    final: bool = False
    error: str = ""


NO_OPINION: Final = Decision(False)
YES: Final = Decision(True)


@dataclass(frozen=True, slots=True)
class Rules:
    """What a user may do in a namespace, as SubjectRulesReviewStatus tells it.

    `incomplete`: there may be more that no list can tell; `error` says what could not be read.
    """

    resource_rules: tuple[Mapping[str, Any], ...] = ()
    non_resource_rules: tuple[Mapping[str, Any], ...] = ()
    incomplete: bool = False
    error: str = ""


class Authorizer(Protocol):
    def authorize(self, attributes: Attributes) -> Decision: ...

    def rules(self, user: User, namespace: str) -> Rules: ...


class AlwaysAllow:
    """Everybody may do everything."""

    def authorize(self, attributes: Attributes) -> Decision:
        return YES

    def rules(self, user: User, namespace: str) -> Rules:
        everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
        return Rules((everything,), ({"verbs": ["*"], "nonResourceURLs": ["*"]},))


class AlwaysDeny:
    """Nobody may do anything."""

    _no = Decision(False, "Everything is forbidden.")

    def authorize(self, attributes: Attributes) -> Decision:
        return self._no

    def rules(self, user: User, namespace: str) -> Rules:
        return Rules()


class Union:
    """The first authorizer that allows, or refuses for good, decides; before all, system:masters may.

    ready: whether the roles are there that decide. Before that nobody is refused for good: a daemon
           that starts together with this server shall ask again, not give up.
    may_wait: whether some decisions are asked of others (`webhook.DecisionWanted`)
    """

    def __init__(
        self,
        authorizers: Sequence[Authorizer],
        ready: Callable[[], bool] = lambda: True,
        *,
        may_wait: bool = False,
    ) -> None:
        self._authorizers = tuple(authorizers)
        self._ready = ready
        self.may_wait = may_wait

    def become(self, authorizers: Sequence[Authorizer]) -> None:
        """Ask these from now on."""
        self._authorizers = tuple(authorizers)

    def authorize(self, attributes: Attributes) -> Decision:
        if MASTERS in attributes.user.groups:
            return YES
        reasons, errors = [], []
        for authorizer in self._authorizers:
            decision = authorizer.authorize(attributes)
            if decision.allowed or decision.final:
                return decision
            if decision.reason:
                reasons.append(decision.reason)
            if decision.error:
                errors.append(decision.error)
        if not self._ready():
            raise starting()
        if not reasons and not errors:
            return NO_OPINION
        return Decision(False, "\n".join(reasons), error=aggregate(errors))

    def rules(self, user: User, namespace: str) -> Rules:
        found = [one.rules(user, namespace) for one in self._authorizers]
        return Rules(
            tuple(rule for one in found for rule in one.resource_rules),
            tuple(rule for one in found for rule in one.non_resource_rules),
            any(one.incomplete for one in found),
            aggregate([one.error for one in found if one.error]),
        )


def starting() -> ApiError:
    """503: who may do what is not known yet."""
    details = {"retryAfterSeconds": START_SECONDS}
    return status_error("ServiceUnavailable", "the API server is starting", details=details)


def aggregate(errors: Sequence[str]) -> str:
    """Several errors as one text. Source: k8s.io/apimachinery/pkg/util/errors."""
    unique = list(dict.fromkeys(errors))
    return unique[0] if len(unique) == 1 else f"[{', '.join(unique)}]" if unique else ""


def attributes_of(info: RequestInfo, user: User) -> Attributes:
    """What a request asks for.

    A list limited to one name asks for that name, and a namespace is within itself.
    """
    resource = info.resource
    if resource is None:
        return Attributes(user, info.verb, path=info.path)
    namespace, name = info.namespace, info.name
    if name and resource is NAMESPACES:
        namespace = name
    fields: tuple[FieldTerm, ...] = ()
    labels = ""
    if info.verb in _SELECTING:
        labels = info.label_selector
        if info.field_selector:
            fields = field_terms(info.field_selector)
            if not name and info.verb != "deletecollection":
                name = exact_name(fields)
    return Attributes(
        user, info.verb, namespace, resource.group, resource.version, resource.plural,
        info.subresource, name, "", fields, labels,
    )  # fmt: skip


def field_terms(selector: str) -> tuple[FieldTerm, ...]:
    """A selector's conditions; none when it can't be read: whoever serves the request says why."""
    try:
        return parse_field_selector(selector).terms
    except ValueError:
        return ()


def exact_name(fields: Sequence[FieldTerm]) -> str:
    """The one name a selector leaves over, or ""."""
    for one in fields:
        if one.field == "metadata.name" and one.equal:
            return one.value if is_segment(one.value) else ""
    return ""


def is_segment(name: str) -> bool:
    """Whether a name can stand in a path."""
    return bool(name) and name not in (".", "..") and "/" not in name and "%" not in name


def refusal(attributes: Attributes, decision: Decision) -> ApiError:
    """403; 500 when an authorizer could not decide and no other allowed it."""
    if decision.error:
        return status_error("InternalError", f"Internal error occurred: {decision.error}")
    return denied(attributes, decision.reason)


def denied(attributes: Attributes, reason: str) -> ApiError:
    """403 as upstream words it."""
    asked = attributes
    who = f"User {go_quote(asked.user.name)} cannot {asked.verb}"
    if asked.path:
        message = f"forbidden: {who} path {go_quote(asked.path)}"
        status = status_error("Forbidden", _because(message, reason)).status
        code = status.pop("code")
        return ApiError({**status, "details": {}, "code": code})
    what = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
    where = (
        f"in the namespace {go_quote(asked.namespace)}"
        if asked.namespace
        else "at the cluster scope"
    )
    message = f"{who} resource {go_quote(what)} in API group {go_quote(asked.group)} {where}"
    qualified = f"{asked.resource}.{asked.group}" if asked.group else asked.resource
    return forbidden(qualified, asked.name, _because(message, reason))


def _because(message: str, reason: str) -> str:
    return f"{message}: {reason}" if reason else message
