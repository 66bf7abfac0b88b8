# SPDX-License-Identifier: BSD-2-Clause
"""Somebody on a link who means harm, with real packets at real daemons.

    H - R - I       R is a router; the attacker sits on the link between H and R, with H's device.

Where a build with the sanitizers is there (`make check` makes one), the daemons are taken from it.
"""

import json
import random
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import sipp_lab
from sipp_lab import ETHERTYPE, ICMP_ECHO, SIPP, TOP, Lab, await_that

NAMES = """
P      0080:0000:0000:0000/32
P.a    +1/16
P.b    +2/16
P.a.r  +1/16
P.b.r  +1/16
P.a.h  +7/16
P.b.i  +9/16
"""
SANITIZED = TOP / "build-clang/sipp/daemon/sippd"
WHERE_ARE_YOU, I_AM_HERE = 33, 34
ALL_NODES = 0x7F02000000000001
ALL_ROUTERS = 0x7F02000000000003
R_A = 0x0080000000010001
H_A = 0x0080000000010007
I_B = 0x0080000000020009
RANDOM_PACKETS = 20000


@pytest.fixture
def victims(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    if SANITIZED.exists():
        monkeypatch.setattr(sipp_lab, "SIPPD", SANITIZED)
    lab.names(NAMES)
    lab.node("R", "router", "own P.a.r", "own P.b.r", "level P.a acts r-h", "level P.b acts r-i",
             "announce r-h P.a", "announce r-i P.b")
    lab.node("H", "host", "own P.a.h")
    lab.node("I", "host", "own P.b.i")
    lab.link("R", "H")
    lab.link("R", "I")
    lab.start()
    lab.await_ping("H", "ping", "P.b.i")
    return lab


# ---- packets, made here without the library under test

def checksum(source: int, destination: int, kind: int, payload: bytes) -> int:
    data = struct.pack(">QQIxxxB", source, destination, len(payload), kind) + payload
    total = sum(struct.unpack(f">{len(data) // 2}H", data[:len(data) // 2 * 2]))
    total += data[-1] << 8 if len(data) % 2 else 0
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packet(route: list[int], active: int, payload: bytes, kind: int = 1, hop_limit: int = 64) -> bytes:
    if len(route) > 2:
        others = route[1:active] + route[active + 1:]
        payload = struct.pack(f">IBBBB{len(others)}Q", 0, len(others), active - 1, kind, 0,
                              *others) + payload
        kind = 43
    return struct.pack(">IHBBQQ", 6 << 28, len(payload), kind, hop_limit, route[0],
                       route[active]) + payload


def icmp(route: list[int], active: int, body: bytes, hop_limit: int = 64) -> bytes:
    total = checksum(route[0], route[-1], 1, body[:2] + b"\0\0" + body[4:])
    return packet(route, active, body[:2] + struct.pack(">H", total) + body[4:],
                  hop_limit=hop_limit)


def i_am_here(link: bytes, identity: int, lifetime: int = 30) -> bytes:
    body = struct.pack(">BBHH6sQB3x", I_AM_HERE, 0, 0, lifetime, link, identity, 0)
    return icmp([local_use(link), ALL_ROUTERS], 1, body, 255)


def where_are_you(link: bytes, sought: int) -> bytes:
    body = struct.pack(">BBHH6sQ", WHERE_ARE_YOU, 0, 0, 0, link, sought)
    return icmp([local_use(link), ALL_NODES], 1, body, 255)


def local_use(link: bytes) -> int:
    return 0x7D << 56 | int.from_bytes(link, "big")


class Attacker:
    """Puts frames on the link between H and R, from H's device."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.router = self.link("R", "r-h")
        self.own = self.link("H", "h-r")

    def link(self, node: str, device: str) -> bytes:
        shown = self.lab.sh(node, f"ip -br link show dev {device}").split()[2]
        return bytes.fromhex(shown.replace(":", ""))

    def send(self, packets: Iterable[bytes], source: bytes | None = None) -> None:
        """From a thread moved into H's namespace, as the captures are."""
        header = self.router + (source or self.own) + struct.pack(">H", ETHERTYPE)

        def work() -> None:
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as tap:
                tap.bind(("h-r", 0))
                for one in packets:
                    tap.send(header + one[:1400])
        sipp_lab.in_namespace(self.lab.namespace("H"), work)


def counters(lab: Lab, node: str) -> dict[str, int]:
    return json.loads(lab.tool(node, "status"))["counters"]


def assert_unharmed(lab: Lab) -> None:
    for node in "RHI":
        assert lab.processes[node, "sippd"].poll() is None, lab.log(node)
    lab.await_ping("H", "ping", "P.b.i")
    lab.await_ping("I", "ping", "P.a.h")


# ---- what is sent

def garbage(source: random.Random) -> bytes:
    return source.randbytes(source.randrange(0, 300))


def almost_packet(source: random.Random) -> bytes:
    """Right at the outside, anything inside."""
    known = [R_A, H_A, I_B, 0x0080000000010000, 0x0080000000020000, ALL_NODES, ALL_ROUTERS,
             0x7F0E000000000777, 1, 0, source.getrandbits(64)]
    route = [source.choice(known) for _ in range(source.randrange(2, 12))]
    body = bytes([source.choice([0, 3, 8, 11, 12, 33, 34, 35, 36, 253]),
                  source.randrange(4)]) + source.randbytes(source.randrange(2, 200))
    return icmp(route, source.randrange(1, len(route)), body, source.choice([1, 2, 64, 255]))


def mutated(source: random.Random, real: list[bytes]) -> bytes:
    data = bytearray(source.choice(real))
    for _ in range(source.randrange(1, 6)):
        data[source.randrange(len(data))] = source.randrange(256)
    return bytes(data[:source.randrange(1, len(data) + 1)]) if source.random() < 0.2 else bytes(data)


def real_packets(lab: Lab) -> list[bytes]:
    """What R and H really say to each other."""
    lab.capture("R", "H")
    for words in (["ping", "P.b.i"], ["-v", "P.a.0", "ping", "P.b.i"], ["ping", "0099:0000:0000:0001"],
                  ["-t", "1", "ping", "P.b.i"]):
        lab.tool("H", "-c", "1", *words, check=False)
    lab.captures["R", "H"].catch_up()
    return [frame[14:] for frame in lab.captures["R", "H"].raw]


def test_garbage_and_mutated_packets(victims: Lab) -> None:
    source = random.Random(1)
    real = real_packets(victims)
    assert len(real) >= 8
    kinds: list[Callable[[], bytes]] = [lambda: garbage(source), lambda: almost_packet(source),
                                        lambda: mutated(source, real)]
    before = counters(victims, "R")
    Attacker(victims).send(source.choice(kinds)() for _ in range(RANDOM_PACKETS))
    await_that("R has read them", lambda: counters(victims, "R")["received"] - before["received"]
               > RANDOM_PACKETS * 9 // 10)
    after = counters(victims, "R")
    for reason in ("drop-malformed", "drop-bad-icmp", "drop-bad-source", "errors-sent"):
        assert after[reason] > before[reason], reason
    assert_unharmed(victims)


def test_two_hosts_with_one_address(victims: Lab) -> None:
    attacker = Attacker(victims)
    thief = bytes.fromhex("02eeee000001")
    attacker.send([i_am_here(thief, H_A)] * 50, thief)
    await_that("R counts the conflict", lambda: counters(victims, "R")["conflicts"] > 0)
    # H keeps its address, and the packets for it.
    assert victims.tool("I", "-c", "3", "ping", "P.a.h").endswith("3 of 3 answered\n")
    # Told of the thief by the thief itself, H says who it is.
    body = struct.pack(">BBHH6sQB3x", I_AM_HERE, 0, 0, 30, thief, H_A, 0)
    frame = icmp([local_use(thief), local_use(attacker.own)], 1, body, 255)
    sipp_lab.in_namespace(victims.namespace("R"), lambda: send_frame(
        "r-h", attacker.own + thief + struct.pack(">H", ETHERTYPE) + frame))
    await_that("H names the thief", lambda: "02:ee:ee:00:00:01 uses it too" in victims.log("H"))
    assert_unharmed(victims)


def send_frame(device: str, frame: bytes) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as tap:
        tap.bind((device, 0))
        tap.send(frame)


def test_full_neighbour_table(victims: Lab) -> None:
    attacker = Attacker(victims)
    attacker.send(i_am_here(bytes.fromhex("02ee") + struct.pack(">I", i), 0x0080000000011000 + i)
                  for i in range(9000))
    await_that("R's table is full", lambda: counters(victims, "R")["drop-neighbours"] > 4000)
    assert_unharmed(victims)
    # A scan: packets to addresses of the link that nobody has.
    attacker.send(packet([I_B, 0x0080000000018000 + i], 1, b"scan", 17) for i in range(3000))
    await_that("R gives up on them", lambda: counters(victims, "R")["drop-no-neighbour"] > 2500)
    assert_unharmed(victims)


def test_flood_of_where_are_you(victims: Lab) -> None:
    attacker = Attacker(victims)
    before = counters(victims, "R")
    begun = time.monotonic()
    attacker.send(where_are_you(attacker.own, (0, R_A)[i % 2]) for i in range(30000))
    await_that("R has read them",
               lambda: counters(victims, "R")["received"] - before["received"] > 25000)
    after = counters(victims, "R")
    lasted = time.monotonic() - begun
    assert after["drop-answer-limit"] > 0
    # A thousand a second, as many saved up, and the few packets that R sends for itself.
    assert after["sent"] - before["sent"] < 1000 * (lasted + 1) + 200
    assert_unharmed(victims)


def test_routes_that_loop_and_headers_that_lie(victims: Lab) -> None:
    attacker = Attacker(victims)
    victims.capture("R", "I")
    echo = struct.pack(">BBHHH", 8, 0, 0, 1, 1)
    # To and fro between R and I: a host is no relay, so it ends there.
    loop = [H_A, *[R_A, I_B] * 15]
    # R's own addresses, one after the other, thirty times; then on to I.
    long = [H_A, *[R_A, 0x0080000000020001] * 15, I_B]
    attacker.send([icmp(loop, 1, echo), icmp(long, 1, echo)])
    await_that("I answers the long one", lambda: any(
        one.icmp_type == ICMP_ECHO and len(one.route) == 32 and one.active == 31
        for one in list(victims.captures["R", "I"].packets)))
    assert counters(victims, "I")["drop-not-for-us"] == 1
    # Next addr beyond num addrs, num addrs beyond the packet.
    before = counters(victims, "R")["drop-malformed"]
    whole = bytearray(icmp([H_A, R_A, I_B], 1, echo))
    lies = []
    for count, following in ((1, 2), (1, 255), (255, 0), (31, 1), (3, 1), (0, 1)):
        whole[28], whole[29] = count, following
        lies.append(bytes(whole))
    attacker.send(lies)
    await_that("R drops them",
               lambda: counters(victims, "R")["drop-malformed"] == before + len(lies))
    assert_unharmed(victims)


def test_control_socket_with_garbage(victims: Lab) -> None:
    source = random.Random(2)
    lines = [b"\n", b"{}\n", b"[]\n", b'{"command":1}\n', b'{"command":"echo","to":[1]}\n',
             b'{"command":"echo","to":"P.b.i","size":-1}\n', b'{"command":"echo","to":[]}\n',
             b'{"command":"route-set","prefix":"P"}\n', b'{"command":"join","group":"nobody"}\n',
             b'{"command":"route-remove"}\n', b"{" * 3000 + b"\n", b"\0\n", b"\xff\xfe\n"]
    lines += [bytes(source.randrange(32, 127) for _ in range(source.randrange(200))) + b"\n"
              for _ in range(500)]
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(victims.control("R")))
        client.settimeout(60)
        for line in lines:
            client.sendall(line)
            said = b""
            while not said.endswith(b"\n"):
                said += client.recv(65536)
            assert "reason" in json.loads(said.splitlines()[-1])["error"], line
    # A line without an end, more clients than there is room for, and one that hangs up at once.
    clients = [socket.socket(socket.AF_UNIX) for _ in range(60)]
    for client in clients:
        client.connect(str(victims.control("R")))
    clients[0].sendall(b"x" * 5000)
    for client in clients:
        client.close()
    assert_unharmed(victims)
    assert subprocess.run([SIPP, "-s", Path(victims.control("R")), "status"], check=False,
                          capture_output=True).returncode == 0
