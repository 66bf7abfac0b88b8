"""The step on forged messages: a host of the ISP sends Map Replies and Cache Updates in the name of
its query servers, to all who ask them, as fast as it can."""

from __future__ import annotations

import ipaddress
import itertools
import json
import signal
import subprocess
from pathlib import Path

from ivip_lab.namespace import run_ip
from ivip_lab.ports import PORT_QUERY
from ivip_lab.problem import Problem

from . import tools
from .demo import Demo
from .drtm_told import FLOWS, first_of_fresh, reaches_everyone
from .report import Step
from .told import listening
from .traffic import flowing, report

FORGER = "EVIL"
FORGER_PROGRAM = Path(__file__).with_name("forger.py")
# In whose name, and to whom. Nobody is in both columns, as the forger has the addresses of the first.
LIES = [("QSC1", "ITR1"), ("QSC1", "ITR2"), ("QSR1", "ITR3"), ("A1QSA1", "QSR2")]
RATE = 60_000               # messages a second: some 60 Mbit/s
NETWORKS = (("N5", 4), ("N6", 4), ("N6", 6))


def query_ports(demo: Demo, step: Step) -> dict[str, set[int]]:
    """The ports that the victims ask from. A forger who cannot see packets would have to guess those
    of ITRs too."""
    victims = sorted({victim for _server, victim in LIES})
    with listening(demo, "ports", victims) as told:
        first_of_fresh(demo, step, ["H1", "H2", "H3"])
    return {victim: told.ports(victim) or {PORT_QUERY} for victim in victims}


def plan_of_lies(demo: Demo, ports: dict[str, set[int]]) -> list[dict]:
    """Each says, over either family, that N5 and N6 are at the forger's own address."""
    plan = []
    for server, victim in LIES:
        for carrier in (4, 6):
            for (network, family), port in itertools.product(NETWORKS, ports[victim]):
                prefix = ipaddress.ip_network(demo.micronet(family, network))
                shift = 0 if family == 4 else 64
                plan.append({
                    "source": demo.address(server, carrier), "source_port": PORT_QUERY,
                    "target": demo.address(victim, carrier), "target_port": port, "family": family,
                    "first": int(prefix.network_address) >> shift,
                    "units": prefix.num_addresses >> shift,
                    "etr": demo.address(FORGER, family)})
    return plan


def take_addresses(demo: Demo, plan: list[dict]) -> None:
    for source in sorted({entry["source"] for entry in plan}):
        run_ip(["-n", demo.lab.namespace(FORGER), "address", "replace", source, "dev", "lo",
                *(["nodad"] if ":" in source else [])])


def dropped(demo: Demo, node: str) -> float:
    return tools.total(demo.lab, node, "ivip_querier_dropped_total")


def forged(demo: Demo, step: Step, seconds: float) -> None:
    plan = plan_of_lies(demo, query_ports(demo, step))
    take_addresses(demo, plan)
    victims = sorted({victim for _server, victim in LIES})
    before = {node: dropped(demo, node) for node in victims}
    with flowing(demo, "forged", FLOWS, elsewhere=(FORGER,)) as traffic:
        step.command(FORGER, f"forger.py {RATE}      (Map Replies and Cache Updates: "
                             "N5 and N6 are at EVIL)")
        with subprocess.Popen(
                demo.lab.command_in(FORGER, ["/usr/bin/python3", str(FORGER_PROGRAM), str(RATE)]),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as forger:
            try:
                assert forger.stdin is not None and forger.stdout is not None
                forger.stdin.write(json.dumps(plan))
                forger.stdin.close()
                traffic.wait(seconds / 2)
                during = reaches_everyone(step, traffic)
                first = first_of_fresh(demo, step, ["H1", "H3"])
                traffic.wait(seconds / 2)
            finally:
                forger.send_signal(signal.SIGINT)
            said = forger.stdout.read()
        if forger.returncode != 0:
            raise Problem(f"the forger ended with {forger.returncode}")
        again = reaches_everyone(step, traffic)
    result = json.loads(said)
    refused = {node: dropped(demo, node) - before[node] for node in victims}
    rate = result["sent"] / result["seconds"]
    step.show(f"{result['sent']} forged messages, {rate:.0f} a second; read and refused: "
              + ", ".join(f"{node} {count:.0f}" for node, count in refused.items()))
    step.expect(all(refused.values()), "every victim read forged messages and refused them")
    words = report(step, traffic.outcome(), may_lose=True)
    step.measured(f"{rate / 1000:.0f} k forged messages a second, {sum(refused.values()) / 1000:.0f} k "
                  f"read, none believed; meanwhile changes followed within {during:.0f} ms, new "
                  f"destinations answered within {first:.0f} ms, afterwards {again:.0f} ms; {words}",
                  forged=result["sent"], rate=rate, refused=refused)
