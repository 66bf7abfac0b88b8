"""The command: `make demo` and `make demo-drtm`."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from ivip_lab.problem import Problem
from ivip_lab.record import Record
from ivip_lab.topology_file import find_topology
from ivip_lab.up_down import down, up

from . import drtm, fig3
from .demo import Demo
from .report import Report, Step
from .script import Script

SCRIPTS = {script.topology: script for script in (fig3.SCRIPT, drtm.SCRIPT)}


def bring_up(demo_report: Report, script: Script, name: str, scratch: Path) -> Demo | None:
    """The first step: the lab. None when it did not come up."""
    made: list[Demo] = []

    def work(step: Step) -> None:
        begin = time.monotonic()
        step.command("#", f"ivip lab up {script.topology}")
        lab = up(find_topology(script.topology), name, step.show)
        made.append(Demo(lab, scratch))
        count = len(lab.topology.nodes)
        step.measured(f"{count} nodes, {len(lab.topology.links)} links, BGP and Ivip ready in "
                      f"{time.monotonic() - begin:.1f} s")

    demo_report.step(script.first, work)
    return made[0] if made else None


def take_down(demo_report: Report, name: str) -> None:
    """The last step: nothing is left."""
    def work(step: Step) -> None:
        step.command("#", f"ivip lab down {name}")
        down(name)
        step.expect(not Record(name).exists(), "no namespace, process or file is left")
        step.measured("nothing left behind")

    demo_report.step("Down again", work)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="lab/demo", description="Brings up a topology, measures what Ivip does in it, and takes "
        "it down. Exit status 0 only when every step held.")
    parser.add_argument("topology", nargs="?", default="fig3", choices=sorted(SCRIPTS),
                        help="what to show (fig3)")
    parser.add_argument("--name", help="name of the lab (demo-TOPOLOGY)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results as JSON")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table as Markdown")
    parser.add_argument("--only", metavar="WORDS", action="append",
                        help="only steps whose title holds this (may be repeated)")
    parser.add_argument("--quick", action="store_true", help="shorter steps, where there are any")
    parser.add_argument("--keep", action="store_true", help="leave the lab up at the end")
    arguments = parser.parse_args()
    script = SCRIPTS[arguments.topology]
    name = arguments.name or f"demo-{script.topology}"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if os.geteuid() != 0:
        print("demo: namespaces need root: sudo make demo", file=sys.stderr)
        return 1

    report = Report()
    scratch = Path(tempfile.mkdtemp(prefix="ivip-demo-"))
    try:
        if Record(name).exists():
            down(name)  # of a demo that was killed
        demo = bring_up(report, script, name, scratch)
        steps = script.quick if arguments.quick and script.quick else script.steps
        for title, work in steps if demo else []:
            if not arguments.only or any(words in title for words in arguments.only):
                report.step(title, partial(work, demo))
        if demo and not arguments.keep:
            take_down(report, name)
    except Problem as problem:
        print(f"demo: {problem}", file=sys.stderr)
        return 1
    finally:
        if not arguments.keep and Record(name).exists():
            down(name)
        shutil.rmtree(scratch, ignore_errors=True)
    report.print_table()
    if arguments.json:
        report.write_json(arguments.json)
    if arguments.markdown:
        arguments.markdown.write_text(report.markdown(), encoding="utf-8")
    return 0 if report.held else 1
