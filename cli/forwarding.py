"""Local ports that lead into a pod: for each local connection a WebSocket of its own.

The API server speaks `v4.channel.k8s.io`: channel 0 carries the data, channel 1 says what went wrong;
the first message of each names the port. Threads, as in `remote.py`: a command, not a daemon.

Source: k8s.io/client-go/tools/portforward, k8s.io/kubelet's cri/streaming/portforward.
"""

from __future__ import annotations

import socket
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass

from websockets import ConnectionClosed, Subprotocol
from websockets.sync.client import ClientConnection

from cli.errors import CliError, Unreachable, api_words
from cli.http import Api
from cli.remote import open_stream
from wherry.api.errors import ApiError

PROTOCOL = Subprotocol("v4.channel.k8s.io")
DATA, ERROR = 0, 1
PIECE_BYTES_MAX = 64 * 1024
BACKLOG = 128
FAMILIES = {"127.0.0.1": socket.AF_INET, "::1": socket.AF_INET6}


@dataclass(frozen=True)
class Pair:
    """A local port (0: any free one) and the pod's port behind it."""

    local: int
    remote: int


def addresses(text: str) -> list[str]:
    """The addresses to listen on: `localhost` is both of its addresses."""
    found = []
    for name in text.split(","):
        found += list(FAMILIES) if name == "localhost" else [name]
    return found


def forward(api: Api, path: str, pairs: list[Pair], listen_on: list[str]) -> None:
    """Listen and forward until interrupted. CliError when no address can be listened on."""
    api.tls()  # made once, before threads share it
    listeners = [
        (listener, pair) for pair in pairs for listener in _listen(pair, listen_on)
    ]  # fmt: skip
    threads = [
        threading.Thread(target=_accept, args=(api, path, *one), daemon=True) for one in listeners
    ]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        return
    finally:
        for listener, _ in listeners:
            listener.close()


def _listen(pair: Pair, listen_on: list[str]) -> list[socket.socket]:
    found: list[socket.socket] = []
    local, failures = pair.local, []
    for address in listen_on:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            listener = socket.create_server((address, local), family=family, backlog=BACKLOG)
        except OSError as error:
            failures.append(f"{address}:{local}: {error.strerror}")
            continue
        local = listener.getsockname()[1]
        shown = f"[{address}]" if ":" in address else address
        sys.stdout.write(f"Forwarding from {shown}:{local} -> {pair.remote}\n")
        sys.stdout.flush()
        found.append(listener)
    if not found:
        raise CliError(f"unable to listen on any of the requested ports: {'; '.join(failures)}")
    return found


def _accept(api: Api, path: str, listener: socket.socket, pair: Pair) -> None:
    with suppress(OSError):  # closed: we end
        while True:
            client, _ = listener.accept()
            sys.stdout.write(f"Handling connection for {listener.getsockname()[1]}\n")
            sys.stdout.flush()
            threading.Thread(target=_serve, args=(api, path, client, pair), daemon=True).start()


def _serve(api: Api, path: str, client: socket.socket, pair: Pair) -> None:
    """One local connection, to its end."""
    with client:
        try:
            pod = open_stream(api, f"{path}?ports={pair.remote}", (PROTOCOL,))
        except ApiError as error:
            sys.stderr.write(api_words(error) + "\n")
            return
        except Unreachable as error:
            sys.stderr.write(error.words() + "\n")
            return
        with pod:
            threading.Thread(target=_send, args=(client, pod), daemon=True).start()
            _receive(client, pod, pair)
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)  # wakes the other thread


def _send(client: socket.socket, pod: ClientConnection) -> None:
    """What comes locally, to the pod. (This protocol can't say that there is no more.)"""
    with suppress(OSError, ConnectionClosed):
        while data := client.recv(PIECE_BYTES_MAX):
            pod.send(bytes([DATA]) + data)


def _receive(client: socket.socket, pod: ClientConnection, pair: Pair) -> None:
    begun: set[int] = set()
    with suppress(OSError, ConnectionClosed):
        for message in pod:
            if not isinstance(message, bytes) or not message:
                continue
            channel, data = message[0], message[1:]
            if channel not in begun:
                begun.add(channel)
            elif channel == ERROR:
                text = data.decode("utf-8", "replace")
                sys.stderr.write(f"an error occurred forwarding to port {pair.remote}: {text}\n")
            else:
                client.sendall(data)
