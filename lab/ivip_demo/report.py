"""What the demo prints, and its results as JSON and Markdown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ivip_lab.problem import Problem

from .processor import MUCH, Watch


@dataclass
class Result:
    """One step: whether all that it expects held, and what was measured."""

    number: int
    title: str
    held: bool = True
    seconds: float = 0.0
    waited: float | None = None  # the part of them in which something waited for a processor
    measured: str = ""
    numbers: dict[str, object] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


class NotHeld(Exception):
    """A step cannot go on."""


class Step:
    """What a step's function says while it runs."""

    def __init__(self, report: Report, result: Result) -> None:
        self._report = report
        self._result = result

    def show(self, text: str) -> None:
        """A line of evidence."""
        for line in text.splitlines():
            self._result.lines.append(line)
            self._report.line(line)

    def command(self, node: str, words: str) -> None:
        """A command that is run, as one would type it."""
        self._result.lines.append(f"{node}$ {words}")
        self._report.line(self._report.paint("1", f"{node}$ {words}"))

    def expect(self, held: bool, what: str) -> None:
        """Notes one thing that must hold."""
        if not held:
            self._result.failures.append(what)
            self._report.line(self._report.paint("31", f"did not hold: {what}"))

    def measured(self, text: str, **numbers: object) -> None:
        """What stands in the table at the end, and the numbers behind it."""
        self._result.measured = text
        self._result.numbers.update(numbers)


class Report:
    def __init__(self, quiet: bool = False) -> None:
        self.results: list[Result] = []
        self._quiet = quiet
        self._colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def paint(self, code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self._colours else text

    def say(self, text: str = "") -> None:
        if not self._quiet:
            print(text, flush=True)

    def line(self, text: str) -> None:
        self.say(f"      {text}")

    def step(self, title: str, work: Callable[[Step], None]) -> bool:
        """Runs one step. A problem inside it makes it fail, not the demo."""
        result = Result(len(self.results) + 1, title)
        self.results.append(result)
        self.say(f"{self.paint('1', f'{result.number:4}  {title}')}")
        watch = Watch()
        try:
            work(Step(self, result))
        except (Problem, NotHeld, OSError, ValueError, KeyError,
                subprocess.SubprocessError) as problem:
            result.failures.append(f"{problem}")
            self.line(self.paint("31", f"did not hold: {problem}"))
        result.seconds = watch.seconds
        result.waited = watch.waited
        result.held = not result.failures
        verdict = self.paint("32", "held") if result.held else self.paint("31", "FAILED")
        self.line(f"{verdict}  {result.measured}")
        if not result.held and result.waited is not None and result.waited > MUCH:
            self.line(f"For {result.waited:.0%} of this step something waited for a processor: times "
                      "and losses may be the machine's. Run it again when it has less to do.")
        self.say()
        return result.held

    @property
    def held(self) -> bool:
        return bool(self.results) and all(result.held for result in self.results)

    # ---- the end

    def rows(self) -> list[tuple[str, str, str, str]]:
        return [(str(result.number), result.title, "yes" if result.held else "NO",
                 result.measured if result.held else "; ".join(result.failures))
                for result in self.results]

    def print_table(self) -> None:
        rows = self.rows()
        width = max(len(row[1]) for row in rows)
        self.say(self.paint("1", f"{'':>4}  {'STEP':{width}}  HELD  MEASURED"))
        for number, title, held, measured in rows:
            colour = "32" if held == "yes" else "31"
            self.say(f"{number:>4}  {title:{width}}  {self.paint(colour, f'{held:4}')}  {measured}")
        count = sum(result.held for result in self.results)
        seconds = sum(result.seconds for result in self.results)
        waited = sum((result.waited or 0.0) * result.seconds for result in self.results)
        self.say(f"\n{count} of {len(rows)} steps held, {seconds:.0f} s; for {waited / seconds:.0%} of "
                 "them something waited for a processor")

    def markdown(self) -> str:
        lines = ["| | step | held | measured |", "|---:|---|---|---|"]
        lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
                  for row in self.rows()]
        return "\n".join(lines) + "\n"

    def write_json(self, file: Path) -> None:
        file.write_text(json.dumps({"v": 1, "held": self.held,
                                    "steps": [asdict(result) for result in self.results]},
                                   indent=2) + "\n", encoding="utf-8")
