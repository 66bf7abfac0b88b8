# SPDX-License-Identifier: BSD-2-Clause
"""The Wireshark dissector of SIPP reads packets as a decoder of our own does."""
import pathlib
import struct
import subprocess

from sipp_lab import Packet, save_pcap

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "contrib/wireshark/sipp.lua"

NAMES = """
P      0080:0000:0000:0000/32   # a provider
P.D    +1/16
P.D.H  +7/16
S.I    0080:0000:0002:0009
"""
WORDS = {0x0080000000000000: "P.0", 0x0080000000010007: "P.D.H", 0x0080000000020009: "S.I"}


def frame(packet: bytes) -> bytes:
    return bytes([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]) + struct.pack("!H", 0x88B5) + packet


def dissect(path, *fields, options=()):
    command = ["tshark", "-n", "-X", f"lua_script:{SCRIPT}", "-r", str(path), "-T", "fields",
               "-E", "separator=|", "-E", "aggregator=;", *options]
    for field in fields:
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Lua" not in done.stderr, done.stderr
    return [line.split("|") for line in done.stdout.splitlines()]


def corpus():
    """The well-formed packets that the fuzzer starts from."""
    for file in sorted((ROOT / "fuzz/corpus/sipp_packet").iterdir()):
        if file.name in ("echo", "routed", "where", "here", "configuration"):
            yield file.name, file.read_bytes()


def text(address: int) -> str:
    digits = f"{address:016x}"
    return WORDS.get(address, ":".join(digits[i:i + 4] for i in range(0, 16, 4)))


def test_packets_read_as_by_another_decoder(tmp_path):
    packets = dict(corpus())
    assert len(packets) == 5
    (tmp_path / "names").write_text(NAMES)
    save_pcap(tmp_path / "s.pcap", [frame(data) for data in packets.values()])
    rows = dissect(tmp_path / "s.pcap", "sipp.route", "sipp.hop_limit", "sipp.icmp.type",
                   "sipp.malformed", "sipp.icmp.bad_checksum",
                   options=("-o", f"sipp.names:{tmp_path / 'names'}"))
    assert len(rows) == len(packets)
    for data, row in zip(packets.values(), rows, strict=True):
        mine = Packet(data)
        route = ", ".join(("*" if i == mine.active else "") + text(a)
                          for i, a in enumerate(mine.route))
        assert row == [route, str(mine.hop_limit), str(mine.icmp_type), "", ""]


def test_messages(tmp_path):
    packets = dict(corpus())
    save_pcap(tmp_path / "s.pcap", [frame(packets["here"]), frame(packets["where"]),
                                    frame(packets["configuration"])])
    rows = dissect(tmp_path / "s.pcap", "sipp.icmp.lifetime", "sipp.icmp.link", "sipp.icmp.identity",
                   "sipp.icmp.prefix", "sipp.icmp.sought", "sipp.icmp.number")
    link = "02:00:00:00:01:01"
    assert rows[0] == ["30", link, "0080:0000:0002:0009", "7f0e:0000:0000:0777/64", "", ""]
    assert rows[1] == ["", link, "", "", "0000:0000:0000:0000", ""]
    assert rows[2] == ["", link, "", "", "", "5"]


def test_damage_is_marked(tmp_path):
    echo, routed = dict(corpus())["echo"], dict(corpus())["routed"]
    beyond = bytearray(routed)
    beyond[29] = 9
    flipped = bytearray(echo)
    flipped[-1] ^= 1
    save_pcap(tmp_path / "s.pcap", [frame(echo[:-1]), frame(bytes(beyond)), frame(routed[:30]),
                                    frame(bytes(flipped)), frame(b"\x45" + echo[1:])])
    rows = dissect(tmp_path / "s.pcap", "sipp.malformed", "sipp.icmp.bad_checksum")
    assert [bool(row[0]) for row in rows] == [True, True, True, False, True]
    assert [bool(row[1]) for row in rows][3]


def test_tunnels(tmp_path):
    echo = dict(corpus())["echo"]
    ipv4 = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(echo), 0, 0, 64, 41, 0,
                       bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2])) + echo
    file = tmp_path / "t.pcap"
    save_pcap(file, [bytes(12) + b"\x08\x00" + ipv4])
    assert dissect(file, "sipp.route") == [[""]]
    rows = dissect(file, "sipp.route", options=("-o", "sipp.tunnels:TRUE"))
    assert rows == [["0080:0000:0001:0007, *0080:0000:0000:0001"]]
