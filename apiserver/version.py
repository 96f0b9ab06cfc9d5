"""Which version this is. Tools parse /version, so it says upstream's and, behind a plus, ours."""

from __future__ import annotations

import platform
import sys

from wherry import KUBERNETES_VERSION, __version__

MAJOR, MINOR = "1", "36"
GIT_VERSION = f"{KUBERNETES_VERSION}+wherry.{__version__}"


def version_info() -> dict[str, str]:
    """The answer of /version."""
    return {
        "major": MAJOR,
        "minor": MINOR,
        "emulationMajor": MAJOR,
        "emulationMinor": MINOR,
        "minCompatibilityMajor": MAJOR,
        "minCompatibilityMinor": "35",
        "gitVersion": GIT_VERSION,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": f"python{platform.python_version()}",
        "compiler": sys.implementation.name,
        "platform": f"{platform.system().lower()}/{platform.machine()}",
    }
