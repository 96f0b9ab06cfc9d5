"""Images from registries, by Docker's SDK: it knows references, credentials and how progress is told.

Nobody waits for a pull's milliseconds. What pods always wait for goes over `engine_calls.py` instead. The
SDK blocks, so a few threads are lent to it, and takes 6 MiB, so it is imported with the first pull.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from kubelet.runtime.engine_calls import Called
from kubelet.runtime.protocol import NotFound, RuntimeFailure, RuntimeUnavailable

if TYPE_CHECKING:
    from docker import APIClient

THREADS_MAX: Final = 8
SILENCE_SECONDS_MAX: Final = 300  # of an engine that pulls: it tells its progress all the time

Job = Callable[["APIClient"], None]


class DockerImages:
    """Pulls and removes images. RuntimeFailure with the engine's words, RuntimeUnavailable without it."""

    def __init__(self, socket_path: str, called: Called = lambda *call, failed: None) -> None:
        self._called = called
        self._socket = socket_path
        self._threads = asyncio.Semaphore(THREADS_MAX)

    async def pull(self, reference: str, auth: Mapping[str, str]) -> None:
        """auth: username, password, serveraddress; empty for none."""

        def job(client: APIClient) -> None:
            failed = ""
            # Even an empty one: without any the SDK looks into root's own ~/.docker.
            for step in client.pull(reference, auth_config=dict(auth), stream=True, decode=True):
                failed = str(step.get("error", failed))
            if failed:
                raise RuntimeFailure(failed)

        await self._lend("POST", "/images/create", job)

    async def remove(self, reference: str) -> None:
        path = f"/images/{reference}"
        await self._lend("DELETE", path, lambda client: client.remove_image(reference))

    async def _lend(self, method: str, path: str, job: Job) -> None:
        """Run it on a thread that holds nobody up: not who cancels, not a process that ends."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def settle(error: Exception | None) -> None:
            self._threads.release()
            self._called(method, path, loop.time() - begun, failed=error is not None)
            if done.cancelled():
                return
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)

        def work() -> None:
            error = _failure_of(job, self._socket)
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, error)

        await self._threads.acquire()
        begun = loop.time()
        threading.Thread(target=work, name="docker-images", daemon=True).start()
        await done


def _failure_of(job: Job, socket_path: str) -> Exception | None:
    """Do it with a client of its own; what went wrong, in the kubelet's terms."""
    import docker
    from docker.errors import APIError, DockerException, StreamParseError
    from requests.exceptions import RequestException
    from urllib3.exceptions import HTTPError

    try:
        client = docker.APIClient(
            base_url=f"unix://{socket_path}", version="auto", timeout=SILENCE_SECONDS_MAX
        )
        try:
            job(client)
        finally:
            client.close()
    except RuntimeFailure as error:
        return error
    except APIError as error:
        message = str(error.explanation or error)
        return NotFound(message) if error.status_code == 404 else RuntimeFailure(message)
    except (DockerException, StreamParseError, RequestException, HTTPError, OSError) as error:
        return RuntimeUnavailable(f"the engine did not answer: {error}")
    except Exception as error:  # noqa: BLE001 - on a thread: who waits is told, whatever it is
        return error
    return None
