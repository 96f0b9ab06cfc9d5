"""etcd's protobuf messages, generated and published by aetcd; nothing else of it.

`import aetcd` loads its client and with it grpc: 18 MiB that nothing here uses. So the folder in which
aetcd keeps the generated modules is searched as this package's own, and only those are imported.
"""

from importlib.util import find_spec
from pathlib import Path

_aetcd = find_spec("aetcd")  # finds it without running it
if _aetcd is None or _aetcd.origin is None:
    raise ImportError("aetcd is not installed", name="aetcd")
__path__.append(str(Path(_aetcd.origin).parent / "rpc"))
