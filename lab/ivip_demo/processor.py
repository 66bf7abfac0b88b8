"""How much the machine lets its programs wait for a processor."""

from __future__ import annotations

import re
import time
from pathlib import Path

PRESSURE = Path("/proc/pressure/cpu")  # Linux 4.20 and later, unless it was left out

# From that part of its time on a step that failed says so. A demo has 0.08 on an idle machine with two
# processors, and 0.9 beside four programs that compute all the time.
MUCH = 0.6


def waited_seconds() -> float | None:
    """How long something has waited since the machine was started; None where that is not known."""
    try:
        total = re.search(r"^some .*\btotal=(\d+)", PRESSURE.read_text(encoding="ascii"), re.M)
    except OSError:
        return None
    return int(total[1]) / 1e6 if total else None


class Watch:
    """Looks at both clocks from now on."""

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self._waited = waited_seconds()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begin

    @property
    def waited(self) -> float | None:
        """The part of the time in which something waited for a processor; None where not known."""
        now = waited_seconds()
        if now is None or self._waited is None or self.seconds <= 0:
            return None
        return min(1.0, (now - self._waited) / self.seconds)
