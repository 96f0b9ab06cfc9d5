"""Names of pods that follow from what was seen. Pure.

A generated name would be new at every try; these are not: a controller whose cache is behind asks
for the very names it asked for before, and hears AlreadyExists instead of making a second pod.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from wherry.api.core_v1 import Pod
from wherry.api.names import SUFFIX_ALPHABET

BASE_CHARS_MAX = 58  # of a generated name, its suffix apart
SUFFIX_CHARS = 5


def digest(owner_uid: str, known: Iterable[Pod], *more: str) -> str:
    """Of the owner and the pods of it that were seen."""
    uids = sorted(pod.metadata.uid for pod in known)
    return hashlib.blake2b(" ".join([owner_uid, *uids, *more]).encode()).hexdigest()


def suffix(seen: str, what: str = "") -> str:
    """Five characters of the alphabet of generated names."""
    number = int.from_bytes(hashlib.blake2b(f"{seen} {what}".encode(), digest_size=8).digest())
    letters = []
    for _ in range(SUFFIX_CHARS):
        number, place = divmod(number, len(SUFFIX_ALPHABET))
        letters.append(SUFFIX_ALPHABET[place])
    return "".join(letters)
