"""The step on a DITR site: what its DITRs tunnelled is reported to the RUAS, each packet once."""

from __future__ import annotations

import ipaddress
from collections import Counter

from ivip_lab import control, ivip

from . import tools
from .capture import Capture, capturing
from .demo import Demo
from .drtm_told import eventually, served
from .report import Step
from .traffic import Flow, flowing, report, uplink

DSOC = "acme"
REPORTER = "A1DITR1"
QSC = "A1QSC"
SOURCE = "H4"               # in a network without ITR: DITRs tunnel its packets
FLOWS = [Flow(SOURCE, "IH5", 4), Flow(SOURCE, "IH5", 6), Flow(SOURCE, "IH7", 4)]
# docs/authority.md, "Usage": of the last batch of a process that is killed some may be counted that
# did not leave.
BATCH_PACKETS = 64
REPORT_SECONDS = 90.0       # tries are up to a minute apart
Usage = Counter[str]


def ditrs(demo: Demo) -> list[str]:
    sites = demo.lab.topology.dsocs[DSOC].sites
    return [node.name for node in demo.lab.topology.nodes.values()
            if node.is_ditr and node.network in sites]


def waiting(demo: Demo, ditr: str) -> float:
    """Reports that the RUAS has not acknowledged yet."""
    return tools.total(demo.lab, ditr, "ivip_itr_usage_waiting")


def all_served(demo: Demo, itr: str) -> bool:
    known, in_service = served(demo, itr)
    return known == in_service > 0


def all_reported(demo: Demo) -> bool:
    """True when nothing that any DITR counted is still to be reported."""
    for ditr in ditrs(demo):
        counted = control.ask_ivip(ivip.control_socket(demo.lab, ditr), {"command": "itr.usage"})
        if counted["usage"] or waiting(demo, ditr):
            return False
    return True


def reported(demo: Demo, by: str) -> tuple[Usage, Usage]:
    """Packets and octets by micronet or by DITR, as the RUAS has them."""
    names = {key: name for name, key in demo.lab.record.read_json("public_keys.json").items()}
    ruas = demo.lab.topology.dsocs[DSOC].ruas
    packets, octets = Usage(), Usage()
    for line in ivip.operator(demo.lab, ruas, ["usage", "--by", by])["usage"]:
        name = names[line["itr"]] if by == "itr" else line["micronet"]
        packets[name] += line["packets"]
        octets[name] += line["octets"]
    return packets, octets


def tunnelled(demo: Demo, got: dict[str, Capture]) -> tuple[Usage, Usage, Usage]:
    """What left the DITRs in tunnels, as captured: packets by DITR, packets and octets by micronet."""
    sources = {demo.address(SOURCE, family) for family in (4, 6)}
    names = {demo.address(flow.target, flow.family):
             demo.micronet(flow.family, demo.lab.topology.nodes[flow.target].network)
             for flow in FLOWS}
    by_ditr, packets, octets = Usage(), Usage(), Usage()
    for ditr in ditrs(demo):
        for packet in got[ditr].packets:
            if packet.tunnelled and packet.inner.source in sources:
                by_ditr[ditr] += 1
                packets[names[packet.inner.target]] += 1
                octets[names[packet.inner.target]] += packet.inner.length
    return by_ditr, packets, octets


def within(micronets: Usage, network: str) -> int:
    """The sum over the micronets of a network's space."""
    whole = ipaddress.ip_network(network)
    return sum(count for micronet, count in micronets.items()
               if ipaddress.ip_network(micronet.split("+")[0], strict=False).version == whole.version
               and ipaddress.ip_network(micronet.split("+")[0], strict=False).network_address in whole)


def site_usage(demo: Demo, step: Step, pause: float) -> None:
    """The RUAS, then a DITR, killed while usage is reported."""
    lab = demo.lab
    ruas = lab.topology.dsocs[DSOC].ruas
    step.show(f"{QSC} between DITRs and QSAs: "
              f"{tools.total(lab, QSC, 'ivip_query_queriers'):.0f} queriers, "
              f"{tools.total(lab, QSC, 'ivip_querier_cached'):.0f} ranges cached")
    eventually("earlier usage is reported", lambda: all_reported(demo), REPORT_SECONDS)
    before, before_octets = reported(demo, "micronet")
    before_ditr, _octets = reported(demo, "itr")
    places = [(ditr, uplink(demo, ditr)) for ditr in ditrs(demo)]
    with capturing(lab, demo.folder / "tunnelled", places, "ip proto 4 or ip6 proto 41") as got, \
            flowing(demo, "usage", FLOWS) as traffic:
        step.command(ruas, "kill -9 (its process)")
        ivip.kill_node(lab, ruas)
        try:
            held = eventually("reports wait", lambda: waiting(demo, REPORTER) > 0, REPORT_SECONDS)
            step.show(f"{REPORTER} has {waiting(demo, REPORTER):.0f} reports that nobody took, "
                      f"after {held:.1f} s")
            step.command(REPORTER, "kill -9 (its process)")
            ivip.kill_node(lab, REPORTER)
            ivip.start_node(lab, REPORTER)
            # Healthy it is only when its reports are taken.
            eventually(f"{REPORTER} serves its MABs", lambda: all_served(demo, REPORTER))
        finally:
            ivip.start_node(lab, ruas)
        ivip.await_nodes(lab, [ruas, REPORTER])
        step.show(f"{REPORTER} and {ruas} are back")
        traffic.wait(pause)
    took = eventually("all usage is reported", lambda: all_reported(demo), REPORT_SECONDS)
    compare(demo, step, got, (before, before_octets, before_ditr))
    words = report(step, traffic.outcome(), may_lose=True)
    step.measured(f"{step_totals(demo, got)}, all reported {took:.0f} s after the last; {words}",
                  report_s=took)


def step_totals(demo: Demo, got: dict[str, Capture]) -> str:
    by_ditr, packets, octets = tunnelled(demo, got)
    return (f"{sum(packets.values())} packets, {sum(octets.values())} octets by {len(by_ditr)} DITRs "
            "counted once")


def compare(demo: Demo, step: Step, got: dict[str, Capture],
            before: tuple[Usage, Usage, Usage]) -> None:
    """What was captured, and what the RUAS has more than before."""
    by_ditr, packets, octets = tunnelled(demo, got)
    after, after_octets = reported(demo, "micronet")
    after_ditr, _octets = reported(demo, "itr")
    for ditr in ditrs(demo):
        more = after_ditr[ditr] - before[2][ditr]
        step.show(f"{ditr}: {by_ditr[ditr]} packets left it, {more} reported")
        slack = BATCH_PACKETS if ditr == REPORTER else 0
        step.expect(by_ditr[ditr] <= more <= by_ditr[ditr] + slack,
                    f"what {ditr} tunnelled is reported, and once")
    ruas = demo.lab.topology.dsocs[DSOC].ruas
    step.command(ruas, "ivip usage --by micronet")
    for micronet in packets:
        more = within(after, micronet) - within(before[0], micronet)
        more_octets = within(after_octets, micronet) - within(before[1], micronet)
        step.show(f"{micronet}: {packets[micronet]} packets and {octets[micronet]} octets captured, "
                  f"{more} and {more_octets} reported")
        step.expect(packets[micronet] <= more <= packets[micronet] + BATCH_PACKETS,
                    f"every packet for {micronet} is reported once")
        step.expect(more_octets * packets[micronet] == octets[micronet] * more,
                    f"with its octets: {micronet}")
