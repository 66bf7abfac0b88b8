# SPDX-License-Identifier: BSD-2-Clause
"""Daemons that are killed and started again: what others remember, and what must not be lost."""

import secrets
import signal
import time

from sipp_lab import ICMP_ECHO, Lab, await_that

NAMES = """
P      0080:0000:0000:0000/32
P.a    +1/16
P.b    +2/16
P.c    +3/16
P.a.r  +1/16
P.b.r  +1/16
P.c.r  +1/16
P.a.h  +7/16
P.b.i  +9/16
P.c.k  +5/16
pool   0080:0000:0001:8000/49
"""


def kill(lab: Lab, node: str) -> None:
    killed = lab.processes.pop((node, "sippd"))
    killed.send_signal(signal.SIGKILL)
    killed.wait()


def restart(lab: Lab, node: str) -> None:
    kill(lab, node)
    lab.start_sippd(node)


def test_router(lab: Lab) -> None:
    lab.names(NAMES)
    lab.node("R", "router", "own P.a.r", "own P.b.r", "announce r-h P.a", "announce r-i P.b")
    lab.node("H", "host", "own P.a.h")
    lab.node("I", "host", "own P.b.i")
    lab.link("R", "H")
    lab.link("R", "I")
    lab.start()
    lab.await_ping("H", "ping", "P.b.i")
    for _ in range(3):
        restart(lab, "R")
        begun = time.monotonic()
        lab.await_ping("H", "-w", "100", "ping", "P.b.i")
        print(f"answered {(time.monotonic() - begun) * 1000:.0f} ms after the router's start")


def mobile(lab: Lab) -> None:
    """I - D - B: D is the home of the mobile host H and its home station, B a base station; K is
    behind B, too."""
    key = lab.folder / "mobile.key"
    key.touch(mode=0o600)
    key.write_text(secrets.token_hex(32) + "\n")
    lab.names(NAMES)
    lab.node("D", "router", "own P.a.r", "own P.b.r", "announce d-h P.a", "announce d-i P.b",
             "route P.c d-b P.c.r", "route P.c.r d-b", f"serve-mobile P.a.h {key}")
    lab.node("B", "router", "base-station", "own P.c.r", "level P.c acts b-k", "announce b-k P.c",
             "route P.a b-d P.a.r", "route P.b b-d P.a.r", "route P.a.r b-d")
    lab.node("H", "host", f"mobile P.a.h P.a.r {key}")
    lab.node("I", "host", "own P.b.i")
    lab.node("K", "host", "own P.c.k")
    for a, b in (("D", "H"), ("D", "I"), ("D", "B"), ("B", "H"), ("B", "K")):
        lab.link(a, b)
    lab.sh("H", "ip link set h-b down")
    lab.start()
    await_that("H is at home", lambda: "attached as P.a.h" in lab.log("H"))
    lab.sh("H", "ip link set h-d down; ip link set h-b up")
    await_that("H is away", lambda: "registered P.c.r:P.a.h" in lab.log("H"))
    lab.capture("B", "H")


def test_base_station_and_home_station(lab: Lab) -> None:
    mobile(lab)
    lab.await_ping("I", "ping", "P.a.h")
    restart(lab, "B")
    lab.await_ping("I", "-w", "200", "ping", "P.a.h")
    lab.await_ping("H", "-w", "200", "ping", "P.b.i")
    # The home station forgets where H is; whoever heard of H goes on.
    restart(lab, "D")
    lab.await_ping("H", "-w", "200", "ping", "P.b.i")
    lab.forget_captured()
    lab.await_ping("I", "-w", "200", "ping", "P.a.h")
    assert lab.sequences("B", "H", ICMP_ECHO)[-1] == "P.b.i, P.c.r, *P.a.h"


def test_configuration_server(lab: Lab) -> None:
    leases = lab.folder / "leases"
    lab.names(NAMES)
    lab.node("S", "host", "serve-addresses pool", f"leases {leases}")
    lab.node("H", "auto-host")
    lab.node("I", "auto-host")
    lab.link("H", "S")
    lab.link("I", "S")
    # Both links belong to the server; the second one has no carrier yet.
    lab.sh("I", "ip link set i-s down")
    lab.start()
    await_that("H has an address", lambda: "configured as 0080:0000:0001:8001" in lab.log("H"))
    assert leases.read_text().endswith(" 1\n") and leases.stat().st_mode & 0o777 == 0o600
    # A line that a crash cut off is removed.
    with leases.open("a") as out:
        out.write("02:00:00:00:")
    restart(lab, "S")
    lab.sh("I", "ip link set i-s up")
    await_that("I has another one", lambda: "configured as 0080:0000:0001:8002" in lab.log("I"))
    assert [line.split()[1] for line in leases.read_text().splitlines()] == ["1", "2"]
    # And H has its own again, when it asks again.
    restart(lab, "H")
    await_that("H asks again",
               lambda: lab.log("H").count("configured as 0080:0000:0001:8001") == 2)
    assert len(leases.read_text().splitlines()) == 2
    # A file that makes no sense is not made worse.
    kill(lab, "S")
    leases.write_text("02:00:00:00:00:01 1\nnonsense\n")
    lab.start_sippd("S")
    await_that("S says where", lambda: f"{leases}:2: not a link address" in lab.log("S"))
    assert lab.processes.pop(("S", "sippd")).wait() == 1
    assert leases.read_text() == "02:00:00:00:00:01 1\nnonsense\n"
