# SPDX-License-Identifier: BSD-2-Clause
"""sippd as a daemon: what it may do, what it counts, and that it survives what it should.

    A - B       two routers on one link
"""

import json
import pwd
import re
import signal
from pathlib import Path

from sipp_lab import Lab, await_that

NAMES = """
P      0080:0000:0000:0000/32
P.A    +1/16
P.B    +2/16
P.A.r  +1/16
P.B.r  +1/16
"""
CAP_NET_ADMIN = 12


def pair(lab: Lab, *a_lines: str) -> None:
    lab.names(NAMES)
    lab.node("A", "router", "own P.A.r", "route P.B a-b", *a_lines)
    lab.node("B", "router", "own P.B.r", "route P.A b-a")
    lab.link("A", "B")
    lab.start()
    lab.await_ping("A", "ping", "P.B.r")


def process_status(lab: Lab, node: str) -> dict[str, str]:
    text = Path(f"/proc/{lab.processes[node, 'sippd'].pid}/status").read_text()
    return dict(re.findall(r"^(\w+):\s*(.*)$", text, re.MULTILINE))


def test_privileges(lab: Lab) -> None:
    lab.folder.chmod(0o755)
    pair(lab, "user nobody", "offer P.A")
    nobody = pwd.getpwnam("nobody")
    a = process_status(lab, "A")
    assert a["Uid"].split() == [str(nobody.pw_uid)] * 4
    assert a["Gid"].split() == [str(nobody.pw_gid)] * 4
    assert a["NoNewPrivs"] == "1"
    assert {int(a[kind], 16) for kind in ("CapEff", "CapPrm")} == {1 << CAP_NET_ADMIN}
    assert int(a["CapInh"], 16) == 0 and int(a["CapBnd"], 16) == 0
    assert lab.control("A").stat().st_uid == nobody.pw_uid
    # B offers nothing and has no account: nothing is left of root but the number.
    b = process_status(lab, "B")
    assert {int(b[kind], 16) for kind in ("CapEff", "CapPrm", "CapBnd", "CapInh")} == {0}
    assert b["NoNewPrivs"] == "1"
    # What was offered can still be taken back at the end.
    offered = "ip -6 route show proto 156"
    assert "fd53:4950:5000:0:80:0:1:0/112" in lab.sh("A", offered)
    assert lab.stop_process("A", "sippd") == 0
    assert lab.sh("A", offered) == ""


def test_metrics(lab: Lab) -> None:
    pair(lab)
    counters = json.loads(lab.tool("B", "status"))["counters"]
    text = lab.tool("B", "status", "--metrics")
    shown = dict(re.findall(r'^sipp_packets_total\{what="([a-z-]+)"\} (\d+)$', text, re.MULTILINE))
    assert set(shown) == set(counters) and int(shown["delivered"]) > 0
    assert "# TYPE sipp_packets_total counter\n" in text
    assert re.search(r"^sipp_interfaces 1$", text, re.MULTILINE)


def test_ping_and_trace_in_json(lab: Lab) -> None:
    pair(lab)
    said = json.loads(lab.tool("A", "--json", "-c", "2", "ping", "P.B.r"))
    assert said["v"] == 1 and len(said["results"]) == 2
    assert said["results"][0]["reply"]["route"] == "P.B.r, *P.A.r"
    hops = json.loads(lab.tool("A", "--json", "trace", "P.B.r"))["results"]
    assert [hop["hop"] for hop in hops] == [1] and "reply" in hops[0]
    routes = json.loads(lab.tool("A", "--json", "route"))["results"]
    assert {"prefix": "0080:0000:0002:0000/48", "name": "P.B.0", "interface": "a-b",
            "gateway": "link"} in routes


def test_a_second_signal_does_not_cut_the_end_short(lab: Lab) -> None:
    pair(lab, "offer P.A")
    for _ in range(5):
        stopped = lab.processes.pop(("A", "sippd"))
        # Closing a packet socket takes the kernel a while, in which these arrive.
        while stopped.poll() is None:
            stopped.send_signal(signal.SIGTERM)
        assert stopped.returncode == 0
        assert lab.sh("A", "ip -6 route show proto 156") == ""
        lab.start_sippd("A")
        lab.await_ping("A", "ping", "P.B.r")


def test_late_delete_of_a_replaced_route(lab: Lab) -> None:
    """A routing daemon puts a better route beside the old one and then takes the old one away."""
    lab.names(NAMES)
    lab.node("A", "router", "own P.A.r", "learn")
    for name in "BC":
        lab.node(name, "router", f"own 0080:0000:0002:000{ord(name) - 64}")
        lab.link("A", name)
    lab.start()
    prefix = "fd53:4950:5000:0:80:0:2:0/112"
    hops = {name: f"via {lab.link_local(name, lab.device(name, 'A'))} dev {lab.device('A', name)}"
            for name in "BC"}

    def learned() -> str:
        return next((line.split()[2] for line in lab.routes("A").splitlines()
                     if line.startswith("0080:0000:0002:0000/48")), "none")

    def change(what: str, name: str, metric: int) -> None:
        lab.sh("A", f"ip -6 route {what} {prefix} {hops[name]} metric {metric} proto 200")
    change("add", "B", 100)
    await_that("the route through B is learned", lambda: learned() == "a-b")
    change("add", "C", 50)
    await_that("the better one is taken", lambda: learned() == "a-c")
    change("del", "B", 100)
    # Something that can be seen, and that the kernel tells after the deletion.
    lab.sh("A", f"ip -6 route add fd53:4950:5000:0:90::/80 {hops['B']} proto 200")
    await_that("the next route is learned", lambda: "0090:0000:0000:0000/16" in lab.routes("A"))
    assert learned() == "a-c"
    # The other way round: the one in use goes, and the one that is left is taken.
    change("add", "B", 100)
    change("del", "C", 50)
    await_that("what is left is taken", lambda: learned() == "a-b")
    change("del", "B", 100)
    await_that("nothing is left", lambda: learned() == "none")


def test_killed_in_the_middle_of_traffic(lab: Lab) -> None:
    """After SIGKILL the socket and the offered routes stay; a new start takes both over."""
    pair(lab, "offer P.A")
    killed = lab.processes.pop(("A", "sippd"))
    lab.spawn("B", "ping", *lab.tool_words("B", "-c", "1000", "ping", "P.A.r"))
    killed.send_signal(signal.SIGKILL)
    assert killed.wait(20) == -signal.SIGKILL
    assert lab.control("A").exists() and "fd53" in lab.sh("A", "ip -6 route show proto 156")
    lab.stop_process("B", "ping")
    lab.start_sippd("A")
    lab.await_ping("A", "ping", "P.B.r")
    lab.await_ping("B", "ping", "P.A.r")
    assert lab.stop_process("A", "sippd") == 0
    assert not lab.control("A").exists() and lab.sh("A", "ip -6 route show proto 156") == ""
    lab.start_sippd("A")
    await_that("A listens", lab.control("A").exists)
