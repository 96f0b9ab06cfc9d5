"""What type checkers see of a package is what it exports."""

import importlib
import re
from pathlib import Path

import pytest

import wherry.api

PACKAGES = sorted(
    path.parent.name for path in Path(wherry.api.__path__[0]).glob("*_v*/__init__.pyi")
)


@pytest.mark.parametrize("name", PACKAGES)
def test_the_stub_names_what_the_package_exports(name: str) -> None:
    package = importlib.import_module(f"wherry.api.{name}")
    stub = Path(package.__file__).with_suffix(".pyi").read_text()
    named = re.findall(r"from (\S+) import \(?\s*(\w+) as \2", stub)
    assert sorted(one for _, one in named) == package.__all__
    for module, one in named:
        assert getattr(package, one).__module__ == module


def test_an_unknown_name_is_an_attribute_error() -> None:
    package = importlib.import_module("wherry.api.core_v1")
    with pytest.raises(AttributeError, match="Nonsense"):
        package.Nonsense  # noqa: B018 # asking is the test
