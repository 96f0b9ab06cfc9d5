"""Reads what flags say about credentials: token file, keys, issuer; and joins the authenticators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from apiserver.admission.interface import Lister
from apiserver.authn.authenticator import Anonymous, Authenticator, TokenAuthenticator
from apiserver.authn.certificates import ClientAuthorities, ClientCertificates
from apiserver.authn.keys import (
    PublicKey,
    SigningKey,
    jwks,
    parse_signing_key,
    read_public_keys,
)
from apiserver.authn.service_account import LEGACY_ISSUER, ServiceAccountTokens
from apiserver.authn.token_file import TokenFile, parse
from apiserver.config import AuthConfig
from apiserver.request import User
from wherry.daemon.process import StartError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What was read. `signing` is None when this server makes no tokens."""

    config: AuthConfig
    users: dict[str, User]
    keys: list[PublicKey]
    signing: SigningKey | None

    def authenticator(self, lister: Lister, authorities: ClientAuthorities) -> Authenticator:
        audiences = self.config.api_audiences
        tokens: list[TokenAuthenticator] = [TokenFile(self.users, audiences)]
        if self.keys:
            issuers = (*self.config.issuers, LEGACY_ISSUER)
            tokens.append(ServiceAccountTokens(self.keys, issuers, audiences, lister))
        return Authenticator(
            tokens,
            anonymous=Anonymous(self.config.anonymous),
            certificates=ClientCertificates(authorities),
        )

    def issuer_document(self) -> dict[str, Any]:
        """/.well-known/openid-configuration"""
        issuer = self.config.issuers[0]
        return {
            "issuer": issuer,
            "jwks_uri": f"{issuer.rstrip('/')}/openid/v1/jwks",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": sorted({one.algorithm for one in self.keys}),
        }

    def jwks(self) -> dict[str, Any]:
        """/openid/v1/jwks"""
        return jwks(self.keys)


def read(config: AuthConfig) -> Credentials:
    """Read all files. StartError naming the flag when one is missing or makes no sense."""
    token_file, signing_file = config.token_file, config.signing_key_file
    users: dict[str, User] = {}
    if token_file is not None:
        users = checked("--token-auth-file", lambda: parse(token_file.read_text()))
    keys = checked("--service-account-key-file", lambda: read_public_keys(config.key_files))
    signing = None
    if signing_file is not None:
        flag = "--service-account-signing-key-file"
        signing = checked(flag, lambda: parse_signing_key(signing_file.read_bytes()))
    return Credentials(config, users, keys, signing)


def checked(flag: str, make: Callable[[], T]) -> T:
    """The value, or a StartError that names the flag it came from."""
    try:
        return make()
    except (OSError, ValueError) as error:
        raise StartError(f"{flag}: {error}") from error
