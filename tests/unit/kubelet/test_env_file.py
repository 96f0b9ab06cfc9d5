"""Environment files that a container left in a volume."""

import pytest

from kubelet import env_file
from kubelet.env import ConfigError
from tests.unit.kubelet.test_env import environment, from_, pod

TEXT = """# made by init
  A='1'   # one
B= 'lost'
C='$(A) \\n
two'

D=''
"""


def test_values_are_literal():
    assert dict(env_file.variables(TEXT)) == {"A": "1", "B": "", "C": "$(A) \\n\ntwo", "D": ""}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("A", "line 1: missing '='"),
        ("# x\n='1'", "line 2: empty variable name"),
        ("A ='1'", "line 1: whitespace before '='"),
        ("A=1", "line 1: value must be enclosed in single quotes"),
        ("A='1", "line 1: unterminated single quote"),
        ("A='1'2", "line 1: unexpected content after closing quote"),
    ],
)
def test_what_is_none(text, why):
    with pytest.raises(env_file.EnvFileError, match=why):
        dict(env_file.variables(text))


def key(name, **more):
    return from_(fileKeyRef={"volumeName": "v", "path": "f", "key": name, **more})


def test_a_variable_of_a_file():
    files = {("v", "f"): TEXT}
    assert environment(pod([key("A")]), env_files=files)["V"] == "1"
    assert "V" not in environment(pod([key("X", optional=True)]), env_files=files)
    assert "V" not in environment(pod([key("X", optional=True)]), env_files={("v", "f"): None})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, 'env file "f" not found in volume "v"'),
        (TEXT, 'environment variable key "X" not found in file "f"'),
        (
            "X",
            "couldn't parse env file: invalid environment variable format at line 1: missing '='",
        ),
    ],
)
def test_what_is_missing_is_a_config_error(text, message):
    with pytest.raises(ConfigError) as caught:
        environment(pod([key("X")]), env_files={("v", "f"): text})
    assert caught.value.message == message
