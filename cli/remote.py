"""A remote command over a WebSocket: channels, terminal, window size, exit code.

    0 stdin   1 stdout   2 stderr   3 the final Status   4 resize   255 (v5) "a channel ends"

Source: k8s.io/client-go/tools/remotecommand (WebSocket executor).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import termios
import threading
import tty as terminal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from websockets import ConnectionClosed, InvalidStatus, Subprotocol
from websockets.sync.client import ClientConnection, connect

from cli.errors import CliError, Unreachable
from cli.http import USER_AGENT, Api, refusal
from wherry.api.errors import ApiError

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
PROTOCOLS = (Subprotocol("v5.channel.k8s.io"), Subprotocol("v4.channel.k8s.io"))
INPUT_BYTES_MAX = 32 * 1024
OPEN_SECONDS_MAX = 30.0


def run(api: Api, path: str, params: Sequence[tuple[str, str]], *, stdin: bool, tty: bool) -> int:
    """Carry the streams until the command ends; its exit code."""
    with open_stream(api, f"{path}?{urlencode(params)}", PROTOCOLS) as socket, _raw_terminal(tty):
        if stdin:
            threading.Thread(target=_send_input, args=(socket,), daemon=True).start()
        if tty:
            _follow_window(socket)
        status = _receive(socket)
    return exit_code(status)


def exit_code(status: dict[str, Any]) -> int:
    """The command's exit code from the final Status; says what went wrong otherwise."""
    if status.get("status") == "Success":
        return 0
    causes = status.get("details", {}).get("causes") or ()
    if status.get("reason") == "NonZeroExitCode":
        for cause in causes:
            if cause.get("reason") == "ExitCode":
                code = int(cause["message"])
                sys.stderr.write(f"command terminated with exit code {code}\n")
                return code
    raise CliError(f"{status.get('message', 'the command ended without a status')}")


def open_stream(api: Api, target: str, protocols: Sequence[Subprotocol]) -> ClientConnection:
    """A WebSocket to a streaming subresource. ApiError, Unreachable."""
    base = api.config.server
    url = "ws" + base.removeprefix("http") + target
    try:
        return connect(
            url,
            ssl=api.tls(),
            subprotocols=protocols,
            additional_headers=api.credentials(),
            user_agent_header=USER_AGENT,
            compression=None,
            open_timeout=OPEN_SECONDS_MAX,
            max_size=None,
            proxy=None,
        )
    except InvalidStatus as error:
        raise refusal(error.response.status_code, error.response.body or b"") from error
    except (OSError, TimeoutError) as error:
        raise Unreachable(api.address, error) from error


def _receive(socket: ClientConnection) -> dict[str, Any]:
    """Copy output until the Status comes."""
    outputs = {STDOUT: sys.stdout.buffer, STDERR: sys.stderr.buffer}
    try:
        for message in socket:
            data = message if isinstance(message, bytes) else message.encode()
            if not data:
                continue
            if data[0] == ERROR:
                status: dict[str, Any] = json.loads(data[1:])
                return status
            if data[0] in outputs:
                outputs[data[0]].write(data[1:])
                outputs[data[0]].flush()
    except ConnectionClosed as error:
        raise CliError(f"the connection broke before the command ended: {error}") from error
    raise ApiError({"status": "Failure", "message": "the stream ended without a status"})


def _send_input(socket: ClientConnection) -> None:
    """Pass our input on until it ends (a thread of its own: reading can't be given up)."""
    try:
        while data := os.read(0, INPUT_BYTES_MAX):
            socket.send(bytes([STDIN]) + data)
        if socket.subprotocol == PROTOCOLS[0]:
            socket.send(bytes([CLOSE, STDIN]))
    except (ConnectionClosed, OSError):
        return  # the command has ended; nobody reads any more


def _follow_window(socket: ClientConnection) -> None:
    def tell(*_: object) -> None:
        size = shutil.get_terminal_size()
        body = json.dumps({"Width": size.columns, "Height": size.lines}).encode()
        socket.send(bytes([RESIZE]) + body)

    tell()
    signal.signal(signal.SIGWINCH, tell)


@contextmanager
def _raw_terminal(wanted: bool) -> Iterator[None]:
    """Keys go to the command as they are typed; our terminal is as before in the end."""
    if not wanted:
        yield
        return
    before = termios.tcgetattr(0)
    try:
        terminal.setraw(0)
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
