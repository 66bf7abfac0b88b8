"""A lab and what runs on its nodes. up_down.py makes and removes it."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

from . import namespace
from .namespace import namespace_name
from .plan import Plan, make_plan
from .problem import Problem
from .process import Process
from .record import Record, labs
from .topology import Topology
from .topology_file import load_topology

WAIT_SECONDS = 30.0    # for BGP and for each Ivip node
POLL_SECONDS = 0.03
LOG_LINES_SHOWN = 5


class Lab:
    """A lab that is up, or on its way there."""

    def __init__(self, record: Record, topology: Topology, plan: Plan) -> None:
        self.record = record
        self.topology = topology
        self.plan = plan

    @property
    def name(self) -> str:
        return self.topology.name

    def namespace(self, node: str) -> str:
        return namespace_name(self.name, node)

    def command_in(self, node: str, command: list[str]) -> list[str]:
        """The command line that runs a command on a node, with the lab's names in /etc/hosts."""
        return [*namespace.enter(self.namespace(node), self.record.hosts_file), *command]

    def processes(self, node: str) -> list[Process]:
        return [process for process in self.record.journal.alive() if process.node == node]

    def start(self, node: str, program: str, command: list[str]) -> Process:
        """Starts a daemon on a node; its output goes to PROGRAM.log in the node's folder."""
        folder = self.record.node_folder(node)
        folder.mkdir(exist_ok=True)
        return self.record.journal.start(node, program,
                                         [*namespace.enter(self.namespace(node)), *command],
                                         folder / f"{program}.log")

    def end(self, node: str, program: str, how: signal.Signals) -> None:
        """Sends a signal to a program of a node and returns when it is gone."""
        for process in self.processes(node):
            if process.program == program:
                process.send(how)
                while process.alive():
                    time.sleep(0.005)

    def await_that(self, node: str, program: str, condition: Callable[[], bool]) -> None:
        """Waits for a condition; a problem with the end of the log when the program ended or the
        time is up."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not condition():
            running = any(process.program == program for process in self.processes(node))
            if not running or time.monotonic() > deadline:
                why = "has not become ready" if running else "ended"
                raise Problem(f"{program} on {node} {why}:{self.end_of_log(node, program)}")
            time.sleep(POLL_SECONDS)

    def end_of_log(self, node: str, program: str) -> str:
        log = self.record.node_folder(node) / f"{program}.log"
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines() \
            if log.exists() else []
        return "".join(f"\n  {line}" for line in lines[-LOG_LINES_SHOWN:]) or " its log is empty"


def open_lab(name: str | None) -> Lab:
    """A lab that is up: by name, or the only one. Raises Problem."""
    present = labs()
    if name is None:
        if len(present) != 1:
            raise Problem("no lab is up: ivip lab up fig3" if not present else
                          f"several labs are up; name one: {', '.join(present)}")
        name = present[0]
    record = Record(name)
    kept = record.read_json("lab.json")
    if not kept.get("complete"):
        state = "is there in part only: take it down with ivip lab down" if record.exists() \
            else "is not up" + (f"; up: {', '.join(present)}" if present else "")
        raise Problem(f"lab {name} {state}")
    topology = load_topology(record.topology_file, name)
    if kept.get("plain"):
        topology = topology.without_ivip()
    return Lab(record, topology, make_plan(topology))
