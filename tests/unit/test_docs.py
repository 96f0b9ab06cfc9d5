"""What the documentation names is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"`([^`\s]*?\.py|…)::(\w+)`")


def test_every_attack_in_the_security_document_has_its_test():
    text = (ROOT / "docs/security.md").read_text()
    missing, file = [], ""
    for named, test in NAMED.findall(text):
        file = file if named == "…" else named
        path = ROOT / (file if "/" in file else f"tests/integration/apiserver/{file}")
        if not path.is_file() or f"def {test}(" not in path.read_text():
            missing.append(f"{file}::{test}")
    assert missing == []
