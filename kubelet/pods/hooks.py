"""postStart and preStop: run a lifecycle handler to its end.

What an HTTP handler answers does not matter, only that it does; one that is said to speak HTTPS and
answers plainly is asked plainly. TCP handlers are asked as a probe would ask them.

Source: upstream's pkg/kubelet/lifecycle/handlers.go.
"""

from __future__ import annotations

import ssl

from kubelet.pods.services import Services
from kubelet.probes import http
from kubelet.probes.prober import url_of
from kubelet.probes.state import Result
from kubelet.runtime.protocol import RuntimeFailure
from wherry.api.core_v1 import Container, HTTPGetAction, LifecycleHandler, Pod, Probe

# A hook has no timeout of its own: a postStart may take this long, a preStop its grace period.
HOOK_SECONDS_MAX = 3600
USER_AGENT = "kube-lifecycle/1.36"


class HookError(Exception):
    """The handler failed; the text says how."""


async def run(
    services: Services,
    pod: Pod,
    container: Container,
    handler: LifecycleHandler,
    container_id: str,
    pod_ip: str,
    seconds_max: int = HOOK_SECONDS_MAX,
) -> None:
    """Do what the handler says; HookError when it fails."""
    if handler.sleep is not None:
        await services.clock.sleep(min(handler.sleep.seconds, seconds_max))
        return
    if handler.exec is not None:
        try:
            result = await services.runtime.exec_sync(
                container_id, handler.exec.command, float(seconds_max)
            )
        except RuntimeFailure as error:
            raise HookError(str(error)) from error
        if result.exit_code != 0:
            words = " ".join(handler.exec.command)
            output = result.output.decode(errors="replace")
            raise HookError(
                f"command '{words}' exited with {result.exit_code}: {output}, message: {output!r}"
            )
        return
    if handler.http_get is not None:
        await _get(services, pod, container, handler.http_get, pod_ip, seconds_max)
        return
    probe = Probe(tcp_socket=handler.tcp_socket, timeout_seconds=seconds_max)
    outcome = await services.prober.probe(probe, container, container_id, pod_ip)
    if outcome.result is not Result.SUCCESS:
        raise HookError(outcome.output)


async def _get(
    services: Services, pod: Pod, container: Container, action: HTTPGetAction, pod_ip: str,
    seconds_max: int,
) -> None:  # fmt: skip
    headers = {"User-Agent": USER_AGENT} | {h.name: h.value for h in action.http_headers}
    url = ""
    try:
        url = url_of(action, container, pod_ip)
        try:
            await http.get(url, headers, seconds_max)
        except ssl.SSLError as error:
            if error.reason != "WRONG_VERSION_NUMBER":
                raise
            await http.get(url.replace("https", "http", 1), headers, seconds_max)
            host = url.split("/")[2]
            message = f"request to HTTPS lifecycle hook {host} got HTTP response, retry with HTTP succeeded"
            services.event(pod, "Warning", "LifecycleHTTPFallback", message)
    except (http.BadAnswer, OSError, ValueError) as error:
        raise HookError(http.describe(error, url) if url else str(error)) from error
