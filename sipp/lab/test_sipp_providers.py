# SPDX-License-Identifier: BSD-2-Clause
"""Providers and domains as autonomous systems of their own, joined by BGP.

        P ------- R            Every provider and domain is an autonomous system. F is a router
       / \\       / \\           inside E, which learns from E by Babel.
      D   \\     /   E - F
     /  \\  \\   /   /     \\
    H    `-- Q ---'       I
"""

import re
import subprocess

from sipp_lab import ICMP_ECHO, Lab, await_that

NAMES = """
P       0080:0000:0000:0000/32
Q       0040:0000:0000:0000/32
R       00c0:0000:0000:0000/32
P.r     +0xffff0001/32
Q.r     +0xffff0001/32
R.r     +0xffff0001/32
P.D     +1/16
Q.D     +2/16
P.D.r   +1/16
Q.D.r   +1/16
P.D.H   +7/16
Q.D.H   +7/16
Q.E     +1/16
R.E     +3/16
Q.E.r   +1/16
R.E.r   +1/16
Q.E.F   +5/8
R.E.F   +5/8
Q.E.F.r +1/8
R.E.F.r +1/8
Q.E.F.I +9/8
R.E.F.I +9/8
"""
SYSTEMS = {"P": 65001, "Q": 65002, "R": 65003, "D": 65011, "E": 65012, "F": 65012}
BETWEEN = [("D", "P"), ("D", "Q"), ("E", "Q"), ("E", "R"), ("P", "Q"), ("P", "R"), ("Q", "R")]


def domain(lab: Lab, name: str, subnet: str | None, *providers: str) -> None:
    """A domain's border router; with `subnet` hosts are on its link of that name."""
    lines = ["router", "learn"]
    for one in providers:
        lines += [f"level {one} inside", f"own {one}.{name}.r", f"offer {one}.{name}",
                  f"level {one}.{name} acts {subnet or ''}"]
        if subnet:
            lines.append(f"announce {subnet} {one}.{name}")
    lab.node(name, *lines)


def internet(lab: Lab) -> None:
    lab.names(NAMES)
    for name in "PQR":
        lab.node(name, "router", "learn", f"own {name}.r", f"level {name} acts", f"offer {name}")
    domain(lab, "D", "d-h", "P", "Q")
    domain(lab, "E", None, "Q", "R")
    lines = ["router", "learn"]
    for one in "QR":
        lines += [f"level {one} inside", f"level {one}.E inside", f"own {one}.E.F.r",
                  f"level {one}.E.F acts f-i", f"announce f-i {one}.E.F", f"offer {one}.E.F"]
    lab.node("F", *lines)
    lab.node("H", "host", "own P.D.H", "own Q.D.H")
    lab.node("I", "host", "own Q.E.F.I", "own R.E.F.I")
    for a, b in (*BETWEEN, ("D", "H"), ("E", "F"), ("F", "I")):
        lab.link(a, b)
    lab.start(stubs=("D", "E"), systems=SYSTEMS)
    for router in SYSTEMS:
        far = {"P.D.0", "Q.D.0"} if router != "D" else {"Q.E.0", "R.E.0"}
        lab.await_routes(router, *far, *({"P.0", "Q.0", "R.0"} - {f"{router}.0"}))
    lab.await_routes("E", "Q.E.F.0")
    # Neighbours use their link, not a detour that they may have heard of earlier.
    for a, b in BETWEEN:
        for one, other in ((a, b), (b, a)):
            name = f"{other}.0" if other in "PQR" else f"{one}.{other}.0"
            await_that(f"{one} and {other} are joined",
                       lambda: next_hop(lab, one, name) == lab.device(one, other))
    lab.await_ping("H", "ping", "Q.E.F.I")
    lab.await_ping("I", "ping", "P.D.H")
    for a, b in BETWEEN:
        lab.capture(a, b)


def passed(lab: Lab, *words: str) -> dict[tuple[str, str], list[str]]:
    """The links between systems that an echo of H crosses, with its sequence on each."""
    lab.forget_captured()
    shown = lab.tool("H", "-c", "1", *words)
    assert "1 of 1 answered" in shown, shown
    seen = {link: lab.sequences(*link, ICMP_ECHO) for link in BETWEEN}
    return {link: sequences for link, sequences in seen.items() if sequences}


def next_hop(lab: Lab, node: str, name: str) -> str | None:
    """The device of a node's route to a prefix."""
    found = re.search(rf" {re.escape(name)} +(\S+)", lab.routes(node))
    return None if found is None else found.group(1)


def paths(lab: Lab, node: str) -> str:
    """BGP's paths of autonomous systems at a node."""
    return subprocess.run(["birdc", "-s", lab.folder / f"{node}.bird.sock", "show", "route", "all"],
                          text=True, capture_output=True, check=True).stdout


def test_policy_routes_pick_the_provider(lab: Lab) -> None:
    internet(lab)
    through_p = passed(lab, "-v", "P.0", "ping", "Q.E.F.I")
    assert through_p["D", "P"] == ["P.D.H, *P.0, Q.E.F.I"]
    assert ("D", "Q") not in through_p
    through_q = passed(lab, "-v", "Q.0", "ping", "Q.E.F.I")
    assert through_q == {("D", "Q"): ["Q.D.H, *Q.0, Q.E.F.I"], ("E", "Q"): ["Q.D.H, Q.0, *Q.E.F.I"]}
    # Both ends choose: out through P, in through R.
    both = passed(lab, "-v", "P.0:R.0", "ping", "R.E.F.I")
    assert both == {("D", "P"): ["P.D.H, *P.0, R.0, R.E.F.I"],
                    ("P", "R"): ["P.D.H, P.0, *R.0, R.E.F.I"],
                    ("E", "R"): ["P.D.H, P.0, R.0, *R.E.F.I"]}
    # The domains are two systems apart from each other's providers, and carry nobody else's packets.
    assert re.search(r"BGP.as_path: 6500[23] 65012\n", paths(lab, "P"))
    assert not re.search(r"BGP.as_path: 6501[12] 6500", paths(lab, "P"))


def test_link_between_providers_fails(lab: Lab) -> None:
    internet(lab)
    before = passed(lab, "-v", "P.0", "ping", "Q.E.F.I")
    used = next(link for link in (("P", "Q"), ("P", "R")) if link in before)
    other = ("P", "R") if used == ("P", "Q") else ("P", "Q")
    lab.sh("P", f"ip link set {lab.device(*used)} down")
    await_that("P takes the other link", lambda: next_hop(lab, "P", "Q.E.0") == lab.device(*other))
    lab.await_ping("H", "-v", "P.0", "ping", "Q.E.F.I")
    after = passed(lab, "-v", "P.0", "ping", "Q.E.F.I")
    assert after[other] == ["P.D.H, P.0, *Q.E.F.I"] and used not in after
    # The provider that was asked for is still the one that D uses.
    assert ("D", "P") in after and ("D", "Q") not in after

    # D loses P altogether: its addresses under P are reached through Q.
    lab.sh("P", f"ip link set {lab.device('P', 'D')} down")
    await_that("D goes to P through Q", lambda: next_hop(lab, "D", "P.0") == "d-q")
    await_that("Q's way to P.D is the link", lambda: next_hop(lab, "Q", "P.D.0") == "q-d")
    lab.await_ping("I", "ping", "P.D.H")
    for link in (used, ("P", "D")):
        lab.sh("P", f"ip link set {lab.device(*link)} up")
    await_that("D's way to P is the link again", lambda: next_hop(lab, "D", "P.0") == "d-p")
    await_that("and P's to E one link too", lambda: next_hop(lab, "P", "Q.E.0") in ("p-q", "p-r"))
    lab.await_ping("H", "-v", "P.0", "ping", "Q.E.F.I")
    assert ("D", "P") in passed(lab, "-v", "P.0", "ping", "Q.E.F.I")
