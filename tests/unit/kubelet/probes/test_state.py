"""Thresholds."""

import pytest

from kubelet.probes.state import Kind, Outcome, Result, Spec, failure_message, initial, step
from wherry.api.core_v1 import Probe

OK, BAD, WHAT = Result.SUCCESS, Result.FAILURE, Result.UNKNOWN


def verdicts(kind, results, **numbers):
    state, spec, seen = initial(kind), Spec(**numbers), []
    for result in results:
        state = step(kind, state, Outcome(result), spec)
        seen.append(state.verdict)
    return seen


@pytest.mark.parametrize(
    ("kind", "numbers", "results", "expected"),
    [
        pytest.param(Kind.READINESS, {}, [OK], [OK], id="ready at the first success"),
        pytest.param(
            Kind.READINESS, {"success_threshold": 2}, [OK, BAD, OK, OK], [BAD, BAD, BAD, OK],
            id="successes must come in a row",
        ),
        pytest.param(
            Kind.READINESS, {"failure_threshold": 2}, [OK, BAD, OK, BAD, BAD],
            [OK, OK, OK, OK, BAD], id="failures must come in a row",
        ),
        pytest.param(
            Kind.LIVENESS, {}, [BAD, BAD, BAD], [OK, OK, BAD], id="alive until the third failure"
        ),
        pytest.param(
            Kind.LIVENESS, {}, [BAD, WHAT, BAD, WHAT, BAD], [OK, OK, OK, OK, BAD],
            id="what can't be told counts as nothing",
        ),
        pytest.param(
            Kind.STARTUP, {"failure_threshold": 2}, [BAD, OK], [WHAT, OK], id="startup succeeds"
        ),
        pytest.param(
            Kind.STARTUP, {"failure_threshold": 2}, [BAD, BAD], [WHAT, BAD], id="startup fails"
        ),
    ],
)  # fmt: skip
def test_verdicts(kind, numbers, results, expected):
    assert expected == verdicts(kind, results, **numbers)


def test_numbers_default_as_upstream():
    assert Spec(0, 10, 1, 1, 3) == Spec.of(Probe())


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        pytest.param(
            Outcome(BAD, "HTTP probe failed with statuscode: 500"),
            "Readiness probe failed: HTTP probe failed with statuscode: 500",
            id="failed",
        ),
        pytest.param(
            Outcome(WHAT, "boom", is_error=True),
            "Readiness probe errored and resulted in unknown state: boom",
            id="errored",
        ),
    ],
)
def test_messages(outcome, text):
    assert text == failure_message(Kind.READINESS, outcome)
