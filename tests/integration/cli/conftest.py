"""The `wherry` command as its user starts it: a process of its own, against a real API server."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import uuid
from dataclasses import dataclass

import pytest

from cli.http import Api
from tests.integration.conftest import running_apiserver
from wherry.client.kubeconfig import load

TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class Wherry:
    """Runs commands in one namespace; `spare` is the process's environment."""

    def __init__(self, kubeconfig, namespace, home):
        self.namespace = namespace
        self.environment = {
            **{k: v for k, v in os.environ.items() if k in ("PATH", "LANG")},
            "HOME": str(home), "KUBECONFIG": str(kubeconfig),
        }  # fmt: skip

    def command(self, words):
        return [sys.executable, "-m", "cli.main", words[0], "-n", self.namespace, *words[1:]]

    def __call__(self, *words, stdin="", everywhere=False):
        """Run to the end. `everywhere`: without a namespace."""
        command = [sys.executable, "-m", "cli.main", *words] if everywhere else self.command(words)
        done = subprocess.run(
            command, input=stdin, text=True, capture_output=True, env=self.environment,
            timeout=TIMEOUT_SECONDS, check=False,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)

    def ok(self, *words, **options):
        """What it printed; it must have succeeded."""
        done = self(*words, **options)
        assert done.code == 0, done
        return done.out

    async def start(self, *words):
        """A command that goes on."""
        return await asyncio.create_subprocess_exec(
            *self.command(words), env=self.environment,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip


@pytest.fixture
def wherry(shared_apiserver, tmp_path, make_wherry):
    """The command, in a namespace of this test's own that has a ServiceAccount."""
    return make_wherry(shared_apiserver, tmp_path)


@pytest.fixture
def make_wherry():
    return _make_wherry


@pytest.fixture(scope="session")
def apiserver_with():
    """API servers with flags of a test's own."""
    return running_apiserver


def _make_wherry(server, home):
    name = f"cli-{uuid.uuid4().hex[:8]}"
    api = Api(load(server.kubeconfig))
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    api.request("POST", "/api/v1/namespaces", body={"metadata": {"name": name}})
    api.request("POST", f"/api/v1/namespaces/{name}/serviceaccounts", body=account)
    api.close()
    return Wherry(server.kubeconfig, name, home)
