"""The audit webhook: batches of events as an EventList, POSTed to somebody else's server.

A batch that is not taken is tried again, longer and longer apart, then it is lost; meanwhile the
queue in front fills up and loses what does not fit. Nothing of this is seen by requests.

Source: k8s.io/apiserver/plugin/pkg/audit/webhook and pkg/util/webhook.
"""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from apiserver.audit.drain import Event, WriteFailed
from apiserver.audit.log_file import fitted
from apiserver.audit.settings import Truncation
from apiserver.audit.webhook_config import Target
from wherry.daemon.token_bucket import TokenBucket

ATTEMPTS_MAX = 5
BACKOFF_FACTOR = 1.5
BACKOFF_JITTER = 0.2
ANSWER_SECONDS_MAX = 30.0
ANSWER_BYTES_MAX = 64 * 1024  # what a webhook says beyond that is not read
_HEAD = b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":['
_TRY_AGAIN = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Pace:
    """How batches are sent. `bucket` None = as fast as they come."""

    initial_backoff_seconds: float = 10.0
    bucket: TokenBucket | None = None


class Webhook:
    """A Writer that posts; see the module."""

    def __init__(
        self,
        target: Target,
        pace: Pace,
        truncation: Truncation | None = None,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self._target = target
        self._pace = pace
        self._truncation = truncation
        self._closed = threading.Event()
        self._wait = wait or self._closed.wait
        self._connection: http.client.HTTPConnection | None = None

    def write(self, batch: list[Event]) -> None:
        events, lost = fitted(batch, self._truncation)
        for part in _parts(events, self._truncation):
            if self._pace.bucket is not None:
                self._wait(self._pace.bucket.borrow(time.monotonic()))
            problem = self._post(_HEAD + b",".join(part) + b"]}")
            if problem:
                raise WriteFailed(len(batch), f"{self._target.address}: {problem}")
        if lost:
            raise WriteFailed(lost, "larger than --audit-webhook-truncate-max-event-size")

    def close(self) -> None:
        self._closed.set()
        self._hang_up()

    def _post(self, body: bytes) -> str:
        """Send a batch, several times if need be; what went wrong the last time, or ""."""
        delay = self._pace.initial_backoff_seconds
        problem = ""
        for attempt in range(ATTEMPTS_MAX):
            if attempt:
                if self._wait(delay * (1 + random.random() * BACKOFF_JITTER)):
                    break
                delay *= BACKOFF_FACTOR
            try:
                status = self._ask(body)
            except (OSError, http.client.HTTPException, ValueError) as error:
                self._hang_up()
                problem = f"{type(error).__name__}: {error}"
                continue
            if 200 <= status < 300:
                return ""
            problem = f"answered {status}"
            if status not in _TRY_AGAIN:
                break
        return problem

    def _ask(self, body: bytes) -> int:
        connection = self._connection
        if connection is None:
            connection = self._connection = self._target.connect(ANSWER_SECONDS_MAX)
        headers = {"Content-Type": "application/json", **self._target.headers()}
        connection.request("POST", self._target.path, body, headers)
        answer = connection.getresponse()
        answer.read(ANSWER_BYTES_MAX)
        if not answer.isclosed():
            self._hang_up()  # it says more than anybody wants to read
        return answer.status

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _parts(events: list[bytes], limits: Truncation | None) -> Iterator[list[bytes]]:
    """A batch, split where it would grow too large."""
    part: list[bytes] = []
    size = 0
    for event in events:
        if limits is not None and part and size + len(event) > limits.batch_bytes_max:
            yield part
            part, size = [], 0
        part.append(event)
        size += len(event)
    if part:
        yield part
