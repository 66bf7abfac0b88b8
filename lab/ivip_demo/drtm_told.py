"""The steps on asking and being told: servers found through DNS, first packets, mapping changes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import yaml
from ivip_lab import ivip

from . import tools
from .demo import Demo
from .fresh import make_destinations, show_first
from .report import NotHeld, Step
from .told import counted_updates, listening, queriers
from .traffic import Flow, Traffic, flowing, report

QSRS = ("QSR1", "QSR2")
# Through each ITR of the ISP and through the DITRs, to both operators' space, over both families.
FLOWS = [Flow("H1", "IH5", 4), Flow("H2", "IH6", 6), Flow("H3", "IH5", 4), Flow("H3", "IH6", 4),
         Flow("H4", "IH5", 4)]
PATIENCE_SECONDS = 30.0
SETTLE_SECONDS = 0.3


def eventually(what: str, condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> float:
    """Waits for a condition; returns the seconds it took. Raises NotHeld."""
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > seconds:
            raise NotHeld(f"waited {seconds:g} s in vain: {what}")
        time.sleep(0.05)
    return time.monotonic() - begin


# ---- discovery


def discovery(demo: Demo, qsr: str) -> dict:
    """What a QSR says it found through DNS; {} while it does not answer."""
    return ivip.status(demo.lab, qsr).get("roles", {}).get("qsr", {}).get("discovery", {})


def server_node(demo: Demo, server: str) -> str:
    """The node at an address and port."""
    address = server.rsplit(":", 1)[0].strip("[]")
    return next(name for name, plan in demo.lab.plan.nodes.items()
                if address in map(str, plan.addresses.values()))


def qsas_of(demo: Demo, qsr: str, dsoc: str) -> list[dict]:
    """The QSAs of a DSOC as a QSR sees them, those it prefers first: node, response, what is cached."""
    return [server | {"node": server_node(demo, server["server"])}
            for server in discovery(demo, qsr).get("dsocs", {}).get(dsoc, [])]


def served(demo: Demo, itr: str) -> tuple[int, int]:
    """How many MABs an ITR knows, and how many of them it serves."""
    mabs = ivip.status(demo.lab, itr).get("roles", {}).get("itr", {}).get("mabs", [])
    return len(mabs), sum(mab["served"] for mab in mabs)


def found(demo: Demo, step: Step) -> None:
    topology = demo.lab.topology
    for node in ("ITR1", "ITR3", "QSC1", "QSR1"):
        config = yaml.safe_load(ivip.config_file(demo.lab, node).read_text(encoding="utf-8"))
        section = "itr" if "itr" in config else "qsr"
        step.show(f"{node}'s config: {section}: "
                  + yaml.safe_dump(config[section], default_flow_style=True, width=200).strip())
    nearest: dict[str, set[str]] = {}
    for qsr in QSRS:
        def measured(qsr: str = qsr) -> bool:
            return all(server["response_ms"] is not None for dsoc in topology.dsocs
                       for server in qsas_of(demo, qsr, dsoc)) and bool(discovery(demo, qsr))

        eventually(f"{qsr} measured all QSAs", measured)
        seen = discovery(demo, qsr)
        step.expect(seen["mabs"] == len(topology.mabs), f"{qsr} knows all MABs")
        step.expect(seen["answers"]["secure"] > 0
                    and not seen["answers"]["bogus"] + seen["answers"]["insecure"],
                    "all that DNS said was signed and validated")
        for dsoc in topology.dsocs:
            servers = qsas_of(demo, qsr, dsoc)
            step.show(f"{qsr}, {dsoc}: " + ", ".join(
                f"{server['node']} {server['response_ms']:.1f} ms" for server in servers))
            times = [server["response_ms"] for server in servers]
            step.expect(times[0] <= 1.25 * min(times) + 1, f"{qsr} prefers a near QSA of {dsoc}")
            wanted = {node.name for node in topology.with_role("qsa")
                      if node.network in topology.dsocs[dsoc].sites}
            step.expect({server["node"] for server in servers} == wanted,
                        f"{qsr} knows all QSAs of {dsoc}")
            nearest.setdefault(dsoc, set()).add(servers[0]["node"])
    step.measured(f"{len(topology.mabs)} MABs of {len(topology.dsocs)} DSOCs; nearest: " + ", ".join(
        f"{dsoc} {' or '.join(sorted(names))}" for dsoc, names in nearest.items()))


# ---- first packets


def first_packets(demo: Demo, step: Step) -> None:
    """Held while the ITR asks, its QSC, its QSR, and a QSA."""
    first, later = {}, {}
    for flow in FLOWS:
        answer = tools.ping(demo.lab, flow.source, flow.target, flow.family, count=5)
        step.show(f"{flow}: first {answer.first_ms:.1f} ms, then {answer.least_ms:.1f} ms"
                  if answer.first_ms else f"{flow}: {answer}")
        step.expect(answer.lost == 0, f"every packet answered, the first one too: {flow}")
        first[str(flow)], later[str(flow)] = answer.first_ms or 0.0, answer.least_ms
    worst = first_of_fresh(demo, step, ["H1", "H3", "H4"])
    longest = max(first, key=lambda flow: first[flow] - later[flow])
    step.measured(f"longest wait for a mapping {first[longest] - later[longest]:.1f} ms ({longest})",
                  first_ms=first, later_ms=later, fresh_ms=worst)


def first_of_fresh(demo: Demo, step: Step, sources: list[str]) -> float:
    """The longest time, of several hosts, to the first answer from a new destination; milliseconds."""
    if demo.unasked is None:
        demo.unasked = make_destinations(demo, "N7", "IH7")
    return show_first(demo, step, sources, demo.unasked)


# ---- changes


def reaches_everyone(step: Step, traffic: Traffic) -> float:
    """Changes one mapping of each operator; waits until every flow follows; returns the longest time
    from an acknowledgement to the first packet by the new ETR, in milliseconds."""
    worst = 0.0
    for network, family in (("N5", 4), ("N6", 6), ("N6", 4)):
        change = traffic.change(network, family)
        done = traffic.followed(change)
        worst = max([worst, *done.values()])
        step.show(f"{change.command}: followed after "
                  + ", ".join(f"{source} {ms:.1f} ms" for source, ms in done.items()))
    return worst


def told_alone(demo: Demo, step: Step, count: int) -> None:
    """A change is told to everyone who cached the mapping and to nobody else."""
    cached = {"N5": {"ITR1", "ITR3", "QSC1", "A1DITR1", "A1QSC"}, "N6": {"ITR2", "QSC1"}}
    family = {"N5": 4, "N6": 6}
    before = {node: counted_updates(demo, node) for node in queriers(demo)}
    times: list[float] = []
    with flowing(demo, "told", FLOWS) as traffic, listening(demo, "told-messages") as told:
        for _ in range(count):
            for network in cached:
                change = traffic.change(network, family[network])
                times += traffic.followed(change).values()
                time.sleep(SETTLE_SECONDS)
    taken = {node: counted_updates(demo, node) - before[node] for node in queriers(demo)}
    step.show(f"{count} changes of N5's IPv4 mapping, {count} of N6's IPv6 mapping; Cache Updates:")
    step.show(f"{'node':10}{'about N5':>10}{'about N6':>10}{'taken, as it counts':>22}")
    qsr_told = {network: 0 for network in cached}
    for node in queriers(demo):
        about = {network: told.updates(node, demo.micronet(family[network], network))
                 for network in cached}
        step.show(f"{node:10}{about['N5']:10}{about['N6']:10}{taken[node]:22.0f}")
        for network, got in about.items():
            if node in QSRS:
                qsr_told[network] += bool(got)
                continue
            if node in cached[network]:
                step.expect(got >= count, f"{node} was told of every change of {network}")
            else:
                step.expect(got == 0, f"{node}, which did not ask, was told nothing of {network}")
        step.expect(taken[node] == sum(count for network in cached if node in cached[network])
                    or node in QSRS, f"{node} took one update for each change it cached")
        step.expect(told.updates(node) == sum(about.values()), f"{node} was told of nothing else")
    for network, number in qsr_told.items():
        step.expect(number >= 1, f"a QSR was told of {network}")
    outcome = traffic.outcome()
    words = report(step, outcome)
    step.measured(f"median {statistics.median(times):.1f} ms, worst {max(times):.1f} ms to the first "
                  f"packet by the new ETR; {words}", follow_ms=times)
