"""The two ends of a measured connection: run inside pods' and machines' networks by bench_network.

    python network_ends.py serve PORT            answers each connection with one byte, or swallows all
    python network_ends.py connect SECONDS THREADS ADDRESS PORT ...   connections/s and their latency
    python network_ends.py pour ADDRESS PORT SECONDS                  one stream's throughput

Alone in its file and without imports from the project: it starts in other network namespaces.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import threading
import time

CHUNK_BYTES = 1 << 20
TURNS = 4
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 seconds


def serve(port: int) -> None:
    """The first byte of a connection says what is asked: `?` an answer, `!` to swallow a stream."""
    with socket.create_server(("", port), backlog=4096) as server:
        while True:
            connection, _ = server.accept()
            if connection.recv(1) == b"?":
                connection.sendall(b".")
                connection.close()
            else:
                threading.Thread(target=swallow, args=(connection,), daemon=True).start()


def swallow(connection: socket.socket) -> None:
    buffer = bytearray(CHUNK_BYTES)
    count = 0
    with connection:
        while received := connection.recv_into(buffer):
            count += received
        connection.sendall(str(count).encode())


def connect(targets: list[str], seconds: float, threads: int) -> None:
    """Prints [{"per_second", "p50_ms", "p99_ms", "failed"}] of these ADDRESS PORT pairs, in turns.

    In turns, as a busy machine is slower in some seconds than in others.
    """
    places = [
        (address, int(port)) for address, port in zip(targets[::2], targets[1::2], strict=True)
    ]
    taken: list[list[float]] = [[] for _ in places]
    failed = [0] * len(places)
    turn = seconds / TURNS
    for _ in range(TURNS):
        for number, place in enumerate(places):
            failed[number] += one_turn(place, turn, threads, taken[number])
    print(json.dumps([figures(*one, seconds) for one in zip(taken, failed, strict=True)]))


def one_turn(place: tuple[str, int], seconds: float, threads: int, taken: list[float]) -> int:
    """Connect for so long; how many times it failed. `taken` gets the seconds of the others."""
    failed: list[OSError] = []
    ends = time.perf_counter() + seconds

    def work() -> None:
        while (begun := time.perf_counter()) < ends:
            try:
                with socket.create_connection(place, timeout=5.0) as connection:
                    # Closed by a reset: of an ordinary end the server remembers the client's port for
                    # a minute (TIME_WAIT). Clients' clocks (TCP timestamps) differ by destination, so
                    # the same port by another address may seem old to it: it is silent for a second.
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    connection.sendall(b"?")
                    connection.recv(1)
            except OSError as error:
                failed.append(error)
            else:
                taken.append(time.perf_counter() - begun)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    return len(failed)


def figures(taken: list[float], failed: int, seconds: float) -> dict[str, float]:
    taken.sort()
    places = {"p50_ms": 0.5, "p99_ms": 0.99}
    found = {name: 1000 * taken[int(len(taken) * place)] for name, place in places.items()}
    return {"per_second": len(taken) / seconds, "failed": failed, **found}


def pour(address: str, port: int, seconds: float) -> None:
    """Prints {"gbit_per_second"} as the receiver counted."""
    chunk = bytes(CHUNK_BYTES)
    with socket.create_connection((address, port)) as connection:
        begun = time.perf_counter()
        connection.sendall(b"!")
        while time.perf_counter() - begun < seconds:
            connection.sendall(chunk)
        connection.shutdown(socket.SHUT_WR)
        count = int(connection.recv(64))
        taken = time.perf_counter() - begun
    print(json.dumps({"gbit_per_second": count * 8 / taken / 1e9}))


if __name__ == "__main__":
    verb, *words = sys.argv[1:]
    if verb == "serve":
        serve(int(words[0]))
    elif verb == "connect":
        connect(words[2:], float(words[0]), int(words[1]))
    else:
        pour(words[0], int(words[1]), float(words[2]))
