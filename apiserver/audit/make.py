"""The auditor that the flags ask for, its files read and opened."""

from __future__ import annotations

from pathlib import Path

from apiserver.audit.auditor import Auditor
from apiserver.audit.config import LOG, WEBHOOK, AuditConfig
from apiserver.audit.drain import Drain
from apiserver.audit.log_file import LogFile
from apiserver.audit.policy import PolicyRules, parse_policy
from apiserver.audit.webhook import Pace, Webhook
from apiserver.audit.webhook_config import read_target
from wherry.daemon.token_bucket import TokenBucket


def make_auditor(config: AuditConfig) -> Auditor | None:
    """The auditor, its files opened; None when nothing is asked for. ValueError, OSError."""
    if config.policy_file is None:
        return None
    rules = read_policy(config.policy_file)
    drains: list[tuple[Drain, str]] = []
    if config.log_path:
        legacy, log = config.log_format == "legacy", config.log
        file = LogFile(config.log_path, config.rotation, legacy=legacy, truncation=log.truncation)
        file.open()
        drains.append((Drain(LOG, file, log.batching), log.mode))
    if config.webhook_config_file is not None:
        webhook = config.webhook
        rate = webhook.throttle_per_second
        bucket = TokenBucket(rate, webhook.throttle_burst) if rate else None
        pace = Pace(config.webhook_backoff_seconds, bucket)
        target = read_target(config.webhook_config_file)
        sender = Webhook(target, pace, webhook.truncation)
        drains.append((Drain(WEBHOOK, sender, webhook.batching), webhook.mode))
    if not drains:
        return None
    strict = [drain for drain, mode in drains if mode == "blocking-strict"]
    return Auditor(rules, [drain for drain, _ in drains], strict)


def read_policy(path: Path) -> PolicyRules:
    """A policy file. ValueError, OSError."""
    try:
        return parse_policy(path.read_text())
    except ValueError as error:
        raise ValueError(f"{error}: from file {path}") from error
