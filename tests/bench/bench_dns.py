"""DNS: questions per second and p99 on one core, ours against Debian's dnsmasq, on the same records.

Run with `make bench-network` (or `python -m tests.bench.bench_dns [--seconds N]`). Both servers are
pinned to one core, the load to another: `dnsperf` (Debian's) over UDP, 2,000 names in turn. p99 is taken
at a rate that both can bear. Then CPU and memory of ours at rest.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.message
import dns.query

NAMES = 2000
DOMAIN = "cluster.local"
SERVER_CORE, LOAD_CORE = "0", "1"
STEADY_RATE = 10_000  # questions per second for the latencies
START_SECONDS = 60.0


@dataclass(frozen=True)
class Figures:
    per_second: float
    p50_ms: float
    p99_ms: float
    lost: int
    cpu_seconds: float


def names() -> list[tuple[str, str]]:
    return [
        (f"svc-{n}.bench.svc.{DOMAIN}", f"10.96.{n // 250}.{n % 250 + 1}") for n in range(NAMES)
    ]


def serve_ours(port: int) -> None:
    """A child: the server as it runs in a cluster, its zone filled by hand."""
    import asyncio

    import uvloop
    from prometheus_client import CollectorRegistry

    from nameserver.forward import Forwarder
    from nameserver.responder import Responder
    from nameserver.server import serve
    from nameserver.zone import Record, Zone
    from wherry.daemon.process import freeze_after_start

    zone = Zone(DOMAIN)
    for number, (name, address) in enumerate(names()):
        zone.replace(("bench", str(number)), [Record(name, "A", address)])
    responder = Responder(zone, Forwarder([]), lambda: True, CollectorRegistry())

    async def run() -> None:
        await serve(responder, ["127.0.0.1"], port, on_listening=lambda _: freeze_after_start())

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


@contextmanager
def pinned(*command: str) -> Iterator[int]:
    """A server on its core; its pid."""
    with subprocess.Popen(
        ("taskset", "-c", SERVER_CORE, *command), stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            yield process.pid
        finally:
            process.terminate()
            process.wait(30)


def wait_for(port: int) -> None:
    name, _ = names()[0]
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            dns.query.udp(dns.message.make_query(name, "A"), "127.0.0.1", timeout=0.5, port=port)
        except (OSError, dns.exception.DNSException):
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.1)
        else:
            return


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mib(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


def load(port: int, questions: Path, seconds: int, pid: int, rate: int = 0) -> Figures:
    before = cpu_seconds(pid)
    command = [
        "taskset", "-c", LOAD_CORE, "dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d",
        str(questions), "-l", str(seconds), "-c", "8", "-q", "256",
    ]  # fmt: skip
    if rate:
        command += ["-Q", str(rate), "-v"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=seconds + 60
    )
    assert done.returncode == 0, done.stderr
    text = done.stdout

    def number(pattern: str) -> float:
        found = re.search(pattern, text)
        assert found, text
        return float(found[1])

    p50, p99 = percentiles(text)
    return Figures(
        number(r"Queries per second:\s+([\d.]+)"), p50, p99,
        int(number(r"Queries lost:\s+(\d+)")), cpu_seconds(pid) - before,
    )  # fmt: skip


def percentiles(text: str) -> tuple[float, float]:
    """p50 and p99 in ms of what `dnsperf -v` says of each question: `> NOERROR name type seconds`."""
    found = sorted(
        float(one) * 1000 for one in re.findall(r"^> NOERROR \S+ A ([\d.]+)$", text, re.M)
    )
    if not found:
        return float("nan"), float("nan")
    return found[len(found) // 2], found[len(found) * 99 // 100]


def measure(what: str, command: tuple[str, ...], port: int, questions: Path, seconds: int) -> None:
    with pinned(*command) as pid:
        wait_for(port)
        load(port, questions, 2, pid)  # warm
        most = load(port, questions, seconds, pid)
        steady = load(port, questions, seconds, pid, STEADY_RATE)
        micros = most.cpu_seconds / (most.per_second * seconds) * 1e6
        print(
            f"{what:<10} {most.per_second:>9,.0f} questions/s ({micros:.1f} µs of CPU each, lost "
            f"{most.lost}); at {STEADY_RATE:,}/s p50 {steady.p50_ms:.2f} ms, p99 "
            f"{steady.p99_ms:.2f} ms; RSS {rss_mib(pid):.0f} MiB",
            flush=True,
        )
        if what == "wherry-dns":
            before, began = cpu_seconds(pid), time.monotonic()
            time.sleep(seconds)
            idle = (cpu_seconds(pid) - before) / (time.monotonic() - began) * 100
            print(
                f"{'':<10} at rest: {idle:.2f} % of a core, RSS {rss_mib(pid):.0f} MiB", flush=True
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--serve", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve_ours(options.serve)
        return
    if shutil.which("dnsperf") is None:
        sys.exit("dnsperf is not installed: apt-get install dnsperf")
    with tempfile.TemporaryDirectory() as folder:
        questions, hosts = Path(folder) / "questions", Path(folder) / "hosts"
        questions.write_text("".join(f"{name} A\n" for name, _ in names()))
        hosts.write_text("".join(f"{address} {name}\n" for name, address in names()))
        Path(folder).chmod(0o755)
        ours = (sys.executable, "-m", "tests.bench.bench_dns", "--serve", "5391")
        measure("wherry-dns", ours, 5391, questions, options.seconds)
        if shutil.which("dnsmasq") is None:
            sys.exit("dnsmasq is not installed: apt-get install dnsmasq-base")
        theirs = (
            "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
            f"--addn-hosts={hosts}", "--port=5392", "--listen-address=127.0.0.1",
            "--bind-interfaces", "--cache-size=10000", "--local-ttl=5", "--user=root",
            "--pid-file=", f"--local=/{DOMAIN}/",
        )  # fmt: skip
        measure("dnsmasq", theirs, 5392, questions, options.seconds)


if __name__ == "__main__":
    main()
