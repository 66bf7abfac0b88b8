"""The demo of distributed real time mapping: found through DNS, told of changes, whatever breaks."""

from __future__ import annotations

from functools import partial

from . import drtm_told
from .script import Script

SCRIPT = Script("drtm", "The lab: two DSOCs with two sites each, and an ISP", [
    ("Servers found through DNS, nearest first", drtm_told.found),
    ("First packets: held while ITR, QSC, QSR and QSA ask", drtm_told.first_packets),
    ("A change is told to those who cached it, and nobody else", partial(drtm_told.told_alone, count=5)),
])
