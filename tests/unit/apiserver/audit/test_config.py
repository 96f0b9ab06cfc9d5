"""The audit's flags and the auditor they make."""

from __future__ import annotations

from pathlib import Path

import pytest

from apiserver.audit.config import AuditConfig, audit_config, audit_flags
from apiserver.audit.make import make_auditor
from apiserver.audit.settings import Batching, Rotation, Truncation
from wherry.daemon.flags import Flags

POLICY = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n"


def read(*words: str) -> AuditConfig:
    declared = Flags("test", "")
    audit_flags(declared)
    return audit_config(declared.parse(words))


def test_defaults_as_upstream():
    config = read()
    assert config.policy_file is None
    assert (config.log.mode, config.webhook.mode) == ("blocking", "batch")
    assert config.webhook.batching == Batching(10_000, 400, 30.0)
    assert (config.webhook.throttle_per_second, config.webhook.throttle_burst) == (10.0, 15)
    assert config.log.truncation is None


def test_flags_become_values():
    config = read(
        "--audit-log-path=/x", "--audit-log-maxsize=3", "--audit-log-maxage=4",
        "--audit-log-maxbackup=5", "--audit-log-compress", "--audit-log-truncate-enabled",
        "--audit-webhook-batch-throttle-enable=false", "--audit-webhook-batch-max-wait=1s",
    )  # fmt: skip
    assert config.rotation == Rotation(3, 4, 5, True)
    assert config.log.truncation == Truncation(100 * 1024, 10 * 1024 * 1024)
    assert config.webhook.throttle_per_second == 0.0
    assert config.webhook.batching.wait_seconds == 1.0


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--audit-log-maxage=-1"], "--audit-log-maxage must be 0 or more"),
        (["--audit-webhook-batch-buffer-size=0"], "--audit-webhook-batch-buffer-size must be"),
        (["--audit-log-version=audit.k8s.io/v1beta1"], "only audit.k8s.io/v1 is written"),
        (
            ["--audit-log-truncate-enabled", "--audit-log-truncate-max-batch-size=5"],
            "--audit-log-truncate-max-batch-size must not be below",
        ),
    ],
)
def test_what_makes_no_sense_is_named(words, problem):
    with pytest.raises(ValueError, match=r"--audit") as caught:
        read(*words)
    assert problem in str(caught.value)


def test_no_policy_or_nowhere_to_write_is_no_audit(tmp_path: Path):
    policy = tmp_path / "policy"
    policy.write_text(POLICY)
    assert make_auditor(read("--audit-log-path=/x")) is None
    assert make_auditor(read(f"--audit-policy-file={policy}")) is None
    log = tmp_path / "logs" / "audit.log"
    assert make_auditor(read(f"--audit-policy-file={policy}", f"--audit-log-path={log}"))
    assert log.exists(), "whether it can be written is known at the start"


def test_errors_name_the_file(tmp_path: Path):
    policy = tmp_path / "policy"
    policy.write_text("kind: Other")
    with pytest.raises(ValueError, match="from file"):
        make_auditor(read(f"--audit-policy-file={policy}", "--audit-log-path=/x"))
