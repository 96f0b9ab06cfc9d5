"""What aetcd's generated module holds is made when it is imported; checkers cannot see it."""

from typing import Any

def __getattr__(name: str) -> Any: ...
