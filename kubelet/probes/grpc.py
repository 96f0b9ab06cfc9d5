"""A gRPC health check (grpc.health.v1.Health/Check).

The two messages are one field each, so they are read and written here by hand. Imported only when a
pod has such a probe: grpc costs memory.
"""

from __future__ import annotations

import grpc
import grpc.aio

from kubelet.probes.state import Outcome, Result

_METHOD = "/grpc.health.v1.Health/Check"
_STATUS = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}


def request(service: str) -> bytes:
    """HealthCheckRequest{service = 1}. Names are below 128 bytes by the API's rules."""
    name = service.encode()
    return b"\x0a" + bytes([len(name)]) + name if name else b""


def serving_status(answer: bytes) -> int:
    """HealthCheckResponse{status = 1}; an absent field is 0."""
    return answer[1] if len(answer) >= 2 and answer[0] == 0x08 else 0


async def check(address: str, service: str, timeout: float) -> Outcome:
    """SERVING is success."""
    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.unary_unary(
            _METHOD, request_serializer=request, response_deserializer=serving_status
        )
        try:
            status: int = await call(service, timeout=timeout)
        except grpc.aio.AioRpcError as error:
            return Outcome(Result.FAILURE, _words(error, address, timeout))
    if status == 1:
        return Outcome(Result.SUCCESS, "service healthy")
    return Outcome(
        Result.FAILURE, f'service unhealthy (responded with "{_STATUS.get(status, status)}")'
    )


def _words(error: grpc.aio.AioRpcError, address: str, timeout: float) -> str:
    code = error.code()
    if code in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE):
        return (
            f'timeout: failed to connect service "{address}" within {timeout:g}s: {error.details()}'
        )
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return (
            "this server does not implement the grpc health protocol "
            f"(grpc.health.v1.Health): {error.details()}"
        )
    return f"rpc error: code = {code.name} desc = {error.details()}"
