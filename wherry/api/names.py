"""Which texts may name things: DNS labels, label keys and values, ports, config keys.

Every check returns the list of what is wrong, in upstream's words, empty when nothing is. The words
reach people through `field.Invalid`, so they are part of the wire.

Source: k8s.io/apimachinery/pkg/util/validation (lengths in "characters") and pkg/api/validate/content
(label keys and values, lengths in "bytes"), apiserver/pkg/storage/names.
"""

from __future__ import annotations

import random
import re
from typing import Final

LABEL_MAX: Final = 63
SUBDOMAIN_MAX: Final = 253
PORT_NAME_MAX: Final = 15
SUFFIX_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"  # no vowels, no look-alikes
SUFFIX_LENGTH: Final = 5
GENERATED_BASE_MAX: Final = LABEL_MAX - SUFFIX_LENGTH

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_DNS1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = f"({_QUALIFIED})?"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_HEADER = "[-A-Za-z0-9]+"
_PERCENT = "[0-9]+%"

_LABEL_RE = re.compile(_LABEL)
_SUBDOMAIN_RE = re.compile(_SUBDOMAIN)
_DNS1035_RE = re.compile(_DNS1035)
_QUALIFIED_RE = re.compile(_QUALIFIED)
_CONFIG_KEY_RE = re.compile(_CONFIG_KEY)
_HEADER_RE = re.compile(_HEADER)
_PERCENT_RE = re.compile(_PERCENT)

_QUALIFIED_WORDS = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an"
    " alphanumeric character"
)
EMPTY: Final = "must be non-empty"


def max_length(limit: int, unit: str = "characters") -> str:
    return f"must be no more than {limit} {unit}"


def regex_error(words: str, pattern: str, *examples: str) -> str:
    """What upstream says when a text does not match; the odd blanks are its own."""
    if not examples:
        return f"{words} (regex used for validation is '{pattern}')"
    shown = " or ".join(f"'{one}', " for one in examples)
    return f"{words} (e.g. {shown}regex used for validation is '{pattern}')"


def dns1123_label(value: str, *, unit: str = "characters") -> list[str]:
    """A name such as a namespace's."""
    errors = [max_length(LABEL_MAX, unit)] if len(value) > LABEL_MAX else []
    if not _LABEL_RE.fullmatch(value):
        if _SUBDOMAIN_RE.fullmatch(value):
            return [*errors, "must not contain dots"]
        words = (
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-',"
            " and must start and end with an alphanumeric character"
        )
        errors.append(regex_error(words, _LABEL, "my-name", "123-abc"))
    return errors


def dns1123_subdomain(value: str, *, unit: str = "characters") -> list[str]:
    """A name such as a pod's."""
    errors = [max_length(SUBDOMAIN_MAX, unit)] if len(value) > SUBDOMAIN_MAX else []
    if not _SUBDOMAIN_RE.fullmatch(value):
        words = (
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters,"
            " '-' or '.', and must start and end with an alphanumeric character"
        )
        errors.append(regex_error(words, _SUBDOMAIN, "example.com"))
    return errors


def wildcard_subdomain(value: str) -> list[str]:
    """`*.` before a subdomain, such as an Ingress' host."""
    errors = [max_length(SUBDOMAIN_MAX)] if len(value) > SUBDOMAIN_MAX else []
    if not (value.startswith("*.") and _SUBDOMAIN_RE.fullmatch(value[2:])):
        words = (
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain,"
            " which must consist of lower case alphanumeric characters, '-' or '.' and end with an"
            " alphanumeric character"
        )
        errors.append(regex_error(words, rf"\*\.{_SUBDOMAIN}", "*.example.com"))
    return errors


def dns1035_label(value: str) -> list[str]:
    """A name that starts with a letter, such as a Service's."""
    errors = [max_length(LABEL_MAX)] if len(value) > LABEL_MAX else []
    if not _DNS1035_RE.fullmatch(value):
        words = (
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with"
            " an alphabetic character, and end with an alphanumeric character"
        )
        errors.append(regex_error(words, _DNS1035, "my-name", "abc-123"))
    return errors


def qualified_name(value: str) -> list[str]:
    """`name` or `example.com/name`: label and annotation keys, resource names, taint keys."""
    examples = ("MyName", "my.name", "123-abc")
    parts = value.split("/")
    if len(parts) > 2:
        words = regex_error(f"a qualified name {_QUALIFIED_WORDS}", _QUALIFIED, *examples)
        return [
            f"{words} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        ]
    errors = []
    if len(parts) == 2:
        problems = dns1123_subdomain(parts[0], unit="bytes") if parts[0] else [EMPTY]
        errors = [f"prefix part {one}" for one in problems]
    name = parts[-1]
    if not name:
        errors.append(f"name part {EMPTY}")
    elif len(name.encode()) > LABEL_MAX:
        errors.append(f"name part {max_length(LABEL_MAX, 'bytes')}")
    if not _QUALIFIED_RE.fullmatch(name):
        errors.append(f"name part {regex_error(_QUALIFIED_WORDS, _QUALIFIED, *examples)}")
    return errors


label_key = qualified_name


def label_value(value: str) -> list[str]:
    errors = [max_length(LABEL_MAX, "bytes")] if len(value.encode()) > LABEL_MAX else []
    if value and not _QUALIFIED_RE.fullmatch(value):
        words = (
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_'"
            " or '.', and must start and end with an alphanumeric character"
        )
        errors.append(regex_error(words, _LABEL_VALUE, "MyValue", "my_value", "12345"))
    return errors


def port_name(value: str) -> list[str]:
    """An IANA service name, such as a container port's."""
    errors = [max_length(PORT_NAME_MAX)] if len(value) > PORT_NAME_MAX else []
    if not re.fullmatch("[-a-z0-9]+", value):
        errors.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", value):
        errors.append("must contain at least one letter (a-z)")
    if "--" in value:
        errors.append("must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        errors.append("must not begin or end with a hyphen")
    return errors


def port_number(value: int) -> list[str]:
    return [] if 1 <= value <= 65535 else ["must be between 1 and 65535, inclusive"]


def config_key(value: str) -> list[str]:
    """A key of a ConfigMap or Secret: it becomes a file's name."""
    errors = [max_length(SUBDOMAIN_MAX)] if len(value) > SUBDOMAIN_MAX else []
    if not _CONFIG_KEY_RE.fullmatch(value):
        words = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
        errors.append(regex_error(words, _CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    return errors + _no_dots(value)


def env_name(value: str) -> list[str]:
    """An environment variable's name by the relaxed rule (printable ASCII but `=`)."""
    if not value:
        return [f"environment variable name {EMPTY}"]
    if all(" " <= char <= "~" and char != "=" for char in value):
        return []
    return [
        "a valid environment variable name must consist only of printable ASCII characters other"
        " than '='"
    ]


def header_name(value: str) -> list[str]:
    if _HEADER_RE.fullmatch(value):
        return []
    words = "a valid HTTP header must consist of alphanumeric characters or '-'"
    return [regex_error(words, _HEADER, "X-Header-Name")]


def percent(value: str) -> list[str]:
    if _PERCENT_RE.fullmatch(value):
        return []
    words = "a valid percent string must be a numeric string followed by an ending '%'"
    return [regex_error(words, _PERCENT, "1%", "93%")]


def path_segment(value: str, *, prefix: bool = False) -> list[str]:
    """A name that is only bound to fit into a URL path."""
    if not prefix and value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{char}'" for char in "/%" if char in value]


def mask_trailing_dash(name: str) -> str:
    """A generateName prefix may end in what its suffix will hide."""
    return f"{name[:-2]}a" if len(name) > 1 and name.endswith("-") else name


def generate_name(base: str, rng: random.Random | None = None) -> str:
    """`base` with a random suffix, short enough for a DNS label."""
    choices = rng.choices if rng is not None else random.choices  # distinct, not secret
    return base[:GENERATED_BASE_MAX] + "".join(choices(SUFFIX_ALPHABET, k=SUFFIX_LENGTH))


def new_uid(rng: random.Random | None = None) -> str:
    """A random UUID (version 4): distinct, not secret, so without a system call for each."""
    bits = rng.getrandbits(128) if rng is not None else random.getrandbits(128)
    text = f"{bits:032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{'89ab'[bits & 3]}{text[17:20]}-{text[20:]}"


def _no_dots(value: str) -> list[str]:
    if value in (".", ".."):
        return [f"must not be '{value}'"]
    return ["must not start with '..'"] if value.startswith("..") else []
