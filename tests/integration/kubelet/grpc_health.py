"""A gRPC server that says how it is: `python -m ….grpc_health ADDRESS FILE`; the file holds
"<service> <number>" lines, read at each question. No proto files: the messages are one field each."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc


def main(address: str, states: Path) -> None:
    def check(request: bytes, context: grpc.ServicerContext) -> bytes:
        service = request[2:].decode() if request else "-"
        known = dict(line.split() for line in states.read_text().splitlines())
        if service not in known:
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return bytes([0x08, int(known[service])])

    server = grpc.server(ThreadPoolExecutor(1))
    handler = grpc.method_handlers_generic_handler(
        "grpc.health.v1.Health", {"Check": grpc.unary_unary_rpc_method_handler(check)}
    )
    server.add_generic_rpc_handlers((handler,))
    server.add_insecure_port(address)
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
