"""The demo of distributed real time mapping: found through DNS, told of changes, whatever breaks."""

from __future__ import annotations

from functools import partial

from . import drtm_faults, drtm_forged, drtm_told
from .script import Script

SCRIPT = Script("drtm", "The lab: two DSOCs with two sites each, and an ISP", [
    ("Servers found through DNS, nearest first", drtm_told.found),
    ("First packets: held while ITR, QSC, QSR and QSA ask", drtm_told.first_packets),
    ("A change is told to those who cached it, and nobody else", partial(drtm_told.told_alone, count=5)),
    ("A QSA killed", partial(drtm_faults.qsa_killed, ask=False)),
    ("A QSR killed", partial(drtm_faults.qsr_killed, ask=False)),
    ("DNS down", drtm_faults.dns_down),
    ("The zone changed: a MAB and a QSA withdrawn, then added", drtm_faults.zone_changed),
    ("Alive checks lost", partial(drtm_faults.alive_lost, rounds=2)),
    ("Forged replies and updates", partial(drtm_forged.forged, seconds=8)),
])
