"""The demo of figure 3: paths, mapping changes, faults."""

from __future__ import annotations

from functools import partial

from . import moves, steps
from .script import Script

MOVES = {4: 20, 6: 10}

SCRIPT = Script("fig3", "The lab: figure 3 in network namespaces", [
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
])
