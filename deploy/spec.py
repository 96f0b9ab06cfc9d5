"""What a supervisor runs, as values: daemons, how each is seen to be ready, and the whole list.

A `Plan` is written to a file by `up` and `lab up` and read by the supervisor, which knows nothing
of clusters.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Ready:
    """An HTTP GET that answers 200 once a daemon is ready.

    address: `host:port`, or the path of a unix socket
    ca:      the authority that must have signed the server; "" for plain HTTP;
             "-" for HTTPS whose self-signed certificate nobody can check
    """

    address: str
    path: str = "/healthz"
    ca: str = ""


@dataclass(frozen=True)
class Daemon:
    """A process that must always run.

    namespace:   the network namespace's name it is started in; "" = the supervisor's own
    after:       the daemons that must be ready before it is started
    before_stop: a command that is run to its end before it is told to stop
    """

    name: str
    command: tuple[str, ...]
    log: str
    environment: dict[str, str] = field(default_factory=dict)
    namespace: str = ""
    ready: Ready | None = None
    after: tuple[str, ...] = ()
    before_stop: tuple[str, ...] = ()
    stop_seconds: float = 15.0

    def argv(self) -> tuple[str, ...]:
        """The command as it is executed. nsenter, as `ip netns exec` would remount /sys."""
        if not self.namespace:
            return self.command
        return ("nsenter", f"--net=/run/netns/{self.namespace}", *self.command)


@dataclass(frozen=True)
class Plan:
    """Everything one supervisor looks after, in the order it is started."""

    daemons: tuple[Daemon, ...]
    state: str  # the file in which the supervisor says how each is

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def read(cls, path: Path) -> Plan:
        return cls.from_tree(json.loads(path.read_text()))

    @classmethod
    def from_tree(cls, tree: dict[str, Any]) -> Plan:
        daemons = []
        for one in tree["daemons"]:
            ready = Ready(**one.pop("ready")) if one["ready"] else one.pop("ready")
            for name in ("command", "after", "before_stop"):
                one[name] = tuple(one[name])
            daemons.append(Daemon(**one, ready=ready))
        return cls(tuple(daemons), tree["state"])
