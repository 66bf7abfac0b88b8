"""`ivip lab` as people run it, and what a lab leaves behind."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ivip_lab import namespace, record

TOP = Path(__file__).resolve().parent.parent.parent
LAB_COMMAND = TOP / "lab" / "ivip-lab"


def run_lab(*words: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Runs `ivip lab WORDS...` and returns its exit status and output."""
    return subprocess.run([str(LAB_COMMAND), *words], capture_output=True, text=True, check=False,
                          timeout=timeout)


def leftovers(lab: str) -> list[str]:
    """Everything of a lab that is still there."""
    folder = [str(record.RUN / lab)] if (record.RUN / lab).exists() else []
    return namespace.namespaces_of(lab) + folder
