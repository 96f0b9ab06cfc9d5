"""`--authentication-config`: a file that says which issuers to trust and who may be anonymous.

Everything upstream knows is read; what needs the expression language CEL is refused with its place,
so that nobody believes a rule is checked which is not.

Source: k8s.io/apiserver/pkg/apis/apiserver (AuthenticationConfiguration), its validation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from apiserver.authn.authenticator import Anonymous
from apiserver.authn.jose import ALGORITHMS
from apiserver.authn.oidc import Issuer, Mapped

VERSIONS = tuple(f"apiserver.config.k8s.io/{one}" for one in ("v1", "v1beta1", "v1alpha1"))
KIND = "AuthenticationConfiguration"
ISSUERS_MAX = 64


def _no_expression(text: str) -> str:
    if text:
        raise ValueError("CEL expressions are not supported")
    return text


_Expression = Annotated[str, AfterValidator(_no_expression)]


class _Part(BaseModel):
    model_config = ConfigDict(
        extra="forbid", alias_generator=to_camel, strict=True, hide_input_in_errors=True
    )


class _IssuerPart(_Part):
    url: str
    discovery_url: str = Field("", alias="discoveryURL")
    certificate_authority: str = ""
    audiences: list[str]
    audience_match_policy: str = ""
    egress_selector_type: str = ""


class _Prefixed(_Part):
    claim: str = ""
    prefix: str | None = None
    expression: _Expression = ""


class _Plain(_Part):
    claim: str = ""
    expression: _Expression = ""


class _Extra(_Part):
    key: str
    value_expression: _Expression = ""


class _Mappings(_Part):
    username: _Prefixed
    groups: _Prefixed = _Prefixed()
    uid: _Plain = _Plain()
    extra: list[_Extra] = []


class _ClaimRule(_Part):
    claim: str = ""
    required_value: str = ""
    expression: _Expression = ""
    message: str = ""


class _UserRule(_Part):
    expression: _Expression = ""
    message: str = ""


class _Jwt(_Part):
    issuer: _IssuerPart
    claim_validation_rules: list[_ClaimRule] = []
    claim_mappings: _Mappings
    user_validation_rules: list[_UserRule] = []


class _Condition(_Part):
    path: str


class _Anonymous(_Part):
    enabled: bool = False
    conditions: list[_Condition] = []


class _File(_Part):
    api_version: str
    kind: str
    jwt: list[_Jwt] = []
    anonymous: _Anonymous | None = None


@dataclass(frozen=True, slots=True)
class AuthenticationConfiguration:
    """What the file says. `anonymous` None leaves that to the flag."""

    issuers: tuple[Issuer, ...]
    anonymous: Anonymous | None


def parse(text: str, own_issuers: Iterable[str] = ()) -> AuthenticationConfiguration:
    """The file's meaning; ValueError naming the place of what makes no sense.

    `own_issuers`: those of service-account tokens, which nobody else may claim to be.
    """
    try:
        tree: Any = yaml.safe_load(text)
        found = _File.model_validate(tree)
    except yaml.YAMLError as error:
        raise ValueError("is no YAML") from error
    except ValidationError as error:
        raise ValueError(_first(error)) from error
    if found.api_version not in VERSIONS or found.kind != KIND:
        raise ValueError(f"is no {KIND} of {VERSIONS[0]}")
    if len(found.jwt) > ISSUERS_MAX:
        raise ValueError(f"jwt: Too many: {len(found.jwt)}: must have at most {ISSUERS_MAX} items")
    issuers = tuple(_issuer(one, f"jwt[{index}]") for index, one in enumerate(found.jwt))
    urls = [one.url for one in issuers]
    for index, url in enumerate(urls):
        if url in urls[:index]:
            raise ValueError(f"jwt[{index}].issuer.url: Duplicate value: {url!r}")
        if url in own_issuers:
            why = "URL must not overlap with disallowed issuers"
            raise ValueError(f"jwt[{index}].issuer.url: Invalid value: {url!r}: {why}")
    return AuthenticationConfiguration(issuers, _anonymous(found.anonymous))


def _first(error: ValidationError) -> str:
    """Where and what the first mistake is, without the values: the file may hold anything."""
    first = error.errors(include_input=False, include_url=False)[0]
    path = "".join(f"[{at}]" if isinstance(at, int) else f".{at}" for at in first["loc"])
    return f"{path.lstrip('.') or 'file'}: {first['msg']}"


def _anonymous(part: _Anonymous | None) -> Anonymous | None:
    if part is None:
        return None
    if part.conditions and not part.enabled:
        raise ValueError(
            "anonymous.conditions: Invalid value: enabled should be set to true when conditions "
            "are defined"
        )
    return Anonymous(part.enabled, frozenset(one.path for one in part.conditions))


def _issuer(part: _Jwt, place: str) -> Issuer:
    issuer, mappings = part.issuer, part.claim_mappings
    check_url(issuer.url, f"{place}.issuer.url")
    if issuer.discovery_url:
        check_url(issuer.discovery_url, f"{place}.issuer.discoveryURL")
        if issuer.discovery_url.rstrip("/") == issuer.url.rstrip("/"):
            raise ValueError(f"{place}.issuer.discoveryURL: must be different from URL")
    if not issuer.audiences or "" in issuer.audiences:
        raise ValueError(f"{place}.issuer.audiences: Required value")
    policy, several = issuer.audience_match_policy, len(issuer.audiences) > 1
    if policy not in (("MatchAny",) if several else ("MatchAny", "")):
        raise ValueError(
            f"{place}.issuer.audienceMatchPolicy: Invalid value: {policy!r}: "
            "audienceMatchPolicy must be MatchAny for multiple audiences"
        )
    if issuer.egress_selector_type:
        raise ValueError(f"{place}.issuer.egressSelectorType: is not supported")
    _check_rules(part, place)
    username = _mapped(mappings.username, f"{place}.claimMappings.username")
    if not username.claim:
        raise ValueError(f"{place}.claimMappings.username: claim is required")
    return Issuer(
        issuer.url,
        tuple(issuer.audiences),
        username,
        _mapped(mappings.groups, f"{place}.claimMappings.groups"),
        Mapped(mappings.uid.claim),
        {one.claim: one.required_value for one in part.claim_validation_rules},
        ALGORITHMS,
        issuer.certificate_authority,
        issuer.discovery_url,
    )


def _check_rules(part: _Jwt, place: str) -> None:
    """ValueError for a rule that says nothing: it would be believed to be checked."""
    seen: set[str] = set()
    for index, rule in enumerate(part.claim_validation_rules):
        at = f"{place}.claimValidationRules[{index}]"
        if not rule.claim:
            raise ValueError(f"{at}: Required value: claim or expression is required")
        if rule.message:
            raise ValueError(
                f"{at}.message: Invalid value: {rule.message!r}: message can't be set when claim is set"
            )
        if rule.claim in seen:
            raise ValueError(f"{at}.claim: Duplicate value: {rule.claim!r}")
        seen.add(rule.claim)
    if part.user_validation_rules:
        at = f"{place}.userValidationRules[0].expression"
        raise ValueError(f"{at}: Required value: expression is required")
    if part.claim_mappings.extra:
        at = f"{place}.claimMappings.extra[0].valueExpression"
        raise ValueError(f"{at}: Required value: valueExpression is required")


def _mapped(part: _Prefixed, place: str) -> Mapped:
    if part.claim and part.prefix is None:
        raise ValueError(
            f'{place}.prefix: Required value: prefix is required when claim is set. It can be set to "" '
            "to disable prefixing"
        )
    if part.prefix is not None and not part.claim:
        raise ValueError(f"{place}.claim: Required value: non-empty claim name is required")
    return Mapped(part.claim, part.prefix or "")


def check_url(url: str, place: str) -> None:
    """ValueError unless it is https, without user, query and fragment."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.netloc:
        raise ValueError(f"{place}: Invalid value: {url!r}: URL scheme must be https")
    for what, found in (("a username or password", "@" in parts.netloc),
                        ("a query", bool(parts.query)), ("a fragment", bool(parts.fragment))):  # fmt: skip
        if found:
            raise ValueError(f"{place}: Invalid value: URL must not contain {what}")


def check_algorithms(names: Sequence[str]) -> tuple[str, ...]:
    """The signing algorithms; ValueError for one that is none, or that is not asymmetric."""
    for name in names:
        if name not in ALGORITHMS:
            raise ValueError(f"unsupported signing algorithm {name!r}")
    return tuple(names)
