# SPDX-License-Identifier: BSD-2-Clause
"""The document's examples as packets on real links: each test prints the sequences that the
document prints, as captured.

        P ------- R            D is attached to P and Q, E to Q and R;
       / \\       / \\           the providers reach each other.
      D   \\     /   E          All routers learn their routes by Babel.
     /  \\  \\   /   / \\
    H    `-- Q ---'   I
"""

import secrets
import shutil
import subprocess

from sipp_lab import ICMP_ECHO, ICMP_ECHO_REPLY, TOP, Lab, await_that, save_pcap

SIMPLE = """
P      0080:0000:0000:0000/32
Q      0040:0000:0000:0000/32
R      00c0:0000:0000:0000/32
P.D    +1/16
Q.D    +2/16
Q.E    +1/16
R.E    +3/16
P.D.H  +7/16
Q.D.H  +7/16
Q.E.I  +9/16
R.E.I  +9/16
P.D.r  +1/16
Q.D.r  +1/16
Q.E.r  +1/16
R.E.r  +1/16
P.r    +0xffff0001/32
Q.r    +0xffff0001/32
R.r    +0xffff0001/32
"""

EXTENDED = """
P      0080:0000:0000:0000/32
Q      0040:0000:0000:0000/32
R      00c0:0000:0000:0000/32
P.D    0080:0000:0000:0001/64
Q.D    0040:0000:0000:0002/64
Q.E    0040:0000:0000:0001/64
R.E    00c0:0000:0000:0003/64
P.r    +0xffff0001/32
Q.r    +0xffff0001/32
R.r    +0xffff0001/32
SD     2000:000d:0001:0000/48
SE     2000:000e:0001:0000/48
S.H    2000:000d:0001:0007
S.I    2000:000e:0001:0009
S.rd   2000:000d:0001:0001
S.re   2000:000e:0001:0001
D.d    2000:000d:0002:0001
M      7f0e:0000:0000:0777
"""

WIRES = [("D", "H"), ("E", "I"), ("D", "P"), ("D", "Q"), ("E", "Q"), ("E", "R"), ("P", "Q"),
         ("P", "R"), ("Q", "R")]


def provider(lab: Lab, name: str) -> None:
    lab.node(name, "router", f"own {name}.r", f"level {name} acts", "learn", f"offer {name}")


def simple(lab: Lab) -> None:
    lab.names(SIMPLE)
    for name in "PQR":
        provider(lab, name)
    for name, host, providers in (("D", "H", "PQ"), ("E", "I", "QR")):
        lan = lab.device(name, host)
        lines = ["router", "learn"]
        for one in providers:
            lines += [f"level {one} inside", f"level {one}.{name} acts {lan}",
                      f"announce {lan} {one}.{name}", f"own {one}.{name}.r", f"offer {one}.{name}"]
        lab.node(name, *lines)
        lab.node(host, "host", *(f"own {one}.{name}.{host}" for one in providers))
    for a, b in WIRES:
        lab.link(a, b)
    lab.start(stubs=("D", "E"))
    for router in "PQRDE":
        lab.await_routes(router, *({"P.0", "Q.0", "R.0", "P.D.0", "Q.D.0", "Q.E.0", "R.E.0"}
                                   - {f"{router}.0"}))
    lab.await_ping("H", "ping", "Q.E.I")
    lab.await_ping("I", "ping", "Q.D.H")
    for a, b in WIRES:
        lab.capture(a, b)


def extended(lab: Lab, *host_lines: str, home_station: str | None = None) -> None:
    """Domains with subnet numbers that only they know: nobody outside has a route to S."""
    lab.names(EXTENDED)
    for name in "PQR":
        provider(lab, name)
    for name, host, providers in (("D", "H", "PQ"), ("E", "I", "QR")):
        lan = lab.device(name, host)
        lines = ["router", "learn", f"announce {lan} S{name}",
                 f"own {'Q.' + name}:S.r{name.lower()}"]
        for one in providers:
            lines += [f"level {one}.{name} acts", f"offer {one}.{name}"]
        if name == "D" and home_station:
            lines.append(home_station)
        lab.node(name, *lines)
    lab.node("H", "host", *(host_lines or ("own Q.D:S.H",)))
    lab.node("I", "host", "own Q.E:S.I", "own R.E:S.I")
    for a, b in WIRES:
        lab.link(a, b)


def await_extended(lab: Lab) -> None:
    for router in "PQRDE":
        lab.await_routes(router, *({"P.D", "Q.D", "Q.E", "R.E"}
                                   - {f"P.{router}", f"Q.{router}", f"R.{router}"}))
    lab.await_ping("H", "ping", "Q.E:S.I")
    for a, b in WIRES:
        lab.capture(a, b)


def ping(lab: Lab, node: str, *words: str) -> None:
    lab.forget_captured()
    shown = lab.tool(node, "-c", "1", *words)
    assert "1 of 1 answered" in shown, shown


def test_section_3_1(lab: Lab) -> None:
    """S sends through A and B to D."""
    lab.names("S 0010:0000:0000:0001\nA 0020:0000:0000:0001\nB 0030:0000:0000:0001\n"
              "D 0040:0000:0000:0001\n")
    lab.node("S", "host", "own S", "route 0000:0000:0000:0000/0 s-a A")
    lab.node("A", "router", "own A", "route S a-s", "route 0030:0000:0000:0000/12 a-b B",
             "route B a-b", "route D a-b B")
    lab.node("B", "router", "own B", "route D b-d", "route A b-a", "route S b-a A")
    lab.node("D", "host", "own D", "route 0000:0000:0000:0000/0 d-b B")
    for a, b in (("S", "A"), ("A", "B"), ("B", "D")):
        lab.link(a, b)
    lab.start()
    for a, b in (("S", "A"), ("A", "B"), ("B", "D")):
        lab.capture(a, b)
    ping(lab, "S", "-v", "A:B", "ping", "D")
    steps = [lab.sequences(*link, ICMP_ECHO) for link in (("S", "A"), ("A", "B"), ("B", "D"))]
    print("initial, next, final:", steps)
    assert steps == [["S, *A, B, D"], ["S, A, *B, D"], ["S, A, B, *D"]]
    # As the table of §3.1 has it: which address lies in which field.
    def fields(link: tuple[str, str]) -> str:
        raw = next(frame for frame, packet in zip(lab.captures[link].raw,
                                                  lab.captures[link].packets, strict=True)
                   if packet.icmp_type == ICMP_ECHO)[14:]
        places = [raw[8:16], raw[16:24], raw[32:40], raw[40:48]]
        return "".join(lab.words[int.from_bytes(place, "big")] for place in places) + str(raw[29])
    assert [fields(link) for link in (("S", "A"), ("A", "B"), ("B", "D"))] == ["SABD0", "SBAD1",
                                                                              "SDAB2"]
    trace = lab.tool("S", "-v", "A:B", "trace", "D")
    print(trace)
    assert "S, *A, B, D" in trace and "S, A, *B, D" in trace and "D, B, A, *S" in trace


def test_section_5_1(lab: Lab) -> None:
    simple(lab)
    ping(lab, "H", "ping", "Q.E.I")
    sent = lab.sequences("D", "H", ICMP_ECHO)
    answered = lab.sequences("E", "I", ICMP_ECHO_REPLY)
    print("Route sequence at sender H:", sent)
    print("Reversed route sequence at receiver I:", answered)
    assert sent == ["Q.D.H, *Q.E.I"]
    assert answered == ["Q.E.I, *Q.D.H"]


def test_section_5_2(lab: Lab) -> None:
    simple(lab)
    ping(lab, "H", "-v", "P.0", "ping", "Q.E.I")
    sent = lab.sequences("D", "H", ICMP_ECHO)
    advanced = lab.sequences("P", "Q", ICMP_ECHO) + lab.sequences("P", "R", ICMP_ECHO)
    answered = lab.sequences("E", "I", ICMP_ECHO_REPLY)
    print("Route sequence at sender H:", sent)
    print("Advanced route sequence at provider P router:", advanced)
    print("Reversed route sequence at receiver I:", answered)
    assert sent == ["P.D.H, *P.0, Q.E.I"]
    assert lab.sequences("D", "P", ICMP_ECHO) == sent
    assert advanced == ["P.D.H, P.0, *Q.E.I"]
    assert answered == ["Q.E.I, *P.0, P.D.H"]

    # I cares which provider is used: it puts Q.0 before what it reversed.
    ping(lab, "I", "-v", "Q.0", "ping", "P.0:P.D.H")
    alternative = lab.sequences("E", "I", ICMP_ECHO)
    print("Alternative reversed route sequence:", alternative)
    assert alternative == ["Q.E.I, *Q.0, P.0, P.D.H"]
    assert lab.sequences("E", "Q", ICMP_ECHO) == alternative
    assert lab.sequences("E", "R", ICMP_ECHO) == []
    assert lab.sequences("P", "Q", ICMP_ECHO) == ["Q.E.I, Q.0, *P.0, P.D.H"]
    assert lab.sequences("D", "P", ICMP_ECHO) == ["Q.E.I, Q.0, P.0, *P.D.H"]


def test_section_5_3(lab: Lab) -> None:
    extended(lab)
    lab.start(stubs=("D", "E"))
    await_extended(lab)
    ping(lab, "H", "ping", "Q.E:S.I")
    sent = lab.sequences("D", "H", ICMP_ECHO)
    advanced = lab.sequences("E", "I", ICMP_ECHO)
    answered = lab.sequences("E", "I", ICMP_ECHO_REPLY)
    print("Route sequence at sender H:", sent)
    print("Advanced route sequence at router in Domain E:", advanced)
    print("Reversed route sequence at receiver I:", answered)
    assert sent == ["S.H, Q.D, *Q.E, S.I"]
    assert advanced == ["S.H, Q.D, Q.E, *S.I"]
    assert answered == ["S.I, Q.E, *Q.D, S.H"]

    # Wireshark reads the captured packets in the document's notation too.
    if shutil.which("tshark"):
        capture = lab.folder / "e-i.pcap"
        save_pcap(capture, lab.captures["E", "I"].raw)
        read = subprocess.run(["tshark", "-n", "-X", f"lua_script:{TOP}/contrib/wireshark/sipp.lua",
                               "-o", f"sipp.names:{lab.names_file}", "-r", capture, "-T", "fields",
                               "-e", "sipp.route", "-Y", "sipp.icmp.type in {0, 8}"],
                              capture_output=True, text=True, check=True).stdout.splitlines()
        assert read == advanced + answered

    # An error on the way comes back along the sequence too. At first D may know only the longer way
    # by P, of which it heard earlier.
    def comes_back() -> bool:
        lost = lab.tool("H", "-t", "2", "-c", "1", "ping", "Q.E:S.I", check=False)
        assert "time-exceeded" in lost and "r, Q.D, *S.H" in lost, lost
        return "from Q.r, Q.D, *S.H" in lost

    await_that("an error from Q", comes_back)


def test_section_6_0_1(lab: Lab) -> None:
    extended(lab)
    lab.start(stubs=("D", "E"))
    await_extended(lab)
    lab.tool("I", "join", "M")

    def heard() -> bool:
        lab.forget_captured()
        return "1 of 1 answered" in lab.tool("H", "-c", "1", "ping", "M", check=False)
    await_that("I answers to the group", heard)
    sent = lab.sequences("D", "H", ICMP_ECHO)
    received = lab.sequences("E", "I", ICMP_ECHO)
    answered = lab.sequences("E", "I", ICMP_ECHO_REPLY)
    print("Route sequence at sender H:", sent)
    print("Received unchanged by I:", received)
    print("Reversed route sequence at receiver I:", answered)
    assert sent == ["S.H, Q.D, *M"]
    assert received == ["S.H, Q.D, *M"]
    assert answered == ["S.I, Q.E, *Q.D, S.H"]


def test_section_7_1(lab: Lab) -> None:
    key = lab.folder / "mobile.key"
    key.touch(mode=0o600)
    key.write_text(secrets.token_hex(32) + "\n")
    extended(lab, f"mobile Q.D:S.H Q.D:S.rd {key}",
             home_station=f"serve-mobile S.H {key}")
    lab.node("B", "router", "base-station", "learn", "own D.d", "offer D.d", "level D.d inside")
    lab.link("B", "R")
    lab.link("B", "H")
    lab.sh("H", "ip link set h-b down")
    lab.start(stubs=("D", "E", "B"))
    await_extended(lab)
    lab.await_routes("E", "D.d")
    lab.capture("B", "H")
    await_that("H knows that it is at home", lambda: "attached as Q.D:S.H" in lab.log("H"))
    ping(lab, "I", "ping", "Q.D:S.H")
    print("Route sequence from CH to MH:", lab.sequences("E", "I", ICMP_ECHO))
    assert lab.sequences("E", "I", ICMP_ECHO) == ["S.I, Q.E, *Q.D, S.H"]

    lab.sh("H", "ip link set h-d down")
    lab.sh("H", "ip link set h-b up")
    await_that("H registers from its new place", lambda: "registered D.d:S.H" in lab.log("H"))
    # The correspondent does not know yet: home station and tunnel bring its packet to the base.
    ping(lab, "I", "ping", "Q.D:S.H")
    assert lab.sequences("E", "I", ICMP_ECHO) == ["S.I, Q.E, *Q.D, S.H"]
    assert lab.sequences("B", "H", ICMP_ECHO) == ["S.I, Q.E, Q.D, *S.H"]
    # The first answer shows it where H is now.
    assert lab.sequences("B", "H", ICMP_ECHO_REPLY) == ["S.H, D.d, *Q.E, S.I"]
    ping(lab, "H", "ping", "Q.E:S.I")
    moved = lab.sequences("B", "H", ICMP_ECHO)
    answered = lab.sequences("E", "I", ICMP_ECHO_REPLY)
    print("Route sequence from MH to CH after move:", moved)
    print("Reversed route sequence from CH to MH after move:", answered)
    assert moved == ["S.H, D.d, *Q.E, S.I"]
    assert answered == ["S.I, Q.E, *D.d, S.H"]
    # From now on the correspondent's own packets are direct too.
    ping(lab, "I", "ping", "Q.D:S.H")
    assert lab.sequences("E", "I", ICMP_ECHO) == ["S.I, Q.E, *D.d, S.H"]
    assert lab.sequences("D", "P", ICMP_ECHO) + lab.sequences("D", "Q", ICMP_ECHO) == []
