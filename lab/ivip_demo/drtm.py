"""The demo of distributed real time mapping: found through DNS, told of changes, whatever breaks."""

from __future__ import annotations

from functools import partial

from . import drtm_faults, drtm_forged, drtm_told, drtm_usage
from .script import Script, Work


def steps(quick: bool) -> list[tuple[str, Work]]:
    """The steps in their order. Quick: shorter, faults are noticed sooner, and two that mostly wait are
    one."""
    waiting: list[tuple[str, Work]] = [
        ("Alive checks lost while DNS is down", drtm_faults.alive_lost_without_dns),
    ] if quick else [
        ("DNS down", drtm_faults.dns_down),
        ("Alive checks lost", partial(drtm_faults.alive_lost, rounds=2)),
    ]
    return [
        ("Servers found through DNS, nearest first", drtm_told.found),
        ("First packets: held while ITR, QSC, QSR and QSA ask", drtm_told.first_packets),
        ("A change is told to those who cached it, and nobody else",
         partial(drtm_told.told_alone, count=1 if quick else 5)),
        ("A QSA killed", partial(drtm_faults.qsa_killed, ask=quick)),
        ("A QSR killed", partial(drtm_faults.qsr_killed, ask=quick)),
        *waiting,
        ("The zone changed: a MAB and a QSA withdrawn, then added",
         partial(drtm_faults.zone_changed, wait_for_itrs=not quick)),
        ("Forged replies and updates", partial(drtm_forged.forged, seconds=1 if quick else 8)),
        ("A DITR site: usage reported to the RUAS, both killed",
         partial(drtm_usage.site_usage, pause=0 if quick else 3)),
    ]


SCRIPT = Script("drtm", "The lab: two DSOCs with two sites each, and an ISP", steps(False), steps(True))
