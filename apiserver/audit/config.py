"""The audit's flags, as upstream names them.

Source: k8s.io/apiserver/pkg/server/options/audit.go.
"""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

from apiserver.audit.settings import Batching, Rotation, Truncation
from wherry.daemon.flags import Flags

MODES = ("batch", "blocking", "blocking-strict")
FORMATS = ("json", "legacy")
# The two modes of upstream that wait write at once here, but without holding up the request.
PROMPT = Batching()
LOG, WEBHOOK = "log", "webhook"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendConfig:
    """What log and webhook have in common."""

    mode: str
    batching: Batching
    throttle_per_second: float  # 0 = no limit
    throttle_burst: int
    truncation: Truncation | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditConfig:
    """`policy_file` None = no audit."""

    policy_file: Path | None
    log_path: str
    log_format: str
    rotation: Rotation
    log: BackendConfig
    webhook_config_file: Path | None
    webhook_backoff_seconds: float
    webhook: BackendConfig


def audit_flags(declared: Flags) -> None:
    """Declare all of them."""
    declared.text("--audit-policy-file", help="which requests are recorded; none without it")
    declared.text("--audit-log-path", help="file of the audit log; - is standard output")
    declared.choice("--audit-log-format", FORMATS, "json", "json lines or upstream's old text")
    declared.integer("--audit-log-maxage", 0, "days to keep old files; 0 = for ever")
    declared.integer("--audit-log-maxbackup", 0, "old files to keep; 0 = all")
    declared.integer("--audit-log-maxsize", 0, "megabytes of a file before it is rotated; 0 = 100")
    declared.boolean("--audit-log-compress", False, "gzip old files")
    declared.text("--audit-webhook-config-file", help="kubeconfig of the server to send events to")
    declared.duration("--audit-webhook-initial-backoff", 10.0, "before a batch is sent again")
    _backend_flags(declared, LOG, "blocking", batch_max=1, throttled=False)
    _backend_flags(declared, WEBHOOK, "batch", batch_max=400, throttled=True)
    for name in (LOG, WEBHOOK):
        declared.text(f"--audit-{name}-version", "audit.k8s.io/v1", "the version that is written")


def _backend_flags(
    declared: Flags, name: str, mode: str, *, batch_max: int, throttled: bool
) -> None:
    flag = f"--audit-{name}"
    declared.choice(f"{flag}-mode", MODES, mode, "batch gathers longer; no mode delays requests")
    declared.integer(f"{flag}-batch-buffer-size", 10_000, "events that may wait; more are lost")
    declared.integer(f"{flag}-batch-max-size", batch_max, "events in one batch")
    declared.duration(f"{flag}-batch-max-wait", 30.0 if throttled else 0.0, "for a batch to fill")
    declared.boolean(f"{flag}-batch-throttle-enable", throttled, "limit batches per second")
    declared.number(f"{flag}-batch-throttle-qps", 10.0, "batches per second")
    declared.integer(f"{flag}-batch-throttle-burst", 15, "batches at once after a rest")
    declared.boolean(f"{flag}-truncate-enabled", False, "cut events that are too large")
    declared.integer(f"{flag}-truncate-max-batch-size", 10 * 1024 * 1024, "bytes of a batch")
    declared.integer(f"{flag}-truncate-max-event-size", 100 * 1024, "bytes of an event")


def audit_config(values: Namespace) -> AuditConfig:
    """The values of parsed flags. ValueError naming the flag when one makes no sense."""
    policy = values.audit_policy_file
    for name in ("audit_log_maxage", "audit_log_maxbackup", "audit_log_maxsize"):
        if getattr(values, name) < 0:
            raise ValueError(f"--{name.replace('_', '-')} must be 0 or more")
    return AuditConfig(
        policy_file=Path(policy) if policy else None,
        log_path=values.audit_log_path,
        log_format=values.audit_log_format,
        rotation=Rotation(
            values.audit_log_maxsize,
            values.audit_log_maxage,
            values.audit_log_maxbackup,
            values.audit_log_compress,
        ),
        log=_backend(values, LOG),
        webhook_config_file=_path(values.audit_webhook_config_file),
        webhook_backoff_seconds=values.audit_webhook_initial_backoff,
        webhook=_backend(values, WEBHOOK),
    )


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def _backend(values: Namespace, name: str) -> BackendConfig:
    def value(field: str) -> object:
        return getattr(values, f"audit_{name}_{field}")

    def positive(field: str) -> int:
        found = getattr(values, f"audit_{name}_{field}")
        if not found > 0:
            flag = f"--audit-{name}-{field.replace('_', '-')}"
            raise ValueError(f"{flag} must be a positive number")
        return int(found)

    if value("version") != "audit.k8s.io/v1":
        raise ValueError(f"--audit-{name}-version: only audit.k8s.io/v1 is written")
    mode = str(value("mode"))
    batching, per_second, burst = PROMPT, 0.0, 1
    if mode == "batch":
        wait = float(getattr(values, f"audit_{name}_batch_max_wait"))
        wait = max(wait, PROMPT.wait_seconds)  # a turn of threads per event costs more than events
        batching = Batching(positive("batch_buffer_size"), positive("batch_max_size"), wait)
        if value("batch_throttle_enable"):
            positive("batch_throttle_burst")
            per_second = float(getattr(values, f"audit_{name}_batch_throttle_qps"))
            burst = positive("batch_throttle_burst")
            if per_second <= 0:
                raise ValueError(f"--audit-{name}-batch-throttle-qps must be a positive number")
    truncation = None
    if value("truncate_enabled"):
        event, batch = positive("truncate_max_event_size"), positive("truncate_max_batch_size")
        if batch < event:
            flag = f"--audit-{name}-truncate-max-batch-size"
            raise ValueError(f"{flag} must not be below --audit-{name}-truncate-max-event-size")
        truncation = Truncation(event, batch)
    return BackendConfig(
        mode=mode, batching=batching, throttle_per_second=per_second, throttle_burst=burst,
        truncation=truncation,
    )  # fmt: skip
