"""Destinations that nobody asked for yet: what the first packet to one takes shows who can be asked.

One end-user network's space is divided into micronets of single addresses; its host answers for all
of them.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator

from ivip_lab.namespace import run_ip

from . import tools
from .demo import Demo
from .report import NotHeld, Step
from .traffic import COMMANDER

PATIENCE_SECONDS = 5
INTERVAL_SECONDS = 0.1        # between packets, until one is answered


def make_destinations(demo: Demo, network: str, host: str) -> Iterator[str]:
    """The addresses of a network, each to be used once for each query server that is asked."""
    whole = ipaddress.ip_network(demo.micronet(4, network))
    etr = demo.address(demo.etr_of(network, 4), 4)
    commands: list[dict] = [{"do": "map", "micronet": str(whole), "etr": "zero"},
                            {"do": "delete", "micronet": str(whole)}]
    commands += [{"do": "define", "micronet": f"{address}/32", "etr": etr} for address in whole]
    tools.must(tools.user(demo.lab, COMMANDER, demo.owner(network), "apply", "-",
                          text=json.dumps(commands)))
    run_ip(["-n", demo.lab.namespace(host), "route", "replace", "local", str(whole), "dev", "lo"])
    return iter([str(address) for address in whole])


def first_ms(demo: Demo, source: str, address: str) -> float:
    """Sends packets to a new destination until one is answered: milliseconds from the first packet
    to the first answer."""
    # With both -c and -w, it goes on until one answer came.
    output = tools.run(demo.lab, source, "ping", "-n", "-c", "1", "-w", str(PATIENCE_SECONDS),
                       "-i", str(INTERVAL_SECONDS), address).stdout
    found = re.search(r"icmp_seq=(\d+) .*time=([\d.]+) ms", output)
    if found is None:
        raise NotHeld(f"{source} had no answer from {address}, which nobody asked for before, "
                      f"within {PATIENCE_SECONDS} s")
    return (int(found.group(1)) - 1) * INTERVAL_SECONDS * 1000 + float(found.group(2))


def show_first(demo: Demo, step: Step, sources: list[str], unasked: Iterator[str]) -> float:
    """The same from several hosts, one after the other, shown; returns the longest."""
    times = {source: first_ms(demo, source, next(unasked)) for source in sources}
    step.show("first packet to a destination that nobody asked for before, answered after: "
              + ", ".join(f"{source} {ms:.0f} ms" for source, ms in times.items()))
    return max(times.values())
