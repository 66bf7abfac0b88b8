"""The steps on faults of the query system: servers killed, DNS silent or changed, alive checks lost."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from functools import partial

from ivip_lab import dns, ivip
from ivip_lab.lab import Lab
from ivip_lab.namespace import enter
from ivip_lab.ports import PORT_QUERY
from ivip_lab.problem import Problem

from . import tools
from .demo import Demo
from .drtm_told import (FLOWS, QSRS, discovery, eventually, first_of_fresh, qsas_of,
                        reaches_everyone, served)
from .report import NotHeld, Step
from .told import listening
from .traffic import PAUSE_SECONDS, Flow, Traffic, flowing, move, report

# docs/query.md, "How stale a mapping can be": what a dead server told is used no longer than that.
DEAD_SERVER_SECONDS = 13.0
QUESTIONS_TO_NOTICE = 3     # so many without an answer, and a server is checked at once
ALIVE_REPLY = 8


# ---- servers killed


def follow_after_death(step: Step, traffic: Traffic, network: str, family: int) -> float:
    """Changes a mapping that a server which just died cannot tell of any more; returns the longest
    time until everyone followed, in seconds."""
    change = traffic.change(network, family, DEAD_SERVER_SECONDS)
    done = traffic.followed(change)
    step.show(f"{change.command}, which nobody can be told of: followed after "
              + ", ".join(f"{source} {ms / 1000:.1f} s" for source, ms in done.items()))
    return max(done.values()) / 1000


def killed(demo: Demo, step: Step, victim: str, ask: bool) -> None:
    """Kills a query server under traffic. With `ask`, new destinations are asked for at once, often
    enough that its death is noticed; otherwise a mapping is changed first, and only silence tells."""
    lab = demo.lab
    stale = 0.0
    with flowing(demo, f"killed-{victim}", FLOWS) as traffic:
        step.command(victim, "kill -9 (its process)")
        ivip.kill_node(lab, victim)
        try:
            if not ask:
                stale = follow_after_death(step, traffic, "N5", 4)
            first = max(first_of_fresh(demo, step, ["H1", "H3", "H4"])
                        for _ in range(QUESTIONS_TO_NOTICE if ask else 1))
            if ask:
                stale = follow_after_death(step, traffic, "N5", 4)
            without = reaches_everyone(step, traffic)
        finally:
            ivip.start_node(lab, victim)
        ivip.await_nodes(lab, [victim])
        step.show(f"{victim} is back")
        again = reaches_everyone(step, traffic)
    words = report(step, traffic.outcome())
    step.measured(f"new destinations answered within {first:.0f} ms; a change at its death followed "
                  f"after {stale:.1f} s, others after {max(without, again):.0f} ms; {words}",
                  first_ms=first, stale_s=stale, without_ms=without, again_ms=again)


def qsa_killed(demo: Demo, step: Step, ask: bool) -> None:
    """The QSA that tells the QSRs where N5 is."""
    with listening(demo, "tellers", list(QSRS)) as told:
        move(demo, "N5", 4)
        time.sleep(PAUSE_SECONDS)
    tellers = {name for qsr in QSRS for name in told.tellers(qsr, demo.micronet(4, "N5"))}
    if not tellers:
        raise NotHeld("no QSA told a QSR of a change")
    killed(demo, step, min(tellers), ask)


def qsr_killed(demo: Demo, step: Step, ask: bool) -> None:
    """The QSR that most was learned from."""
    victim = max(QSRS, key=lambda qsr: tools.total(demo.lab, qsr, "ivip_query_told"))
    killed(demo, step, victim, ask)


# ---- DNS


@contextlib.contextmanager
def dns_silent(demo: Demo, step: Step) -> Iterator[None]:
    """No server of DNS runs during the block; afterwards waits until all QSRs heard from one again."""
    lab = demo.lab
    for server in dns.servers(lab):
        step.command(server, "kill (NSD)")
        dns.stop_server(lab, server)
    try:
        yield
    finally:
        for server in dns.servers(lab):
            dns.start_server(lab, server)
    secure = {qsr: discovery(demo, qsr)["answers"]["secure"] for qsr in QSRS}
    seconds = eventually("the QSRs hear from DNS again", lambda: all(
        discovery(demo, qsr)["answers"]["secure"] > secure[qsr] for qsr in QSRS))
    step.show(f"DNS is back; heard again after {seconds:.1f} s")


def dns_down(demo: Demo, step: Step) -> None:
    failed = {qsr: discovery(demo, qsr)["answers"]["failed"] for qsr in QSRS}
    with flowing(demo, "dns", FLOWS) as traffic:
        with dns_silent(demo, step):
            missed = eventually("the QSRs miss DNS", lambda: all(
                discovery(demo, qsr)["answers"]["failed"] > failed[qsr] for qsr in QSRS))
            first = first_of_fresh(demo, step, ["H1", "H3"])
            without = reaches_everyone(step, traffic)
        again = reaches_everyone(step, traffic)
    words = report(step, traffic.outcome())
    step.measured(f"missed after {missed:.1f} s; new destinations answered within {first:.0f} ms, "
                  f"changes followed within {max(without, again):.0f} ms; {words}",
                  missed_s=missed, first_ms=first)


def follows(demo: Demo, mabs: int, gone: str | None) -> bool:
    """True when all QSRs know so many MABs, and know a QSA of acme or know it no more."""
    for qsr in QSRS:
        names = {server["node"] for server in qsas_of(demo, qsr, "acme")}
        if discovery(demo, qsr).get("mabs") != mabs or (gone in names if gone else len(names) < 3):
            return False
    return True


def itrs_follow(demo: Demo, mabs: int) -> bool:
    """True when all ITRs that learn the MABs know so many and serve them."""
    for node in demo.lab.topology.with_role("itr"):
        if node.roles["itr"].domain:
            if served(demo, node.name) != (mabs, mabs):
                return False
    return True


def pids(demo: Demo) -> dict[str, set[int]]:
    return {node.name: {process.pid for process in demo.lab.processes(node.name)}
            for node in ivip.ivip_nodes(demo.lab)}


def publish(demo: Demo, step: Step, listed: dict, gone: str | None, wait_for_itrs: bool) -> float:
    """Has DNS list other MABs, and a QSA no more; returns the seconds until the QSRs followed."""
    count = sum(len(dsoc["mabs"]) for dsoc in listed["dsocs"])
    begin = time.monotonic()
    dns.publish_mabs(demo.lab, listed)
    seconds = eventually("the QSRs follow", lambda: follows(demo, count, gone))
    step.show(f"{count} MABs: the QSRs followed after {seconds:.1f} s")
    if wait_for_itrs:
        eventually("the ITRs follow", lambda: itrs_follow(demo, count))
        step.show(f"and the ITRs, which learn them from QSC and QSRs, after "
                  f"{time.monotonic() - begin:.1f} s")
    return seconds


def zone_changed(demo: Demo, step: Step, wait_for_itrs: bool) -> None:
    """A MAB and the QSA that is asked most are taken out of the zone, then listed again."""
    lab = demo.lab
    whole = dns.mab_list(lab)
    flows = [*FLOWS, Flow("H2", "IH7", 4)]
    mab = next(str(mab) for mab in lab.topology.dsocs["acme"].mabs
               if demo.lab.plan.address("IH7") in mab)
    gone = qsas_of(demo, "QSR1", "acme")[0]["node"]
    less = dns.mab_list(lab)
    acme = next(dsoc for dsoc in less["dsocs"] if dsoc["label"] == "acme")
    acme["mabs"].remove(mab)
    acme["qsas"] = [qsa for qsa in acme["qsas"] if qsa["name"] != gone.lower()]
    before = pids(demo)
    with flowing(demo, "zone", flows) as traffic:
        try:
            step.command("DNS", f"ivip zone      (without {mab} and {gone}), ldns-signzone, kill -HUP")
            withdrawn = publish(demo, step, less, gone, wait_for_itrs)
            with listening(demo, "zone-messages", list(QSRS)) as told:
                without = reaches_everyone(step, traffic)
            asked = sum(told.requests(qsr, gone) for qsr in QSRS)
            step.expect(asked == 0, f"{gone} is asked nothing more")
        finally:
            step.command("DNS", f"ivip zone      (with {mab} and {gone} again)")
            added = publish(demo, step, whole, None, wait_for_itrs)
        first = first_of_fresh(demo, step, ["H1", "H3"])
        again = reaches_everyone(step, traffic)
    step.expect(pids(demo) == before, "nothing was restarted")
    words = report(step, traffic.outcome(), may_lose=True)
    step.measured(f"withdrawn: followed after {withdrawn:.1f} s, added: {added:.1f} s; {mab} answered "
                  f"after {first:.0f} ms, changes followed within {max(without, again):.0f} ms; {words}",
                  withdrawn_s=withdrawn, added_s=added)


# ---- alive checks


def nft(lab: Lab, node: str, script: str) -> str:
    done = subprocess.run([*enter(lab.namespace(node)), "nft", "-f", "-"], input=script,
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Problem(f"nft on {node}: {done.stderr.strip()}")
    return done.stdout


@contextlib.contextmanager
def losing(lab: Lab, nodes: list[str], kind: int) -> Iterator[None]:
    """Those nodes receive no query message of that type during the block."""
    # The type is the fourth octet behind the UDP header.
    rule = f"udp sport {PORT_QUERY} @th,88,8 {kind} counter drop"
    try:
        for node in nodes:
            nft(lab, node, "table inet lost {\nchain input {\n"
                           f"type filter hook input priority 0\n{rule}\n}}\n}}\n")
        yield
    finally:
        for node in nodes:
            subprocess.run([*enter(lab.namespace(node)), "nft", "delete", "table", "inet", "lost"],
                           capture_output=True, check=False)


def alive_lost_without_dns(demo: Demo, step: Step) -> None:
    """Both at once."""
    with dns_silent(demo, step):
        alive_lost(demo, step, rounds=1)


def alive_lost(demo: Demo, step: Step, rounds: int) -> None:
    """The QSC gets no answer to any alive check; nothing else is lost. (ITRs need none while they ask for
    the MABs that they serve.)"""
    nodes = ["QSC1"]

    def lost(node: str) -> float:
        return tools.total(demo.lab, node, "ivip_querier_upstreams_total", what="lost")

    def given_up(number: int) -> bool:
        return all(lost(node) >= before[node] + number for node in nodes)

    before = {node: lost(node) for node in nodes}
    with flowing(demo, "alive", FLOWS) as traffic:
        step.command(", ".join(nodes), "nft ... drop      (Alive Replies, and nothing else)")
        begin = time.monotonic()
        with losing(demo.lab, nodes, ALIVE_REPLY):
            for number in range(rounds):
                eventually("servers count as lost", partial(given_up, number + 1))
                if number == 0:
                    noticed = time.monotonic() - begin
                without = reaches_everyone(step, traffic)
        again = reaches_everyone(step, traffic)
    for node in nodes:
        step.show(f"{node}: {lost(node) - before[node]:.0f} servers given up")
    words = report(step, traffic.outcome())
    step.measured(f"given up after {noticed:.1f} s, asked elsewhere; changes followed within "
                  f"{max(without, again):.0f} ms; {words}", noticed_s=noticed)
