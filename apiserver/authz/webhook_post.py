"""Taking reviews to a webhook: on threads of its own, over connections that stay open, with a deadline.

Source: k8s.io/apiserver/pkg/util/webhook (WithExponentialBackoff, DefaultRetryBackoff).
"""

from __future__ import annotations

import asyncio
import http.client
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from apiserver.audit.webhook_config import Target
from apiserver.authz.webhook import Unanswered

THREADS_MAX: Final = 16  # questions at a time; the rest wait for their turn
ATTEMPTS_MAX: Final = 5
BACKOFF_SECONDS: Final = 0.5
BACKOFF_FACTOR: Final = 1.5
BACKOFF_JITTER: Final = 0.2
ANSWER_BYTES_MAX: Final = 64 * 1024
_TRY_AGAIN: Final = frozenset({429, 500, 502, 503, 504})


class Poster:
    """`post` gives what the webhook says to a review."""

    def __init__(self, target: Target, timeout_seconds: float) -> None:
        self._target = target
        self._timeout_seconds = timeout_seconds
        self._pool = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="authorization-webhook")
        self._local = threading.local()
        self._closed = threading.Event()

    def close(self) -> None:
        """Nothing is tried again from now on."""
        self._closed.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def post(self, body: bytes) -> bytes:
        """Unanswered when it says nothing in time, again and again."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._post, body)

    def _post(self, body: bytes) -> bytes:
        delay, problem = BACKOFF_SECONDS, ""
        for attempt in range(ATTEMPTS_MAX):
            if attempt:
                if self._closed.wait(delay * (1 + random.random() * BACKOFF_JITTER)):
                    break
                delay *= BACKOFF_FACTOR
            try:
                status, answer = self._ask(body)
            except (OSError, http.client.HTTPException, ValueError) as error:
                self._hang_up()
                problem = f"{type(error).__name__}: {error}"
                continue
            if 200 <= status < 300:
                return answer
            problem = f"answered {status}"
            if status not in _TRY_AGAIN:
                break
        raise Unanswered(f"webhook {self._target.address}: {problem}")

    def _ask(self, body: bytes) -> tuple[int, bytes]:
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._target.connect(self._timeout_seconds)
        headers = {"Content-Type": "application/json", **self._target.headers()}
        connection.request("POST", self._target.path, body, headers)
        answer = connection.getresponse()
        said = answer.read(ANSWER_BYTES_MAX)
        if not answer.isclosed():
            self._hang_up()  # it says more than a review
        return answer.status, said

    def _hang_up(self) -> None:
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None
