# SPDX-License-Identifier: BSD-2-Clause
"""What passes from link to link and what does not: several routers on one link, and the boundary of
a site.
"""

import json
import subprocess

from sipp_lab import ICMP_ECHO, Lab, await_that

GROUP = """
A      0010:0000:0000:0000/32
A.s    +7/32
A.u    +1/32
L      0020:0000:0000:0000/32
L.m    +7/32
M      7f0e:0000:0000:0777
"""


def shared_lan(lab: Lab) -> None:
    """S - U, U - X, U - Y, and one LAN with X, Y and the member T: a bridge in a namespace of its
    own joins their devices."""
    lab.names(GROUP)
    lab.node("S", "host", "own A.s")
    lab.node("U", "router", "own A.u", "announce u-s A", "route L u-x")
    for name in "XY":
        lab.node(name, "router", f"route A {name.lower()}-u", f"announce {name.lower()}-b L")
    lab.node("T", "host", "own L.m", "own M")
    lab.plain_namespaces.append("B")
    subprocess.run(["ip", "netns", "add", lab.namespace("B")], check=True)
    lab.sh("B", "ip link add lan type bridge mcast_snooping 0; ip link set lan up")
    lab.link("U", "S")
    lab.link("U", "X")
    lab.link("U", "Y")
    for name in "XYT":
        lab.link(name, "B")
        lab.sh("B", f"ip link set {lab.device('B', name)} master lan")
    # The one with the lower link address forwards.
    for name, last in (("X", 1), ("Y", 2)):
        lab.sh(name, f"ip link set {name.lower()}-b address 02:00:00:00:00:0{last}")
    lab.start()


def bringers(lab: Lab, packets: int = 1) -> str:
    """Whose copies of some packets of S cross the LAN, one letter a copy."""
    lab.forget_captured()
    for _ in range(packets):
        lab.tool("S", "-c", "1", "-w", "500", "-v", "A.u", "ping", "M", check=False)
    capture = lab.captures["T", "B"]
    capture.catch_up()
    return "".join({1: "X", 2: "Y"}.get(frame[11], "?") for frame, packet
                   in zip(list(capture.raw), list(capture.packets), strict=False)
                   if packet.icmp_type == ICMP_ECHO)


def test_one_router_forwards_to_a_link(lab: Lab) -> None:
    shared_lan(lab)
    lab.capture("T", "B")
    # Until the routers have heard the member and each other.
    await_that("X brings it", lambda: bringers(lab) == "X")
    assert bringers(lab, 4) == "XXXX"
    killed = lab.processes.pop(("X", "sippd"))
    killed.kill()
    killed.wait()
    await_that("Y takes over", lambda: bringers(lab) == "Y")
    lab.start_sippd("X")
    await_that("X has it again", lambda: bringers(lab) == "X")
    assert bringers(lab, 4) == "XXXX"


SITE = """
G      0080:0000:0001:0000/48
G.a    +7/16
X      0040:0000:0001:0000/48
X.x    +9/16
B.r    0080:0000:0002:0001
O.r    0040:0000:0002:0001
T5     7d05:0000:0000:0000/16
T6     7d06:0000:0000:0000/16
site   7f05:0000:0000:0777
all    7f0e:0000:0000:0777
"""


def local_use(lab: Lab, node: str, device: str, subnet: int) -> str:
    link = lab.sh(node, f"ip -br link show dev {device}").split()[2].replace(":", "")
    return f"7d{subnet:02x}:{link[:4]}:{link[4:8]}:{link[8:]}"


def site(lab: Lab) -> None:
    """A and C are in the site, on subnets 5 and 6; B is its border; O and X are outside. O believes
    that B wants all packets for the site."""
    lab.names(SITE)
    lab.node("A", "host", "own G.a", "own site", "own all")
    lab.node("C", "host")
    lab.node("B", "router", "own B.r", "interface b-o boundary", "announce b-a G", "announce b-a T5",
             "announce b-c T6", "route X b-o O.r")
    lab.node("O", "router", "own O.r", "announce o-x X", "route G o-b B.r", "route B.r o-b",
             "route T5 o-b B.r", "route T6 o-b B.r")
    lab.node("X", "host", "own X.x", "own site", "own all")
    for a, b in (("B", "A"), ("B", "C"), ("B", "O"), ("O", "X")):
        lab.link(a, b)
    for node, device, subnet in (("A", "a-b", 5), ("C", "c-b", 6)):
        lab.statements[node].append("own " + local_use(lab, node, device, subnet))
    lab.statements["B"].append("route O.r b-o")
    lab.start()
    lab.await_ping("A", "ping", "X.x")
    for a, b in (("B", "A"), ("B", "C"), ("B", "O"), ("O", "X")):
        lab.capture(a, b)


def passed(lab: Lab, node: str, route: str) -> dict[tuple[str, str], int]:
    """Sends an echo along a route; says on which links it was seen."""
    lab.forget_captured()
    lab.tool(node, "-c", "1", "-w", "300", "-r", route, "ping", check=False)
    return {link: sum(one.split(", ")[0] == route.split(", ")[0]
                      for one in lab.sequences(*link, ICMP_ECHO)) for link in lab.captures}


def test_site_boundary(lab: Lab) -> None:
    site(lab)
    inside, border, outside = ("B", "A"), ("B", "O"), ("O", "X")
    a5, c6 = local_use(lab, "A", "a-b", 5), local_use(lab, "C", "c-b", 6)
    # Within the site, local-use addresses with a subnet number lead from link to link.
    shown = lab.tool("A", "-c", "1", "-r", f"{a5}, *{c6}", "ping")
    assert "1 of 1 answered" in shown, shown
    # They do not lead out of it, and A is told.
    seen = passed(lab, "A", f"{a5}, *X.x")
    assert seen[inside] == 1 and seen[border] == 0
    assert "unreachable code 13" in lab.tool("A", "-c", "1", "-r", f"{a5}, *X.x", "ping",
                                             check=False)
    # Nor in: not to one, and not as if from one.
    seen = passed(lab, "X", f"X.x, *{a5}")
    assert seen[border] == 1 and seen[inside] == 0
    seen = passed(lab, "X", f"{c6}, *G.a")
    assert seen[border] == 1 and seen[inside] == 0
    # Groups of the site's scope stay on their side; those of global scope do not.
    seen = passed(lab, "A", "G.a, *site")
    assert seen[inside] == 1 and seen[border] == 0
    seen = passed(lab, "X", "X.x, *site")
    assert seen[outside] == 1 and seen[border] == 1 and seen[inside] == 0
    await_that("global groups go out", lambda: passed(lab, "A", "G.a, *all")[outside] == 1)
    await_that("and come in", lambda: passed(lab, "X", "X.x, *all")[inside] == 1)
    assert json.loads(lab.tool("B", "status"))["counters"]["drop-scope"] >= 4
