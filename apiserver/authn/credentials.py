"""Reads what flags say about credentials (files, keys, issuers) and joins the authenticators."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from apiserver.authn import authentication_config
from apiserver.authn.account_keys import AccountKeys
from apiserver.authn.account_tokens import AccountTokens
from apiserver.authn.authenticator import Anonymous, Authenticator, TokenAuthenticator
from apiserver.authn.bootstrap_tokens import BootstrapTokens
from apiserver.authn.certificates import ClientAuthorities, ClientCertificates, bundle_of
from apiserver.authn.keys import jwks
from apiserver.authn.oidc import Issuer
from apiserver.authn.token_file import TokenFile, parse
from apiserver.authn.token_uses import TokenUses
from apiserver.config import AuthConfig
from apiserver.request import User
from apiserver.storage.cache import WatchCache
from wherry.api.scheme import Resource
from wherry.daemon.clock import Clock
from wherry.daemon.process import StartError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Authentication:
    """The chain, and what must run beside it."""

    chain: Authenticator
    tasks: tuple[Callable[[], Coroutine[Any, Any, None]], ...]


@dataclass(frozen=True, slots=True)
class Credentials:
    """What was read."""

    config: AuthConfig
    users: dict[str, User]
    keys: AccountKeys
    authorities: ClientAuthorities
    issuers: tuple[Issuer, ...]
    anonymous: Anonymous

    def authentication(self, cache: WatchCache, clock: Clock, uses: TokenUses) -> Authentication:
        """The chain, which looks objects up in the cache."""
        lister = cache.lister()

        def state(resource: Resource, namespace: str, name: str) -> int | None:
            found = cache.window(resource).get(namespace, name)
            return None if found is None else found.revision

        audiences, options = self.config.api_audiences, self.config.authn
        tokens: list[TokenAuthenticator] = [TokenFile(self.users, audiences)]
        tasks: list[Callable[[], Coroutine[Any, Any, None]]] = []
        if self.keys.public:
            accounts = AccountTokens(
                self.keys.public, self.config.issuers, audiences, lister,
                state=state, lookup=options.account_lookup, ready=cache.ready.is_set, uses=uses,
            )  # fmt: skip
            tokens.append(accounts)
            tasks.append(lambda: self.keys.run(clock, accounts.trust))
        if options.bootstrap_tokens:
            tokens.append(BootstrapTokens(lister, audiences))
        if self.issuers or options.config_file is not None:
            # An HTTP client is much to load for those who trust no outside issuer.
            from apiserver.authn.outside import OutsideIssuers

            file = options.config_file
            outside = OutsideIssuers(
                self.issuers, audiences, clock, file, lambda: _issuers(self.config)[0]
            )
            tokens.append(outside)
            tasks.append(outside.run)
        proxy = options.front_proxy
        chain = Authenticator(
            tokens,
            anonymous=self.anonymous,
            certificates=ClientCertificates(
                self.authorities, () if proxy is None else proxy.allowed_names
            ),
            front_proxy=proxy,
        )
        return Authentication(chain, tuple(tasks))

    def issuer_document(self) -> dict[str, Any]:
        """/.well-known/openid-configuration"""
        issuer = self.config.issuers[0]
        return {
            "issuer": issuer,
            "jwks_uri": self.config.authn.jwks_uri or f"{issuer.rstrip('/')}/openid/v1/jwks",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": sorted(
                {one.algorithm for one in self.keys.public}
            ),
        }

    def jwks(self) -> dict[str, Any]:
        """/openid/v1/jwks"""
        return jwks(self.keys.public)


def read(config: AuthConfig) -> Credentials:
    """Read all files. StartError naming the flag when one is missing or makes no sense."""
    token_file = config.token_file
    users: dict[str, User] = {}
    if token_file is not None:
        users = checked("--token-auth-file", lambda: parse(token_file.read_text()))
    keys = checked(
        "--service-account-key-file, --service-account-signing-key-file",
        lambda: AccountKeys(config.key_files, config.signing_key_file),
    )
    issuers, anonymous = checked("--authentication-config", lambda: _issuers(config))
    return Credentials(config, users, keys, _authorities(config), issuers, anonymous)


def published(config: AuthConfig) -> dict[str, str]:
    """What extension servers are told of whom to trust, as the files are now; OSError."""
    files = {
        "client-ca-file": config.client_ca_file,
        "requestheader-client-ca-file": config.authn.front_proxy_ca,
    }
    found = {key: path.read_text() for key, path in files.items() if path is not None}
    return {**found, **config.authn.front_proxy_told}


def _authorities(config: AuthConfig) -> ClientAuthorities:
    client, options = config.client_ca_file, config.authn
    authorities = checked(
        "--client-ca-file, --requestheader-client-ca-file",
        lambda: ClientAuthorities(client, options.front_proxy_ca),
    )
    bundles, proxy = authorities.bundles, options.front_proxy
    if bundles.client & bundles.proxy and proxy is not None and not proxy.allowed_names:
        raise StartError(
            "--requestheader-client-ca-file and --client-ca-file contain overlapping certificates",
            "give --requestheader-allowed-names, or any client could name any user in headers",
        )
    return authorities


def _issuers(config: AuthConfig) -> tuple[tuple[Issuer, ...], Anonymous]:
    """The outside issuers to trust, and who may be anonymous. OSError, ValueError."""
    oidc, file = config.authn.oidc, config.authn.config_file
    anonymous = Anonymous(config.anonymous)
    if oidc is not None:
        ca_file = oidc.ca_file
        if ca_file is None:
            return (oidc.issuer,), anonymous
        authority = checked("--oidc-ca-file", lambda: _authority(ca_file.read_text()))
        return (replace(oidc.issuer, authority=authority),), anonymous
    if file is None:
        return (), anonymous
    found = authentication_config.parse(file.read_text(), config.issuers)
    for issuer in found.issuers:
        _authority(issuer.authority)
    if found.anonymous is not None and not config.anonymous:
        raise ValueError("anonymous is set, and --anonymous-auth=false too: say it in one place")
    return found.issuers, found.anonymous or anonymous


def _authority(pem: str) -> str:
    """The same text; ValueError when it names authorities but holds no certificate."""
    if pem:
        bundle_of(pem.encode())
    return pem


def checked(flag: str, make: Callable[[], T]) -> T:
    """The value, or a StartError that names the flag it came from."""
    try:
        return make()
    except (OSError, ValueError) as error:
        raise StartError(f"{flag}: {error}") from error
