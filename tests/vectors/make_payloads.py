#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Writes payload.txt: payloads and what they mean, from docs/protocol.md alone.

It shares no code with src/wire, so the two check each other. Run it again only when the protocol
changes:  tests/vectors/make_payloads.py > tests/vectors/payload.txt
"""
import hashlib
import ipaddress
import struct

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SEED = bytes(range(32))
KEY = Ed25519PrivateKey.from_private_bytes(SEED)
PUBLIC = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
RUAS = hashlib.blake2b(PUBLIC, digest_size=32).digest()[:8]
TIME = 1767225600123


def sign(unsigned):
    return unsigned + KEY.sign(b"ivip payload v1\0" + unsigned)


def payload(sections, epoch=3, sequence=77, magic=0x4976, version=1, kind=32, length=None):
    body = RUAS + struct.pack("!QQQ", epoch, sequence, TIME) + b"".join(sections)
    total = 8 + len(body) + 64 if length is None else length
    return sign(struct.pack("!HBBHH", magic, version, kind, total, 0) + body)


def section(kind, body=b"", flags=0):
    return struct.pack("!BBH", kind, flags, len(body)) + body


def prefix_parts(text):
    net = ipaddress.ip_network(text, strict=False)
    address = ipaddress.ip_address(text.split("/")[0]).packed
    return net.version, net.prefixlen, (address + bytes(8))[:8]


def updates(mab, sequence, encoded, part=0, parts=1, reserved=0):
    family, length, upper = prefix_parts(mab)
    head = struct.pack("!BBHHH", family, length, part, parts, reserved)
    return section(1, head + upper + struct.pack("!Q", sequence) + b"".join(encoded))


def heartbeat():
    return section(2)


def state(mab, sequence, lanes, kind=4, tail=b"", reserved=bytes(6)):
    family, length, upper = prefix_parts(mab)
    body = struct.pack("!BB", family, length) + reserved + upper
    return section(kind, body + struct.pack("!QQQ", sequence, *lanes) + tail)


def snapshot(mab, sequence, lanes, time, micronets):
    return state(mab, sequence, lanes, kind=3, tail=struct.pack("!QQ", time, micronets))


def unit(text):
    address = ipaddress.ip_address(text)
    return address.packed[:8] if address.version == 6 else address.packed


def update(kind, first, count, etr=None, at=None):
    size = len(unit(first))
    packed = ipaddress.ip_address(etr).packed if etr else b""
    family = {0: 0, 4: 4, 16: 6}[len(packed)]
    tail = unit(at) if at else packed
    return struct.pack("!BB", kind, family) + unit(first) + count.to_bytes(size, "big") + tail


HEAD = f"payload: ruas={RUAS.hex()} epoch=3 sequence=77 time={TIME}"
MAP4 = update(1, "20.1.0.16", 16, "198.18.3.1")


def good(name, meaning, sections):
    return name, [HEAD, *meaning, "signature: good"], payload(sections)


def refused(name, reason, octets):
    return name, [f"refused: {reason}"], octets


def broken(name, what, sections):
    """A sound frame with a section, or an update, that makes no sense."""
    return name, [HEAD, *what, "signature: good"], payload(sections)


def tampered(octets, place):
    return octets[:place] + bytes([octets[place] ^ 1]) + octets[place + 1:]


VECTORS = [
    good("heartbeat", ["section: heartbeat"], [heartbeat()]),
    good("every kind of update, IPv4",
         ["section: updates 20.0.0.0/14 sequence=9 part=0/1",
          "update: map 20.1.0.16/28 etr=198.18.3.1",
          "update: map 20.1.0.5-20.1.0.9 etr=2001:db8:ffff::1",
          "update: map 20.1.0.32 etr=zero",
          "update: define 20.1.1.0/24 etr=198.18.3.2",
          "update: split 20.1.2.0/24 at=20.1.2.100",
          "update: join 20.1.3.0/24",
          "update: delete 20.3.255.255"],
         [updates("20.0.0.0/14", 9, [
             MAP4, update(1, "20.1.0.5", 5, "2001:db8:ffff::1"), update(1, "20.1.0.32", 1),
             update(2, "20.1.1.0", 256, "198.18.3.2"),
             update(3, "20.1.2.0", 256, at="20.1.2.100"),
             update(4, "20.1.3.0", 256), update(5, "20.3.255.255", 1)])]),
    good("every kind of update, IPv6",
         ["section: updates 2001:db8::/32 sequence=18446744073709551615 part=0/1",
          "update: map 2001:db8:0:40::/62 etr=2001:db8:ffff::1",
          "update: map 2001:db8:0:50::/64+3 etr=198.18.3.1",
          "update: define 2001:db8:8000::/33 etr=zero",
          "update: split 2001:db8:1::/48 at=2001:db8:1:1::",
          "update: join 2001:db8:2::/48",
          "update: delete 2001:db8:3::/64"],
         [updates("2001:db8::/32", 2**64 - 1, [
             update(1, "2001:db8:0:40::", 4, "2001:db8:ffff::1"),
             update(1, "2001:db8:0:50::", 3, "198.18.3.1"),
             update(2, "2001:db8:8000::", 2**31),
             update(3, "2001:db8:1::", 2**16, at="2001:db8:1:1::"),
             update(4, "2001:db8:2::", 2**16),
             update(5, "2001:db8:3::", 1)])]),
    good("several sections of several MABs",
         ["section: updates 20.0.0.0/14 sequence=10 part=0/1",
          "update: map 20.1.0.16/28 etr=198.18.3.1",
          "section: updates 2001:db8::/32 sequence=1 part=0/1",
          "update: delete 2001:db8:3::/64",
          "section: state 20.0.0.0/14 sequence=10 hash=00112233445566778899aabbccddeeff",
          "section: snapshot 2001:db8::/32 sequence=0 hash=00000000000000000000000000000000 "
          "time=1767225599000 micronets=0"],
         [updates("20.0.0.0/14", 10, [MAP4]),
          updates("2001:db8::/32", 1, [update(5, "2001:db8:3::", 1)]),
          state("20.0.0.0/14", 10, (0x0011223344556677, 0x8899AABBCCDDEEFF)),
          snapshot("2001:db8::/32", 0, (0, 0), 1767225599000, 0)]),
    good("the last of three parts",
         ["section: updates 20.0.0.0/8 sequence=5 part=2/3",
          "update: map 20.1.0.16/28 etr=198.18.3.1"],
         [updates("20.0.0.0/8", 5, [MAP4], part=2, parts=3)]),
    ("a section of a type to come is stepped over",
     [HEAD, "section: unknown type=200", "section: heartbeat", "signature: good"],
     payload([section(200, b"later"), heartbeat()])),
    ("a critical section of a type to come",
     [HEAD, "section: unknown type=201 critical", "signature: good"],
     payload([section(201, b"", flags=1)])),
    ("forged: an octet of the time was changed",
     [f"payload: ruas={RUAS.hex()} epoch=3 sequence=77 time={TIME ^ 1}", "section: heartbeat",
      "signature: bad"], tampered(payload([heartbeat()]), 39)),
    refused("empty", "short", b""),
    refused("ends in the header", "short", payload([heartbeat()])[:7]),
    refused("no section", "short", payload([])),
    refused("another magic", "magic", payload([heartbeat()], magic=0x4977)),
    refused("another version", "version", payload([heartbeat()], version=2)),
    refused("a type that does not exist", "type", payload([heartbeat()], kind=33)),
    refused("a Map Request", "type", payload([heartbeat()], kind=1)),
    refused("length too small", "length", payload([heartbeat()], length=107)),
    refused("an octet is missing", "length", payload([heartbeat()])[:-1]),
    refused("one octet over the limit", "length",
            payload([section(200, bytes(1233 - 40 - 4 - 64))])),
    refused("epoch 0", "value", payload([heartbeat()], epoch=0)),
    refused("sequence 0", "value", payload([heartbeat()], sequence=0)),
    broken("a section runs into the signature", ["section: malformed"],
           [struct.pack("!BBH", 2, 0, 1)]),
    broken("half a section header", ["section: heartbeat", "section: malformed"],
           [heartbeat(), b"\x02"]),
    broken("section type 0", ["section: malformed"], [section(0)]),
    broken("a known section with flags", ["section: malformed"], [section(2, flags=1)]),
    broken("a heartbeat with a body", ["section: malformed"], [section(2, b"x")]),
    broken("a prefix with bits below its length", ["section: malformed"],
           [state("20.1.0.0/14", 1, (0, 0))]),
    broken("a prefix too long for a MAB", ["section: malformed"],
           [state("20.1.0.0/25", 1, (0, 0))]),
    broken("reserved octets that are not zero", ["section: malformed"],
           [state("20.0.0.0/14", 1, (0, 0), reserved=b"\0\0\0\0\0\1")]),
    broken("reserved octets of updates that are not zero", ["section: malformed"],
           [updates("20.0.0.0/14", 1, [MAP4], reserved=1)]),
    broken("a state that is too long", ["section: malformed"],
           [state("20.0.0.0/14", 1, (0, 0), tail=b"\0")]),
    broken("a snapshot that is too short", ["section: malformed"],
           [state("20.0.0.0/14", 1, (0, 0), kind=3, tail=bytes(15))]),
    broken("a set without updates", ["section: malformed"], [updates("20.0.0.0/14", 1, [])]),
    broken("a set with sequence 0", ["section: malformed"], [updates("20.0.0.0/14", 0, [MAP4])]),
    broken("part 1 of 1", ["section: malformed"],
           [updates("20.0.0.0/14", 1, [MAP4], part=1, parts=1)]),
    broken("more parts than are allowed", ["section: malformed"],
           [updates("20.0.0.0/14", 1, [MAP4], part=1, parts=65)]),
]
for label, encoded in [
        ("an update of kind 0", update(0, "20.1.0.0", 1)),
        ("an update of kind 6", update(6, "20.1.0.0", 1)),
        ("a range of no units", update(5, "20.1.0.0", 0)),
        ("a range past the end of the space", update(5, "255.255.255.255", 2)),
        ("an ETR of family 5", b"\x01\x05" + MAP4[2:]),
        ("a join with an ETR", update(4, "20.1.0.0", 2, "198.18.3.1")),
        ("a split at the start of its range", update(3, "20.1.0.0", 2, at="20.1.0.0")),
        ("a split past the end of its range", update(3, "20.1.0.0", 2, at="20.1.0.2")),
        ("an update that ends early", MAP4[:-1])]:
    VECTORS.append(broken(label, ["section: updates 20.0.0.0/14 sequence=1 part=0/1",
                                  "update: malformed"], [updates("20.0.0.0/14", 1, [encoded])]))

print("# Payloads (docs/protocol.md, \"Payload\") and what a reader must make of them. Written by")
print("# make_payloads.py. A payload is over where its reader says \"refused\" or \"malformed\".")
print("# Signatures are by the Ed25519 key with this seed; its public key follows.")
print(f"seed: {SEED.hex()}")
print(f"public: {PUBLIC.hex()}")
for label, lines, octets in VECTORS:
    print(f"\nname: {label}")
    print("\n".join(lines))
    print(f"hex: {octets.hex()}".rstrip())
