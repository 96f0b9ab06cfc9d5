"""An issuer's keys, fetched beside the requests: at the start, every hour, and when one is missing.

While the issuer cannot be reached its tokens are 401, a line in the log says so, and nobody else
notices. Keys once learned stay until newer ones came.

Source: OpenID Connect Discovery 1.0, RFC 7517.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from apiserver.authn.oidc import Issuer
from wherry.daemon.backoff import Backoff
from wherry.daemon.clock import Clock

log = logging.getLogger(__name__)

FETCH_SECONDS_MAX = 10.0  # both documents together
# While the issuer has never answered: it may come up together with us. Upstream's is the longest.
RETRY_SECONDS = 1.0
RETRY_SECONDS_MAX = 10.0
REFRESH_SECONDS = 3600.0
# Whoever sends tokens with invented key ids must not make us a load on the issuer.
ASK_SECONDS_MIN = 10.0
WAIT_SECONDS_MAX = 5.0  # how long a request waits for newer keys
DOCUMENT_BYTES_MAX = 1024 * 1024
KEYS_MAX = 100


# What a foreign server, or what it says, may make of a fetch; ValueError: a URL that is none.
_FAILURES = (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError)


class FetchFailed(ValueError):
    """The issuer did not answer, or not with keys."""


class IssuerKeys:
    """See the module. `run` fetches; everything else answers from memory."""

    def __init__(self, issuer: Issuer, clock: Clock) -> None:
        self.generation = 0
        self._issuer = issuer
        self._clock = clock
        self._keys: dict[str, list[Any]] | None = None
        self._asked = asyncio.Event()
        self._answered = asyncio.Event()  # replaced by a fresh one for each round
        self._fetched_at = -ASK_SECONDS_MIN
        self._fetching = False

    def find(self, key_id: str) -> Sequence[Any]:
        if self._keys is None:
            return ()
        if not key_id:
            return [key for keys in self._keys.values() for key in keys]
        return self._keys.get(key_id, ())

    def known(self) -> bool:
        return self._keys is not None

    def wanted(self) -> Callable[[], Awaitable[None]] | None:
        early = self._clock.monotonic() - self._fetched_at < ASK_SECONDS_MIN
        return None if early and not self._fetching else self._wait

    async def _wait(self) -> None:
        answered = self._answered
        self._asked.set()
        try:
            async with asyncio.timeout(WAIT_SECONDS_MAX):
                await answered.wait()
        except TimeoutError:
            log.info("issuer %s: no newer keys within %gs", self._issuer.url, WAIT_SECONDS_MAX)

    async def run(self) -> None:
        """Fetch for ever."""
        retry = Backoff(RETRY_SECONDS, maximum=RETRY_SECONDS_MAX, jitter=0.0)
        while True:
            self._fetching = True
            try:
                async with asyncio.timeout(FETCH_SECONDS_MAX):
                    self._take(await self._fetch())
            except (*_FAILURES, TimeoutError) as error:
                why = str(error) or type(error).__name__
                log.warning("issuer %s: its keys cannot be fetched: %s", self._issuer.url, why)
            self._fetching = False
            self._fetched_at = self._clock.monotonic()
            self._asked.clear()
            self._answered.set()
            self._answered = asyncio.Event()
            pause = REFRESH_SECONDS if self.known() else retry.next()
            try:
                async with asyncio.timeout(pause):
                    await self._asked.wait()
            except TimeoutError:
                continue

    def _take(self, keys: dict[str, list[Any]]) -> None:
        if self._keys is None:
            log.info("issuer %s: %d keys", self._issuer.url, len(keys))
        self._keys = keys
        self.generation += 1

    async def _fetch(self) -> dict[str, list[Any]]:
        context = ssl.create_default_context(cadata=self._issuer.authority or None)
        async with httpx.AsyncClient(verify=context, timeout=FETCH_SECONDS_MAX) as client:
            document = await _document(client, self._issuer.discovery)
            if document.get("issuer") != self._issuer.url:
                raise FetchFailed(f"it calls itself {document.get('issuer')!r}")
            where = str(document.get("jwks_uri", ""))
            if urlsplit(where).scheme != "https":
                raise FetchFailed("its jwks_uri is not https")
            return parse_keys(await _document(client, where))


async def _document(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    async with client.stream("GET", url) as answer:
        if answer.status_code != httpx.codes.OK:
            raise FetchFailed(f"{url} answers {answer.status_code}")
        body = bytearray()
        async for chunk in answer.aiter_bytes():
            body += chunk
            if len(body) > DOCUMENT_BYTES_MAX:
                raise FetchFailed(f"{url} is longer than {DOCUMENT_BYTES_MAX} bytes")
    try:
        found = orjson.loads(bytes(body))
    except ValueError as error:
        raise FetchFailed(f"{url} is no JSON") from error
    if not isinstance(found, dict):
        raise FetchFailed(f"{url} is no JSON object")
    return found


def parse_keys(document: dict[str, Any]) -> dict[str, list[Any]]:
    """The public keys of a JWKS by their ids. What is no RSA or EC key for signatures is left out."""
    listed = document.get("keys")
    if not isinstance(listed, list):
        raise FetchFailed("its key set has no keys")
    keys: dict[str, list[Any]] = {}
    for one in listed[:KEYS_MAX]:
        if not isinstance(one, dict) or one.get("use", "sig") != "sig":
            continue
        try:
            key = PyJWK.from_dict(one).key
        except (PyJWTError, ValueError, TypeError, KeyError):
            continue
        # A shared secret in a public document must not verify anything.
        if isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
            keys.setdefault(str(one.get("kid", "")), []).append(key)
    return keys
