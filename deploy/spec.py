"""What a supervisor runs, as values: daemons, how each is seen to be ready, and the whole list.

A `Plan` is written to a file by `up` and `lab up` and read by the supervisor, which knows nothing
of clusters.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from deploy.reveal import Reveal, prefix


@dataclass(frozen=True)
class Ready:
    """An HTTP GET that answers 200 once a daemon is ready.

    address: `host:port`, or the path of a unix socket
    ca:      the authority that must have signed the server; "" for plain HTTP;
             "-" for HTTPS whose self-signed certificate nobody can check
    client:  `<client>.crt` and `<client>.key` are shown to the server
    """

    address: str
    path: str = "/healthz"
    ca: str = ""
    client: str = ""


@dataclass(frozen=True)
class Daemon:
    """A process that must always run.

    namespace:    the network namespace's name it is started in; "" = the supervisor's own
    after:        the daemons that must be ready before it is started
    before_stop:  a command that is run to its end before it is told to stop
    user:         who it runs as, with no way back to root; "" = root
    capabilities: what such a user may do nevertheless, as `net_bind_service`
    reveal:       closed folders, and what it needs below them (see reveal.py)
    writes:       folders it keeps things in, for who closes all others to it
    restart_on:   files that it does not read again by itself: it is restarted when one changes
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
    user: str = ""
    capabilities: tuple[str, ...] = ()
    reveal: Reveal = ()
    writes: tuple[str, ...] = ()
    restart_on: tuple[str, ...] = ()

    def argv(self) -> tuple[str, ...]:
        """The command as it is executed. nsenter, as `ip netns exec` would remount /sys."""
        words = (*self._as_user(), *self.command)
        return (
            ("nsenter", f"--net=/run/netns/{self.namespace}", *words) if self.namespace else words
        )

    def _as_user(self) -> tuple[str, ...]:
        """setpriv takes away what root could do, for good, and keeps who dies with whom."""
        if not self.user:
            return ()
        held = ",".join(("-all", *(f"+{one}" for one in self.capabilities)))
        sets = [f"--{one}={held}" for one in ("inh-caps", "ambient-caps", "bounding-set")]
        return (
            *prefix(self.reveal), "setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups", *sets,
            "--no-new-privs", "--pdeathsig=TERM", "--",
        )  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """Everything one supervisor looks after, in the order it is started."""

    daemons: tuple[Daemon, ...]
    state: str  # the file in which the supervisor says how each is
    inventory: str = ""  # of the certificates to keep good; "" = none
    check_seconds: float = 600.0  # between two looks at them
    keeper: str = "deploy.keeper"  # the module that is run with the inventory to look at them

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
            for name in ("command", "after", "before_stop", "capabilities", "writes", "restart_on"):
                one[name] = tuple(one.get(name, ()))
            view = one.get("reveal", ())
            one["reveal"] = tuple((closed, tuple(needed)) for closed, needed in view)
            daemons.append(Daemon(**one, ready=ready))
        more = {
            name: tree[name] for name in ("inventory", "check_seconds", "keeper") if name in tree
        }
        return cls(tuple(daemons), tree["state"], **more)


def held_file(state: str) -> Path:
    """Beside a supervisor's state file: a JSON list of the daemons it is not to start."""
    return Path(state).with_name("held.json")
