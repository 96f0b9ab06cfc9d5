"""Refusals in kubectl's words, so that what people know (and scripts grep) holds here too.

Source: k8s.io/kubectl/pkg/cmd/util/helpers.go.
"""

from __future__ import annotations

from wherry.api.errors import ApiError


class CliError(Exception):
    """Something to tell the user; ends the command with `code`."""

    def __init__(self, message: str, *, code: int = 1, prefix: str = "error: ") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.prefix = prefix

    def words(self) -> str:
        return f"{self.prefix}{self.message}"


class Unreachable(CliError):
    """No answer from the API server."""

    def __init__(self, address: str, why: Exception) -> None:
        if isinstance(why, ConnectionRefusedError):
            text = (
                f"The connection to the server {address} was refused - "
                "did you specify the right host or port?"
            )
        else:
            text = f"Unable to connect to the server: {str(why) or type(why).__name__}"
        super().__init__(text, prefix="")


def api_words(error: ApiError, doing: str = "") -> str:
    """The text for a refusal of the server; `doing` as `error when creating "x.yaml"`."""
    if error.reason == "Unauthorized":
        return "error: You must be logged in to the server (Unauthorized)"
    if error.reason == "Invalid" and not doing:
        return _invalid_words(error)
    head = f"Error from server ({error.reason})" if error.reason else "Error from server"
    message = f"{doing}: {error.message}" if doing else error.message
    return f"{head}: {message}"


def _invalid_words(error: ApiError) -> str:
    details = error.status.get("details", {})
    kind, name = details.get("kind", ""), details.get("name", "")
    head = f'The {kind} "{name}" is invalid' if kind else "The request is invalid"
    causes = list(dict.fromkeys(_cause(cause) for cause in error.causes))
    if not causes:
        return f"{head}: {error.message}" if error.message else head
    if len(causes) == 1:
        return f"{head}: {causes[0]}"
    return f"{head}: \n" + "\n".join(f"* {cause}" for cause in causes)


def _cause(cause: dict[str, str]) -> str:
    field = cause.get("field", "")
    return f"{field}: {cause.get('message', '')}" if field else cause.get("message", "")
