"""A door from a machine's namespace to a server in ours; it can be shut, as a cut cable would."""

from __future__ import annotations

import ctypes
import os
import socket
import threading
from contextlib import suppress

CLONE_NEWNET = 0x40000000


def listen_in(namespace: str, port: int) -> socket.socket:
    """A listener on 127.0.0.1 of the named namespace: a socket stays where it was made."""
    made: list[socket.socket] = []

    def work() -> None:
        handle = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
        try:
            if ctypes.CDLL(None, use_errno=True).setns(handle, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        finally:
            os.close(handle)
        made.append(socket.create_server(("127.0.0.1", port), backlog=64))

    # The namespace is the thread's, which ends here.
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return made[0]


class Relay:
    """Carries connections to the same port on our side until it is shut."""

    def __init__(self, namespace: str, port: int) -> None:
        self._namespace = namespace
        self._port = port
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()

    def open(self) -> None:
        self._listener = listen_in(self._namespace, self._port)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def shut(self) -> None:
        """Break every connection and take no new one."""
        if self._listener is not None:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                inside, _ = listener.accept()
            except OSError:
                return
            try:
                outside = socket.create_connection(("127.0.0.1", self._port))
            except OSError:
                inside.close()
                continue
            self._open |= {inside, outside}
            for source, target in ((inside, outside), (outside, inside)):
                threading.Thread(target=self._carry, args=(source, target), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._open.discard(source)
        source.close()
