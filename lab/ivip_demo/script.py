"""What a demo consists of: a topology, and steps in their order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .demo import Demo
from .report import Step


Work = Callable[[Demo, Step], None]


@dataclass(frozen=True)
class Script:
    topology: str
    first: str  # title of the step that brings it up
    steps: list[tuple[str, Work]]
    quick: list[tuple[str, Work]] | None = None  # the same with less time
