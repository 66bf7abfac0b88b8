"""What a demo consists of: a topology, and steps in their order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .demo import Demo
from .report import Step


@dataclass(frozen=True)
class Script:
    topology: str
    first: str  # title of the step that brings it up
    steps: list[tuple[str, Callable[[Demo, Step], None]]]
