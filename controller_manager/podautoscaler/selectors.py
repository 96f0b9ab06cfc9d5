"""Which autoscaler decides about a pod: no pod may be decided about by two. Pure.

Source of the rule and words: upstream's pkg/controller/podautoscaler/horizontal.go
(validateAndParseSelector).
"""

from __future__ import annotations

from collections.abc import Iterable

from wherry.api.core_v1 import Pod
from wherry.api.selectors import LabelSelectorExpr, parse_label_selector
from wherry.client.store import split_key


class Selectors:
    """By autoscaler, how its target selected pods when last looked at. Bounded by `forget`."""

    def __init__(self) -> None:
        self._by_key: dict[str, LabelSelectorExpr] = {}

    def note(self, key: str, text: str) -> None:
        """ValueError when `text` is no selector; then none is remembered."""
        self._by_key.pop(key, None)
        self._by_key[key] = parse_label_selector(text)

    def forget(self, key: str) -> None:
        self._by_key.pop(key, None)

    def ambiguity(self, key: str, text: str, selected: Iterable[Pod]) -> str:
        """What is wrong with `selected`, the pods of `text`; empty when all are only `key`'s."""
        namespace, _ = split_key(key)
        near = {k: s for k, s in self._by_key.items() if split_key(k)[0] == namespace}
        labels = [pod.metadata.labels for pod in selected]
        who = sorted(k for k, s in near.items() if any(s.matches(one) for one in labels))
        if len(who) < 2:
            return ""
        listed = " ".join(who)
        return f"pods by selector {text} are controlled by multiple HPAs: [{listed}]"
