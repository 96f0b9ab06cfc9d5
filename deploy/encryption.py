"""The key that Secrets are encrypted with in etcd: made once, kept with the certificates.

What was stored before there was a key stays readable; `wherry secrets reencrypt` seals it.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path

from deploy.files import write_private

FILE = "encryption.yaml"
KEY_BYTES = 32
# secretbox, as its random nonces do not wear a key out: nobody has to rotate this one.
_CONFIGURATION = """\
kind: EncryptionConfiguration
apiVersion: apiserver.config.k8s.io/v1
resources:
- resources: [secrets]
  providers:
  - secretbox: {{keys: [{{name: key1, secret: {secret}}}]}}
  - identity: {{}}
"""


def configuration(key: bytes) -> bytes:
    """An EncryptionConfiguration for Secrets with one key."""
    return _CONFIGURATION.format(secret=base64.b64encode(key).decode()).encode()


def ensure_encryption(pki: Path, owner: str = "") -> Path:
    """The configuration's file; it is made if there is none. Without it Secrets are lost: back it up."""
    path = pki / FILE
    if not path.exists():
        write_private(path, configuration(os.urandom(KEY_BYTES)), owner)
    return path
