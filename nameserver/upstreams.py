"""The resolvers that questions are forwarded to: which there are, which are well, which lead back to us.

Pure: times come from the caller. A resolver that does not answer is asked last for a while, the longer
the more often it failed; one through which our own probe came back is not asked at all.

Source of the file's format: resolv.conf(5). Loops are found as CoreDNS's `loop` plugin does it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PORT: Final = 53
DOWN_SECONDS: Final = 2.0  # after the first failure; doubled with each further one
DOWN_SECONDS_MAX: Final = 60.0
STUB: Final = "127.0.0.53"  # systemd-resolved's, which forwards to what its own file names
STUB_FILE: Final = Path("/run/systemd/resolve/resolv.conf")


@dataclass
class Upstream:
    """One resolver and how it has been lately."""

    host: str
    port: int = PORT
    failures: int = 0
    down_until: float = 0.0
    looped: bool = False

    def failed(self, now: float) -> None:
        self.failures += 1
        pause = DOWN_SECONDS * 2 ** min(self.failures - 1, 10)
        self.down_until = now + min(DOWN_SECONDS_MAX, pause)

    def answered(self) -> None:
        self.failures, self.down_until = 0, 0.0

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def order(upstreams: Iterable[Upstream], now: float) -> list[Upstream]:
    """Who is asked, best first: as the file has them, those that are down last, loops never."""
    usable = [one for one in upstreams if not one.looped]
    return sorted(usable, key=lambda one: one.down_until if one.down_until > now else 0.0)


def split_server(text: str) -> tuple[str, int]:
    """`10.0.0.1`, `10.0.0.1:5353`, `fd00::1`, `[fd00::1]:5353`. ValueError for a bad port."""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, int(rest.removeprefix(":") or PORT)
    if text.count(":") == 1:
        host, _, rest = text.partition(":")
        return host, int(rest)
    return text, PORT


def resolvers(resolv_conf: str, own: Iterable[str]) -> tuple[str, ...]:
    """The resolvers a resolv.conf names, without ourselves."""
    mine = set(own)
    found = []
    for line in resolv_conf.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver" and words[1] not in mine:
            found.append(words[1])
    return tuple(dict.fromkeys(found))


def read_resolvers(path: Path, own: Iterable[str], stub_file: Path = STUB_FILE) -> tuple[str, ...]:
    """The machine's resolvers, those behind its stub if it has one. OSError when there is no file."""
    own = tuple(own)
    found = resolvers(path.read_text(), own)
    if found == (STUB,) and stub_file.exists():
        return resolvers(stub_file.read_text(), own) or found
    return found
