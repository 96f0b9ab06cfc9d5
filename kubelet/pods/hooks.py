"""postStart and preStop: run a lifecycle handler to its end.

HTTP and TCP handlers are asked as a probe would ask them.
"""

from __future__ import annotations

from kubelet.pods.services import Services
from kubelet.probes.state import Result
from kubelet.runtime.protocol import RuntimeFailure
from wherry.api.core_v1 import Container, LifecycleHandler, Pod, Probe

# A hook has no timeout of its own: a postStart may take this long, a preStop its grace period.
HOOK_SECONDS_MAX = 3600


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
    probe = Probe(
        http_get=handler.http_get, tcp_socket=handler.tcp_socket, timeout_seconds=seconds_max
    )
    outcome = await services.prober.probe(probe, container, container_id, pod_ip)
    if outcome.result is not Result.SUCCESS:
        raise HookError(outcome.output)
