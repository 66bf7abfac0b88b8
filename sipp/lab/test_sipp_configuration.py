# SPDX-License-Identifier: BSD-2-Clause
"""Section 8 of the document: a host configures itself in the four cases, on real links."""

import pytest
from sipp_lab import Lab, await_that

NAMES = """
C       0080:0000:0001:0000/48
C.r     +1/16
C2      0080:0000:0002:0000/48
C2.r    +1/16
C2.s    +2/16
short   4000:0000:0000:0000/16
pool    0080:0000:0001:8000/49
"""
CONFIGURATION = 253


def link_address(lab: Lab, node: str, device: str) -> str:
    return lab.sh(node, f"ip -br link show dev {device}").split()[2].replace(":", "")


def groups(text: str) -> str:
    return ":".join(text[i:i + 4] for i in range(0, 16, 4))


def configured(lab: Lab) -> str:
    await_that("H configures itself", lambda: "configured as" in lab.log("H"))
    return lab.log("H").split("configured as ")[-1].split()[0]


@pytest.mark.parametrize("server", [False, True])
def test_no_router_on_the_link(lab: Lab, server: bool) -> None:
    lab.names(NAMES)
    lab.node("H", "auto-host")
    lab.node("S", "host", *(["serve-addresses pool"] if server else []))
    lab.link("H", "S")
    lab.start()
    expected = "0080:0000:0001:8001" if server else groups("7d00" + link_address(lab, "H", "h-s"))
    await_that(f"H is {expected}", lambda: configured(lab) == expected)
    print("H is", expected)


@pytest.mark.parametrize("server", [False, True])
@pytest.mark.parametrize("prefix", ["C", "short"])
def test_a_router_on_the_link(lab: Lab, prefix: str, server: bool) -> None:
    lab.names(NAMES)
    lab.node("H", "auto-host")
    lab.node("R", "router", f"level {prefix} acts r-h", f"announce r-h {prefix}",
             "level C2 acts r-s", "announce r-s C2", "own C2.r",
             *(["route pool r-h"] if prefix == "short" else []))
    lab.node("S", "host", "own C2.s", "route 0000:0000:0000:0000/0 s-r C2.r",
             *(["serve-addresses pool"] if server else []))
    lab.link("R", "H")
    lab.link("R", "S")
    lab.start()
    lab.capture("R", "S")
    link = link_address(lab, "H", "h-r")
    formed = groups("4000" + link) if prefix == "short" else "C.0:" + groups("7d00" + link)
    # The server is asked from the address that the prefix gave, and answers there.
    source = ", ".join(reversed([part for part in formed.replace("C.0:", "C.0 ").split()]))
    # Where there is a server, H goes by the address that it formed until the answer comes.
    expected = "0080:0000:0001:8001" if server else formed
    await_that(f"H is {expected}", lambda: configured(lab) == expected)
    print("H is", expected)
    lab.await_ping("H", "ping", "C2.s")
    lab.forget_captured()
    assert "1 of 1 answered" in lab.tool("H", "-c", "1", "ping", "C2.s")
    if not server:
        assert lab.sequences("R", "S", 8) == [f"{source}, *C2.s"]
