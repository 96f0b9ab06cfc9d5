"""Refusals in kubectl's words."""

import pytest

from cli.errors import Unreachable, api_words
from wherry.api.errors import (
    ApiError,
    FieldError,
    invalid_object,
    not_found,
    required,
    status_error,
)

ONE = [required("spec.selector")]
TWO = [*ONE, FieldError("FieldValueInvalid", "spec.replicas", "Invalid value: -1")]


@pytest.mark.parametrize(
    ("error", "doing", "words"),
    [
        pytest.param(
            not_found("pods", "x"), "", 'Error from server (NotFound): pods "x" not found',
            id="not found",
        ),
        pytest.param(
            not_found("pods", "x"), 'error when creating "f"',
            'Error from server (NotFound): error when creating "f": pods "x" not found', id="doing",
        ),
        pytest.param(
            invalid_object("apps", "Deployment", "x", ONE), "",
            'The Deployment "x" is invalid: spec.selector: Required value', id="one cause",
        ),
        pytest.param(
            invalid_object("apps", "Deployment", "x", TWO), "",
            'The Deployment "x" is invalid: \n* spec.selector: Required value\n'
            "* spec.replicas: Invalid value: -1", id="two causes",
        ),
        pytest.param(
            status_error("Unauthorized", "Unauthorized"), "",
            "error: You must be logged in to the server (Unauthorized)", id="unauthorized",
        ),
        pytest.param(
            ApiError({"message": "boom"}), "", "Error from server: boom", id="no reason"
        ),
    ],
)  # fmt: skip
def test_api_words(error, doing, words):
    assert api_words(error, doing) == words


@pytest.mark.parametrize(
    ("why", "words"),
    [
        (
            ConnectionRefusedError(),
            "The connection to the server h:1 was refused - did you specify the right host or port?",
        ),
        (TimeoutError("timed out"), "Unable to connect to the server: timed out"),
        (TimeoutError(), "Unable to connect to the server: TimeoutError"),
    ],
)
def test_unreachable(why, words):
    assert Unreachable("h:1", why).words() == words
