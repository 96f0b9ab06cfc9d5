"""A small API server in memory, spoken to over real sockets.

It lets a test do to the client what a real server does rarely: break connections, forget history,
stay silent, answer nonsense. How the client fares with the real server is tested beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from urllib.parse import parse_qs

import pytest
import uvicorn
import uvloop

from wherry.api.errors import ApiError, already_exists, conflict, not_found, status_error
from wherry.client.kubeconfig import ClientConfig
from wherry.client.rest import Client


class SmallServer:
    """Objects by path; every write is a revision and an event. `port` answers when started."""

    def __init__(self):
        self.objects = {}
        self.events = []  # (revision, collection, namespaced path, type, tree)
        self.revision = 0
        self.oldest = 0  # watches from before this are refused with 410
        self.moved = asyncio.Event()
        self.requests = []
        self.hold = None  # an Event that every answer waits for
        self.kick = asyncio.Event()  # set: open watches are cut
        self.mute = False
        self.refusals = []  # (status, headers, body) to answer next, whatever is asked
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]

    @property
    def config(self):
        return ClientConfig(f"http://127.0.0.1:{self.port}", token="secret")

    async def __call__(self, scope, receive, send):
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        query = {k: v[0] for k, v in parse_qs(scope["query_string"].decode()).items()}
        path, method = scope["path"], scope["method"]
        self.requests.append((method, path, query, dict(scope["headers"])))
        if self.hold is not None:
            await self.hold.wait()
        if self.refusals:
            status, headers, answer = self.refusals.pop(0)
            await self.answer(send, status, answer, headers)
            return
        try:
            if query.get("watch"):
                await self.watch(send, path, query)
                return
            status, tree = self.perform(method, path, query, json.loads(body or b"{}"))
        except ApiError as error:
            status, tree = error.code, error.status
        await self.answer(send, status, json.dumps(tree).encode())

    async def answer(self, send, status, body, headers=()):
        head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": [*head, *headers]})
        await send({"type": "http.response.body", "body": body})

    def perform(self, method, path, query, tree):
        if method == "POST":
            name = f"{path}/{tree['metadata']['name']}"
            if name in self.objects:
                raise already_exists("things", name)
            return 201, self.write("ADDED", name, tree)
        if method == "GET" and path not in self.objects:
            items = [o for p, o in self.objects.items() if within(p, path)]
            if not items and names_object(path):
                raise not_found("things", path)
            start, limit = int(query.get("continue", 0)), int(query.get("limit", 10**6))
            meta = {"resourceVersion": str(self.revision)}
            if start + limit < len(items):
                meta["continue"] = str(start + limit)
            return 200, {"kind": "List", "metadata": meta, "items": items[start : start + limit]}
        if path not in self.objects:
            raise not_found("things", path.rpartition("/")[2])
        held = self.objects[path]
        if method == "GET":
            return 200, held
        if method == "DELETE":
            return 200, self.write("DELETED", path, held)
        version = tree.get("metadata", {}).get("resourceVersion")
        if version not in (None, "", held["metadata"]["resourceVersion"]):
            raise conflict("things", path, "modified")
        fresh = merged(held, tree) if method == "PATCH" else tree
        return 200, self.write("MODIFIED", path, fresh)

    def write(self, kind, path, tree):
        self.revision += 1
        meta = {**tree.get("metadata", {}), "resourceVersion": str(self.revision)}
        tree = {**tree, "metadata": meta}
        if kind == "DELETED":
            del self.objects[path]
        else:
            self.objects[path] = tree
        self.events.append((self.revision, path, kind, tree))
        self.moved.set()
        self.moved = asyncio.Event()
        return tree

    async def watch(self, send, path, query):
        seen = int(query.get("resourceVersion") or 0)
        if seen < self.oldest:
            raise status_error("Expired", "too old resource version")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        kick = self.kick
        while not kick.is_set():
            moved = self.moved
            for revision, where, kind, tree in [*self.events]:
                if revision > seen and within(where, path) and not self.mute:
                    line = json.dumps({"type": kind, "object": tree}).encode() + b"\n"
                    for half in (line[:7], line[7:]):
                        await send({"type": "http.response.body", "body": half, "more_body": True})
                seen = max(seen, revision)
            waits = [asyncio.ensure_future(e.wait()) for e in (moved, kick)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
        raise RuntimeError("cut")  # uvicorn resets the connection: the body has no end

    def cut_watches(self):
        self.kick.set()
        self.kick = asyncio.Event()


def within(path, collection):
    """Whether an object's path lies in the collection, for one namespace or all of them."""
    if path.rpartition("/")[0] == collection:
        return True
    root, _, plural = collection.rpartition("/")
    return path.startswith(f"{root}/namespaces/") and path.split("/")[-2] == plural


def names_object(path):
    parts = path.split("/")[3 if path.startswith("/api/") else 4 :]
    return len(parts[2:] if parts[0] == "namespaces" and len(parts) > 2 else parts) == 2


def merged(old, patch):
    if not isinstance(patch, dict):
        return patch
    base = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            base.pop(key, None)
        else:
            base[key] = merged(base.get(key), value)
    return base


@contextlib.asynccontextmanager
async def serving(app, sock):
    config = uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None
    task = asyncio.ensure_future(server._serve([sock]))
    try:
        async with asyncio.timeout(10):
            while not server.started:
                await asyncio.sleep(0.005)  # uvicorn offers no event
        yield
    finally:
        server.should_exit = server.force_exit = True
        await task


def pytest_asyncio_loop_factories(config, item):
    """The loop that daemons run on: it differs from asyncio's where one least expects it."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def server():
    app = SmallServer()
    async with serving(app, app.sock):
        yield app
        app.cut_watches()


@pytest.fixture
async def client(server):
    async with Client(server.config, user_agent="test/1", timeout=5.0) as made:
        yield made
