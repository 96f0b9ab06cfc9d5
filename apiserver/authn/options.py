"""Flags of authentication beyond certificates and service accounts, and the values they become.

Source: kubernetes/pkg/kubeapiserver/options/authentication.go.
"""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from apiserver.authn.authentication_config import check_algorithms, check_url
from apiserver.authn.front_proxy import FrontProxy
from apiserver.authn.oidc import Issuer, Mapped
from wherry.daemon.flags import Flags


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcOptions:
    """`--oidc-*`, which describe one issuer."""

    issuer: Issuer
    ca_file: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthnOptions:
    """What the flags say; files are not read yet. None where nothing is configured."""

    bootstrap_tokens: bool = False
    front_proxy: FrontProxy | None = None
    front_proxy_ca: Path | None = None
    front_proxy_told: Mapping[str, str] = field(default_factory=dict)  # to extension servers
    oidc: OidcOptions | None = None
    config_file: Path | None = None
    jwks_uri: str = ""
    account_lookup: bool = True


def declare(declared: Flags) -> None:
    """Add the flags."""
    declared.boolean("--enable-bootstrap-token-auth", help="Secrets may hold tokens of new nodes")
    declared.text("--service-account-jwks-uri", help="where others find this issuer's keys")
    declared.boolean("--service-account-lookup", True, "old tokens must be held by a Secret")
    declared.text("--authentication-config", help="file that names trusted issuers of tokens")
    declared.text("--requestheader-client-ca-file", help="authority of front proxies")
    declared.texts("--requestheader-allowed-names", help="their common names; empty = any")
    declared.texts("--requestheader-username-headers", help="headers that name the user")
    declared.texts("--requestheader-uid-headers", help="headers that tell the user's uid")
    declared.texts("--requestheader-group-headers", help="headers that name groups")
    declared.texts("--requestheader-extra-headers-prefix", help="how headers of extra begin")
    declared.text("--oidc-issuer-url", help="https URL of a trusted issuer of tokens")
    declared.text("--oidc-client-id", help="audience that its tokens must be for")
    declared.text("--oidc-ca-file", help="its authority; empty = this machine's")
    declared.text("--oidc-username-claim", "sub", "claim that names the user")
    declared.text("--oidc-username-prefix", help='put before names; "-" = nothing')
    declared.text("--oidc-groups-claim", help="claim that lists groups")
    declared.text("--oidc-groups-prefix", help="put before groups")
    declared.mapping("--oidc-required-claim", help="claims that must have these values")
    declared.texts("--oidc-signing-algs", ("RS256",), "algorithms that may sign")


def options(values: Namespace) -> AuthnOptions:
    """The values of parsed flags; ValueError naming the flag when one makes no sense."""
    oidc = _oidc(values)
    if oidc is not None and values.authentication_config:
        raise ValueError("--authentication-config and --oidc-* flags are mutually exclusive")
    if values.service_account_jwks_uri and not values.service_account_jwks_uri.startswith("https:"):
        raise ValueError("--service-account-jwks-uri requires https scheme")
    ca_file = _path(values.requestheader_client_ca_file)
    return AuthnOptions(
        bootstrap_tokens=values.enable_bootstrap_token_auth,
        front_proxy=None if ca_file is None else _front_proxy(values),
        front_proxy_ca=ca_file,
        front_proxy_told={} if ca_file is None else _told(values),
        oidc=oidc,
        config_file=_path(values.authentication_config),
        jwks_uri=values.service_account_jwks_uri,
        account_lookup=values.service_account_lookup,
    )


def _front_proxy(values: Namespace) -> FrontProxy:
    def lower(names: list[str]) -> tuple[str, ...]:
        return tuple(name.lower() for name in names)

    return FrontProxy(
        lower(values.requestheader_username_headers),
        lower(values.requestheader_uid_headers),
        lower(values.requestheader_group_headers),
        lower(values.requestheader_extra_headers_prefix),
        tuple(values.requestheader_allowed_names),
    )


def _told(values: Namespace) -> dict[str, str]:
    """The flags as the ConfigMap extension-apiserver-authentication has them."""
    names = (
        "allowed-names", "username-headers", "uid-headers", "group-headers", "extra-headers-prefix",
    )  # fmt: skip
    flags = {f"requestheader-{name}": f"requestheader_{name.replace('-', '_')}" for name in names}
    return {key: json.dumps(getattr(values, flag)) for key, flag in flags.items()}


def _oidc(values: Namespace) -> OidcOptions | None:
    url, audience = values.oidc_issuer_url, values.oidc_client_id
    if not url and not audience:
        return None
    if not url or not audience:
        raise ValueError("--oidc-issuer-url and --oidc-client-id must be specified together")
    check_url(url, "--oidc-issuer-url")
    claim, prefix = values.oidc_username_claim, values.oidc_username_prefix
    if not prefix and claim != "email":
        prefix = f"{url}#"  # else a user of the issuer could be called like one of ours
    issuer = Issuer(
        url,
        (audience,),
        Mapped(claim, "" if prefix == "-" else prefix),
        Mapped(values.oidc_groups_claim, values.oidc_groups_prefix),
        required=values.oidc_required_claim,
        algorithms=check_algorithms(values.oidc_signing_algs),
    )
    return OidcOptions(issuer=issuer, ca_file=_path(values.oidc_ca_file))


def _path(text: str) -> Path | None:
    return Path(text) if text else None
