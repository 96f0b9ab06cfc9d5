"""Asks the API server for certificates, and again before they run out.

A request that nobody approves is waited for so long, and then made anew, with a new key: a pending
one is cleared away by the controller manager in a day.

Source: k8s.io/client-go/util/certificate/{certificate_manager,csr}.go.
"""

from __future__ import annotations

import hashlib
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from kubelet.certificates.child import Held, Wanted, describe, new_request
from kubelet.certificates.plan import Renewal, plan_renewal
from kubelet.certificates.store import PairFile
from wherry.api.certificates_v1 import (
    CertificateSigningRequest,
    CertificateSigningRequestSpec,
)
from wherry.api.errors import ApiError
from wherry.api.meta_v1 import ObjectMeta
from wherry.client.rest import ApiUnavailable, Client
from wherry.daemon.backoff import Backoff, Uniform
from wherry.daemon.clock import Clock

log = logging.getLogger(__name__)

CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client-kubelet"
SERVING_SIGNER = "kubernetes.io/kubelet-serving"
ISSUE_SECONDS_MAX = 15 * 60.0  # how long one request is waited for
ISSUE_POLL_SECONDS = 2.0
FIRST_POLL_SECONDS = 0.1
LOOK_SECONDS_MAX = 60.0  # names and authorities change without a word


class Refused(Exception):
    """The request was denied or failed; the text says why."""


@dataclass(frozen=True)
class Kind:
    """A certificate's file, signer, usages, and who it is for at the moment.

    authorities: the file of trusted authorities, the first of which signs; None = not looked at
    """

    file: PairFile
    signer: str
    usage: str
    wanted: Callable[[], Wanted]
    authorities: Path | None = None

    def trusted(self) -> bytes:
        if self.authorities is None:
            return b""
        try:
            return self.authorities.read_bytes()
        except OSError as error:
            log.warning("the trusted authorities cannot be read: %s", error)
            return b""


async def obtain(client: Client, kind: Kind, clock: Clock) -> None:
    """Ask, wait, and replace the file. Refused, ApiError, ApiUnavailable, TimeoutError."""
    key, request = await new_request(kind.wanted())
    csr = await client.create(
        CertificateSigningRequest(
            metadata=ObjectMeta(generate_name="csr-"),
            spec=CertificateSigningRequestSpec(
                request=request,
                signer_name=kind.signer,
                usages=["digital signature", kind.usage],
            ),
        )
    )
    certificate = await _issued(client, csr, clock)
    held = await describe(certificate + key)
    if held is None or not held.key_fits:
        raise Refused(f"the certificate issued for {csr.metadata.name} is not for our key")
    kind.file.write(certificate, key)
    log.info("got a new certificate for %s, good until %s", held.common_name, held.not_after)


async def _issued(client: Client, csr: CertificateSigningRequest, clock: Clock) -> bytes:
    """The certificate, once there is one."""
    deadline = clock.monotonic() + ISSUE_SECONDS_MAX
    poll = FIRST_POLL_SECONDS
    while True:
        for one in csr.status.conditions:
            if one.type in ("Denied", "Failed") and one.status == "True":
                raise Refused(f"request {csr.metadata.name}: {one.type}: {one.message}")
        if csr.status.certificate:
            return bytes(csr.status.certificate)
        if clock.monotonic() > deadline:
            raise TimeoutError(f"nobody issued {csr.metadata.name} in {ISSUE_SECONDS_MAX:.0f} s")
        await clock.sleep(poll)
        poll = min(ISSUE_POLL_SECONDS, poll * 2)
        csr = await client.get(CertificateSigningRequest, csr.metadata.name)


class Rotation:
    """Keeps one certificate good for as long as it runs."""

    def __init__(
        self,
        client: Client,
        kind: Kind,
        clock: Clock,
        on_new: Callable[[], None] = lambda: None,
        chance: Uniform = random,
    ) -> None:
        self._client, self._kind, self._clock = client, kind, clock
        self._on_new = on_new
        self._chance = chance
        self._drawn = chance.random()
        self._asked_with = ""  # the authorities for which one was asked
        self._read: tuple[str, Held | None] = ("", None)  # files' digest, and what they held

    async def run(self) -> None:
        backoff = Backoff(initial=1.0, factor=2.0, maximum=300.0, jitter=0.5)
        while True:
            renewal = await self._renewal()
            if not renewal.reason:
                await self._clock.sleep(self._rest(renewal))
                continue
            log.info("asking for a certificate (%s): %s", self._kind.signer, renewal.reason)
            asked_with = _digest(self._kind.trusted())
            try:
                await obtain(self._client, self._kind, self._clock)
            except (Refused, ApiError, ApiUnavailable, TimeoutError, OSError) as error:
                log.warning("no certificate (%s): %s", self._kind.signer, error)
                await self._clock.sleep(backoff.next())
                continue
            backoff.reset()
            self._asked_with, self._drawn = asked_with, self._chance.random()
            self._on_new()

    async def _renewal(self) -> Renewal:
        trusted, pem = self._kind.trusted(), self._kind.file.read()
        files = _digest(pem) + _digest(trusted)
        if files != self._read[0]:
            self._read = (files, await describe(pem, trusted))
        return plan_renewal(
            self._read[1], self._kind.wanted(), self._clock.now(), self._drawn,
            trust_asked=self._asked_with == _digest(trusted),
        )  # fmt: skip

    def _rest(self, renewal: Renewal) -> float:
        assert renewal.at is not None
        left = (renewal.at - self._clock.now()) / timedelta(seconds=1)
        return min(LOOK_SECONDS_MAX, max(0.1, left))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
