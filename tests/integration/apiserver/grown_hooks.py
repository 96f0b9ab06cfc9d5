"""What schemathesis is told beside our OpenAPI document. Loaded by it, in a process of its own.

Names from a short list, so that requests meet the same objects; no watches; and what an answer must not
be (`test_fuzz.py` has the same rule for our own requests).
"""

from __future__ import annotations

import os
import random
from typing import Any

import schemathesis

NAMESPACES = ("fuzz-0", "fuzz-1")
NAMES = ("a", "b", "c", "d")
NAMED_SHARE = 0.9  # the rest keep what was grown
SEED = os.environ.get("WHERRY_FUZZ_SEED", "")
# Upstream says 500 here.
MEANT = "resourceVersion should not be set on objects to be created"


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    rng = random.Random(f"{SEED} {case.operation.path} {case.path_parameters} {case.query}")
    named = case.path_parameters or {}
    for field, names in (("namespace", NAMESPACES), ("name", NAMES)):
        if field in named and rng.random() < NAMED_SHARE:
            named[field] = rng.choice(names)
    metadata = case.body.get("metadata") if isinstance(case.body, dict) else None
    if isinstance(metadata, dict) and rng.random() < NAMED_SHARE:
        metadata["name"] = named.get("name") or rng.choice(NAMES)
        for field in ("namespace", "resourceVersion", "deletionTimestamp"):
            metadata.pop(field, None)
    if isinstance(case.query, dict):
        case.query.pop("watch", None)  # its answer is many documents; our own requests have watches


@schemathesis.check
def answered_sensibly(context: Any, response: Any, case: Any) -> None:
    """No server error, but where upstream has one; refusals are whole Statuses."""
    status, text = response.status_code, response.text
    if status == 504 or (status == 500 and MEANT in text):  # 504: a revision yet to come
        return
    assert status < 500, f"{status}: {text[:500]}"
    if status >= 400 and case.operation.path.startswith("/api") and case.method != "HEAD":
        tree = response.json()
        assert tree["kind"] == "Status", text[:500]
        assert tree["code"] == status, text[:500]
