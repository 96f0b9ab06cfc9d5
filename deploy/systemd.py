"""Hardened systemd units for a plan's daemons: pure, from a plan to texts.

Where systemd runs it can take the supervisor's place: it starts and restarts the daemons, keeps their
logs in its journal, has certificates renewed by a timer, and closes to each daemon whatever it does
not need. The control plane's daemons get a read-only machine without homes, devices or capabilities;
the kubelet mounts volumes that containers must see, so nothing may give it a mount namespace of its
own, which most of the protections do.

Source of the settings: systemd.exec(5), systemd.service(5), systemd.path(5).
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from deploy.inventory import Inventory
from deploy.spec import Daemon, Plan

TARGET = "wherry.target"
PREFIX = "wherry-"
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
START_LIMIT = ("StartLimitIntervalSec=0",)  # try for ever, as the supervisor does

# Costs nothing and needs no mount namespace: for every daemon.
EVERYWHERE = (
    "LockPersonality=yes",
    "RestrictRealtime=yes",
    "SystemCallArchitectures=native",
    "KeyringMode=private",
)
# A daemon without root that only speaks to the network.
CLOSED = (
    *EVERYWHERE,
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "ProtectClock=yes",
    "ProtectControlGroups=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectProc=invisible",
    "RemoveIPC=yes",
    "RestrictNamespaces=yes",
    "RestrictSUIDSGID=yes",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK",
    "SystemCallFilter=@system-service",
    "SystemCallFilter=~@privileged @resources",
    "SystemCallErrorNumber=EPERM",
    "UMask=0077",
)
# The proxy changes the packet filter, routes and network settings, as root with little else.
PROXY = (
    *EVERYWHERE,
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
    "ReadWritePaths=/run",
    "PrivateTmp=yes",
    "ProtectClock=yes",
    "ProtectControlGroups=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "RestrictNamespaces=yes",
    "RestrictSUIDSGID=yes",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK",
    "CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW CAP_NET_BIND_SERVICE CAP_DAC_READ_SEARCH",
    "SystemCallFilter=@system-service",
    "SystemCallErrorNumber=EPERM",
)
# The kubelet mounts, enters namespaces, writes control groups and runs CNI plug-ins.
KUBELET = (
    *EVERYWHERE,
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK AF_PACKET",
    "OOMScoreAdjust=-999",
    "Delegate=yes",
    "KillMode=process",  # what it has started for pods is not its own
)
ENGINE = (
    *EVERYWHERE,
    "OOMScoreAdjust=-500",
    "Delegate=yes",
    "KillMode=process",  # containers outlive their engine
)
KEEPER = (
    *EVERYWHERE,
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "PrivateNetwork=yes",
    "ProtectControlGroups=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "RestrictNamespaces=yes",
    "RestrictAddressFamilies=AF_UNIX",
    "CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER",
    "SystemCallFilter=@system-service",
)
# On a machine that joined: it asks the API server.
RENEWER = tuple(
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6" if one.startswith("RestrictAddress") else one
    for one in KEEPER
    if one != "PrivateNetwork=yes"
)


def unit_name(daemon: str) -> str:
    return f"{PREFIX}{daemon.replace('/', '-')}.service"


def quoted(words: Iterable[str]) -> str:
    """A command line as systemd reads it: nothing in it is a specifier or a variable."""
    found = []
    for word in words:
        text = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
        found.append(f'"{text}"' if not text or any(c in text for c in " \t\"'\\;") else text)
    return " ".join(found)


def _section(name: str, lines: Iterable[str]) -> str:
    return "\n".join((f"[{name}]", *lines)) + "\n"


def _text(*sections: str) -> str:
    return "# Written by wherry; changes are lost at the next `wherry up`.\n" + "\n".join(sections)


def protections(daemon: Daemon) -> tuple[str, ...]:
    """What is closed to a daemon."""
    base = daemon.name.rpartition("/")[2]
    if daemon.user:
        held = " ".join(f"CAP_{one.upper()}" for one in daemon.capabilities)
        python = (
            daemon.command[0].endswith(("wherry-apiserver", "python"))
            or "wherry-" in (daemon.command[0])
        )
        return (
            f"User={daemon.user}",
            f"Group={daemon.user}",
            *CLOSED,
            f"CapabilityBoundingSet={held}",
            f"AmbientCapabilities={held}",
            # Go needs no memory that is writable and executable; Python's foreign calls may.
            f"MemoryDenyWriteExecute={'no' if python else 'yes'}",
            *_homes(daemon),
            *(f"ReadWritePaths={path}" for path in daemon.writes),
        )
    if base == "proxy":
        return PROXY
    return KUBELET if base == "kubelet" else ENGINE if base == "dockerd" else EVERYWHERE


def _homes(daemon: Daemon) -> tuple[str, ...]:
    """No homes; and of closed folders that hold something needed, just that."""
    lines = ["ProtectHome=tmpfs" if daemon.reveal else "ProtectHome=yes"]
    for closed, needed in daemon.reveal:
        if not closed.startswith(("/root", "/home", "/run/user")):
            lines.append(f"TemporaryFileSystem={closed}:ro,mode=755")
        writable = [one for one in needed if any(_is_below(path, one) for path in daemon.writes)]
        lines += [f"BindPaths={one}" for one in writable]
        lines += [f"BindReadOnlyPaths={one}" for one in needed if one not in writable]
    return tuple(lines)


def _is_below(path: str, folder: str) -> bool:
    return Path(path).is_relative_to(folder)


def service(daemon: Daemon) -> str:
    """The unit of one daemon."""
    after = ["network-online.target", *(unit_name(one) for one in daemon.after)]
    if daemon.name == "kubelet":  # one of the machine's own; at power-off it goes after the kubelet
        after.append("docker.service")
    environment = [f"Environment={quoted([f'{k}={v}'])}" for k, v in daemon.environment.items()]
    stop = [f"ExecStop={quoted(daemon.before_stop)}"] if daemon.before_stop else []
    # systemd wants a path; services find programs where daemons are looked for, too.
    program = shutil.which(daemon.command[0], path=SEARCH_PATH) or daemon.command[0]
    command = (program, *daemon.command[1:])
    return _text(
        _section(
            "Unit",
            (
                f"Description=Wherry: {daemon.name}",
                f"After={' '.join(after)}",
                "Wants=network-online.target",
                f"PartOf={TARGET}",
                *START_LIMIT,
            ),
        ),
        _section(
            "Service",
            (
                "Type=exec",
                f"ExecStart={quoted(command)}",
                *stop,
                *environment,
                "Restart=always",
                "RestartSec=1",
                f"TimeoutStopSec={daemon.stop_seconds:.0f}",
                "LimitNOFILE=65536",
                *protections(daemon),
            ),
        ),
        _section("Install", (f"WantedBy={TARGET}",)),
    )


def _restarts(daemon: Daemon) -> dict[str, str]:
    """Units that start a daemon anew when a file changes that it reads only once."""
    stem = unit_name(daemon.name).removesuffix(".service") + "-files"
    path = _text(
        _section("Unit", (f"Description=Wherry: files of {daemon.name}", f"PartOf={TARGET}")),
        _section("Path", (*(f"PathChanged={one}" for one in daemon.restart_on),)),
        _section("Install", (f"WantedBy={TARGET}",)),
    )
    restart = quoted(("/usr/bin/systemctl", "try-restart", unit_name(daemon.name)))
    act = _text(
        _section("Unit", (f"Description=Wherry: {daemon.name} takes up changed files",)),
        _section("Service", ("Type=oneshot", f"ExecStart={restart}")),
    )
    return {f"{stem}.path": path, f"{stem}.service": act}


def _certificates(plan: Plan, folders: Iterable[str]) -> dict[str, str]:
    """The timer that has certificates renewed."""
    command = (sys.executable, "-m", plan.keeper, plan.inventory)
    protections = KEEPER if plan.keeper == "deploy.keeper" else RENEWER
    timer = (
        f"OnBootSec={plan.check_seconds:.0f}",
        f"OnUnitActiveSec={plan.check_seconds:.0f}",
        "AccuracySec=10s",
    )
    return {
        f"{PREFIX}certificates.service": _text(
            _section("Unit", ("Description=Wherry: renews certificates that are due",)),
            _section(
                "Service",
                (
                    "Type=oneshot", f"ExecStart={quoted(command)}", *protections,
                    *(f"ReadWritePaths={one}" for one in folders),
                ),
            ),
        ),
        f"{PREFIX}certificates.timer": _text(
            _section(
                "Unit", ("Description=Wherry: looks after certificates", f"PartOf={TARGET}")
            ),
            _section("Timer", timer),
            _section("Install", (f"WantedBy={TARGET}",)),
        ),
    }  # fmt: skip


def certificate_folders(inventory: Inventory) -> list[str]:
    """The folders in which certificates, keys and kubeconfigs are written."""
    stems = [one.stem for one in inventory.authorities]
    stems += [one.stem for one in inventory.certificates]
    files = [f"{stem}.crt" for stem in stems]
    files += [one.kubeconfig.path for one in inventory.certificates if one.kubeconfig]
    return sorted({str(Path(one).parent) for one in (*files, str(inventory.file))})


def units(plan: Plan, folders: Iterable[str] = ()) -> dict[str, str]:
    """File name → text of every unit of a plan. `folders`: where certificates are written."""
    found = {
        TARGET: _text(
            _section("Unit", ("Description=Wherry",)),
            _section("Install", ("WantedBy=multi-user.target",)),
        )
    }
    for daemon in plan.daemons:
        found[unit_name(daemon.name)] = service(daemon)
        if daemon.restart_on:
            found |= _restarts(daemon)
    if plan.inventory:
        found |= _certificates(plan, folders)
    return found
