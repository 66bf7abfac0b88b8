"""Processes that a lab starts, remembered so that they can be ended by anyone later.

Each is written to a journal (one JSON object a line) with its pid and start time as soon as it
runs. A pid is only believed while the start time matches, so a pid used again is left alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

STOP_SECONDS = 3.0  # a process that ignores SIGTERM for so long gets SIGKILL


@dataclass(frozen=True)
class Process:
    node: str
    program: str  # "ivip", "bird", "wire"
    pid: int
    start: int    # in clock ticks since boot

    @staticmethod
    def of(pid: int) -> Process:
        """A process found by its pid alone."""
        return Process("", "", pid, start_time(pid) or 0)

    def alive(self) -> bool:
        return start_time(self.pid) == self.start

    def send(self, what: signal.Signals) -> None:
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, what)


def start_time(pid: int) -> int | None:
    """Field 22 of /proc/PID/stat; None when there is no such process, or only its remains."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    # The program's name stands in parentheses and may hold anything.
    fields = text[text.rindex(")") + 2:].split()
    # The first thread of a killed process may be gone while others still hold its sockets.
    remains = fields[0] == "Z" and int(fields[17]) <= 1
    return None if remains else int(fields[19])


class Journal:
    """The file that remembers processes."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def start(self, node: str, program: str, command: list[str], log: Path,
              env: dict[str, str] | None = None) -> Process:
        """Starts a command in a session of its own, output to `log`, and remembers it."""
        with log.open("ab") as output:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output,
                                     stderr=output, start_new_session=True, env=env)
        process = Process(node, program, child.pid, start_time(child.pid) or 0)
        with self._file.open("a", encoding="utf-8") as journal:
            journal.write(json.dumps(asdict(process)) + "\n")
        return process

    def all(self) -> list[Process]:
        """Everything ever started; the last line may be torn by a crash."""
        processes = []
        with contextlib.suppress(FileNotFoundError):
            for line in self._file.read_text(encoding="utf-8").splitlines():
                with contextlib.suppress(ValueError, TypeError):
                    processes.append(Process(**json.loads(line)))
        return processes

    def alive(self) -> list[Process]:
        return [process for process in self.all() if process.alive()]


def stop_all(processes: Iterable[Process]) -> None:
    """SIGTERM to all, SIGKILL to those that stay."""
    waiting = [process for process in processes if process.alive()]
    for process in waiting:
        process.send(signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while waiting and time.monotonic() < deadline:
        time.sleep(0.01)
        waiting = [process for process in waiting if process.alive()]
    for process in waiting:
        process.send(signal.SIGKILL)
    while any(process.alive() for process in waiting):
        time.sleep(0.01)
