"""Where a machine's cluster keeps its things, as options of the verbs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigDir = Annotated[Path, typer.Option(help="PKI and kubeconfigs.")]
DataDir = Annotated[Path, typer.Option(help="etcd's data, logs, the node's state.")]
RunDir = Annotated[Path, typer.Option(help="Sockets and the supervisor's state.")]

CONFIG_DIR, DATA_DIR, RUN_DIR = Path("/etc/wherry"), Path("/var/lib/wherry"), Path("/run/wherry")
