# SPDX-License-Identifier: BSD-2-Clause
"""The Wireshark dissector reads the protocol's test vectors as the decoders do."""
import pathlib
import re
import struct
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "contrib/wireshark/ivip.lua"


def vectors(name):
    """The cases of a vector file: each a list of (key, value) in order."""
    case = []
    for line in (ROOT / "tests/vectors" / name).read_text().splitlines() + [""]:
        if line.startswith("#") or line.startswith(("seed:", "public:")):
            continue
        if line:
            case.append(tuple(part.strip() for part in line.split(":", 1)))
        elif case:
            yield case
            case = []


def capture(path, port, datagrams):
    """Writes a pcap file of UDP datagrams to a port (link type 228: raw IPv4)."""
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 228))
        for data in datagrams:
            udp = struct.pack("!HHHH", 4000, port, 8 + len(data), 0) + data
            ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0,
                             bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2])) + udp
            out.write(struct.pack("<IIII", 0, 0, len(ip), len(ip)) + ip)


def dissect(path, *fields):
    """One list of values a packet, in the order of `fields`."""
    command = ["tshark", "-n", "-X", f"lua_script:{SCRIPT}", "-r", str(path), "-T", "fields",
               "-E", "separator=|", "-E", "aggregator= "]
    for field in fields:
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Lua" not in done.stderr, done.stderr
    return [line.split("|") for line in done.stdout.splitlines()]


def test_payload_vectors(tmp_path):
    cases = [dict(case) | {"updates": [v for k, v in case if k == "update"],
                           "sections": [v.split()[0] for k, v in case if k == "section"]}
             for case in vectors("payload.txt")]
    good = [c for c in cases if c.get("signature") == "good"
            and not any(v in ("refused", "malformed") for v in map(str, c.values()))
            and "refused" not in str(c.get("payload")) and "malformed" not in str(c)]
    assert len(good) >= 3
    capture(tmp_path / "p.pcap", 4749, [bytes.fromhex(c["hex"]) for c in good])
    rows = dissect(tmp_path / "p.pcap", "ivip.type", "ivip.sequence", "ivip.section",
                   "ivip.update", "ivip.malformed")
    kinds = {"map": "1", "define": "2", "split": "3", "join": "4", "delete": "5"}
    numbers = {"updates": "1", "heartbeat": "2", "snapshot": "3", "state": "4"}
    for case, (kind, sequence, sections, updates, malformed) in zip(good, rows, strict=True):
        assert kind == "32" and malformed == "", case["name"]
        assert f"sequence={sequence}" in case["payload"], case["name"]
        known = [numbers[s] for s in case["sections"] if s in numbers]
        assert [s for s in sections.split() if s in numbers.values()] == known, case["name"]
        assert updates.split() == [kinds[u.split()[0]] for u in case["updates"]], case["name"]


def test_query_vectors(tmp_path):
    cases = [dict(case) | {key: [v for k, v in case if k == key]
                           for key in ("alternative", "released", "flushed")}
             for case in vectors("query.txt")]
    good = [c for c in cases if "refused" not in str(c) and "beside which" not in c["name"]]
    assert len(good) >= 8
    assert all(any(c[key] for c in good) for key in ("alternative", "released", "flushed"))
    capture(tmp_path / "q.pcap", 4746, [bytes.fromhex(c["hex"]) for c in good])
    rows = dissect(tmp_path / "q.pcap", "ivip.type", "ivip.nonce", "ivip.question", "ivip.etr",
                   "ivip.malformed", "ivip.alternative", "ivip.released", "ivip.flushed")
    for case, (kind, nonce, question, etr, malformed, alternatives, released, flushed) in zip(
            good, rows, strict=True):
        assert alternatives == " ".join(re.sub(r"^\[?(.*?)\]?:(\d+)$", r"\1 port \2", one)
                                        for one in case["alternative"]), case["name"]
        assert released.split() == [f"0x{one}" for one in case["released"]], case["name"]
        assert flushed.split() == [f"0x{one}" for one in case["flushed"]], case["name"]
        assert malformed == "", case["name"]
        assert question == case.get("question", ""), case["name"]
        assert f"etr={etr} " in case.get("answer", "etr= "), case["name"]
        assert kind == str(bytes.fromhex(case["hex"])[3]), case["name"]
        assert int(nonce, 16) == int.from_bytes(bytes.fromhex(case["hex"])[8:16], "big")


def test_page_vectors(tmp_path):
    good = [dict(case) for case in vectors("pages.txt") if "refused" not in str(case)]
    assert len(good) >= 8
    capture(tmp_path / "l.pcap", 4746, [bytes.fromhex(c["hex"]) for c in good])
    rows = dissect(tmp_path / "l.pcap", "ivip.type", "ivip.nonce", "ivip.page", "ivip.page.root",
                   "ivip.page.status", "ivip.page.length", "ivip.page.entry", "ivip.malformed")
    statuses = ["found", "none", "unknown", "longer"]
    for case, (kind, nonce, page, root, status, length, entries, malformed) in zip(good, rows,
                                                                                   strict=True):
        data = bytes.fromhex(case["hex"])
        assert malformed == "" and kind == str(data[3]), case["name"]
        assert int(nonce, 16) == int.from_bytes(data[8:16], "big")
        assert f"page={page or '-'}" in case["message"], case["name"]
        if kind == "10":
            assert case["reply"].startswith(f"{statuses[int(status)]} root={root or '-'} "), case["name"]
            assert case["reply"].endswith(f" length={length}"), case["name"]
            assert len(entries) == max(int(length) - 1, 0), case["name"]


@pytest.mark.parametrize("data", [b"", b"\x49\x76", b"\x49\x76\x01\x20\x00\x08\x00\x00",
                                  b"\x49\x76\x01\x03\x00\x28\x00\x00" + bytes(32),
                                  b"\x49\x76\x01\x04\x00\x2b\x00\x00" + bytes(35),
                                  b"\x49\x76\x01\x20\x00\x70\x00\x00" + b"\xff" * 104])
def test_garbage_is_marked(tmp_path, data):
    capture(tmp_path / "g.pcap", 4749, [data])
    rows = dissect(tmp_path / "g.pcap", "ivip.type", "ivip.malformed")
    assert len(rows) == 1
    assert len(data) < 8 or rows[0][1] != ""
