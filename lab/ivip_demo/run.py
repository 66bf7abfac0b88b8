"""The command: `make demo`."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ivip_lab import lab as engine
from ivip_lab.problem import Problem
from ivip_lab.record import Record
from ivip_lab.topology import find_topology

from . import moves, steps
from .report import Report, Step
from .steps import Demo

MOVES = {4: 20, 6: 10}

STEPS: list[tuple[str, Callable[[Demo, Step], None]]] = [
    ("Conventional hosts: H1 to H6, no Ivip involved", steps.conventional),
    ("H1, in a network without Ivip, to IH9 through the DITR", steps.through_ditr),
    ("The path as traceroute sees it", steps.trace_tunnel),
    ("H3 to IH9 through its own network's caching ITR", steps.through_own_itr),
    ("The way back: IH9 to H1, no tunnel", steps.reverse),
    ("Networks without an ITR: N1 and N3", steps.without_itr),
    ("Every host to every SPI host", steps.everyone),
    ("Packets that no longer fit: path MTU", steps.path_mtu),
    ("Transfers: curl and iperf3", steps.transfers),
    (f"ivip map under traffic, {MOVES[4]} times", partial(moves.moves, family=4, count=MOVES[4])),
    (f"The same over IPv6, {MOVES[6]} times", partial(moves.moves, family=6, count=MOVES[6])),
    ("A micronet split between two ETRs", moves.engineering),
    ("Mapped to zero and back", moves.zero_and_back),
    ("Wrong commands", moves.wrong_commands),
    ("The RUAS killed and restarted under traffic", moves.ruas_killed),
    ("N5's link to N3 cut: one command restores it", moves.link_cut),
]


def bring_up(demo_report: Report, name: str, scratch: Path) -> Demo | None:
    """The first step: the lab. None when it did not come up."""
    made: list[Demo] = []

    def work(step: Step) -> None:
        begin = time.monotonic()
        step.command("#", "ivip lab up fig3")
        lab = engine.up(find_topology("fig3"), name, step.show)
        made.append(Demo(lab, scratch))
        count = len(lab.topology.nodes)
        step.measured(f"{count} nodes, {len(lab.topology.links)} links, BGP and Ivip ready in "
                      f"{time.monotonic() - begin:.1f} s")

    demo_report.step("The lab: figure 3 in network namespaces", work)
    return made[0] if made else None


def take_down(demo_report: Report, name: str) -> None:
    """The last step: nothing is left."""
    def work(step: Step) -> None:
        step.command("#", f"ivip lab down {name}")
        engine.down(name)
        step.expect(not Record(name).exists(), "no namespace, process or file is left")
        step.measured("nothing left behind")

    demo_report.step("Down again", work)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="make demo", description="Brings up figure 3 and measures what Ivip does in it. "
        "Exit status 0 only when every step held.")
    parser.add_argument("--name", default="demo", help="name of the lab (demo)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results as JSON")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table as Markdown")
    parser.add_argument("--only", metavar="WORDS", action="append",
                        help="only steps whose title holds this (may be repeated)")
    parser.add_argument("--keep", action="store_true", help="leave the lab up at the end")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if os.geteuid() != 0:
        print("demo: namespaces need root: sudo make demo", file=sys.stderr)
        return 1

    report = Report()
    scratch = Path(tempfile.mkdtemp(prefix="ivip-demo-"))
    try:
        if Record(arguments.name).exists():
            engine.down(arguments.name)  # of a demo that was killed
        demo = bring_up(report, arguments.name, scratch)
        for title, work in STEPS if demo else []:
            if not arguments.only or any(words in title for words in arguments.only):
                report.step(title, partial(work, demo))
        if demo and not arguments.keep:
            take_down(report, arguments.name)
    except Problem as problem:
        print(f"demo: {problem}", file=sys.stderr)
        return 1
    finally:
        if not arguments.keep and Record(arguments.name).exists():
            engine.down(arguments.name)
        shutil.rmtree(scratch, ignore_errors=True)
    report.print_table()
    if arguments.json:
        report.write_json(arguments.json)
    if arguments.markdown:
        arguments.markdown.write_text(report.markdown(), encoding="utf-8")
    return 0 if report.held else 1
