#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Writes query.txt: query messages and what they mean, from docs/protocol.md alone.

It shares no code with src/wire, so the two check each other. Run it again only when the protocol
changes:  tests/vectors/make_queries.py > tests/vectors/query.txt
"""
import ipaddress
import struct

NONCE, TOKEN, INSTANCE = 0x0123456789ABCDEF, 0xFEDCBA9876543210, 0x1122334455667788
NAMES = {1: "map-request", 2: "map-request-ack", 3: "map-reply", 4: "map-reply-ack",
         5: "cache-update", 6: "cache-update-ack", 7: "alive-request", 8: "alive-reply"}
STATUSES = ["mapped", "zero", "not-in-mab", "try-another", "busy", "flush"]


def address_field(text):
    """Family and 16 octets."""
    if text in (None, "zero"):
        return 0, bytes(16)
    address = ipaddress.ip_address(text)
    return address.version, address.packed + bytes(16 - len(address.packed))


def unit(text):
    address = ipaddress.ip_address(text)
    return int(address) if address.version == 4 else int(address) >> 64


def head(kind, length, token=TOKEN, instance=INSTANCE, magic=0x4976, version=1, flags=0):
    common = struct.pack("!HBBHH", magic, version, kind, length, flags)
    return common + struct.pack("!QQIIQ", NONCE, token, 7, 9, instance)


def extension(kind, value):
    return struct.pack("!HH", kind, len(value)) + value


def alternative(address, port):
    family, octets = address_field(address)
    return extension(1, struct.pack("!BBH", family, 0, port) + octets)


def message(kind, body=b"", extensions=b"", length=None, **fields):
    total = 40 + len(body) + len(extensions)
    return head(kind, total if length is None else length, **fields) + body + extensions


def padded(kind, body=b"", size=192, **fields):
    return message(kind, body, extension(0, bytes(size - 44 - len(body))), **fields)


def question(address, family=None, reserved=bytes(3)):
    version, octets = address_field(address)
    return bytes([version if family is None else family]) + reserved + octets


def answer(status, first, units, etr=None, load=0, caching=600000, sequence=1234, family=None,
           etr_family=None):
    etr_version, octets = address_field(etr)
    version = ipaddress.ip_address(first).version if family is None else family
    code = status if isinstance(status, int) else STATUSES.index(status)
    return struct.pack("!BBBBIQQ", code, version,
                       etr_version if etr_family is None else etr_family, load, caching,
                       unit(first), units) + octets + struct.pack("!Q", sequence)


def show(name, octets, *meaning):
    print(f"name: {name}")
    for line in meaning:
        print(line)
    print(f"hex: {octets.hex()}\n")


def good(name, octets, *meaning, token=TOKEN):
    kind = NAMES[octets[3]]
    show(name, octets,
         f"message: {kind} nonce={NONCE:016x} token={token:016x} querier=7 server=9 "
         f"instance={INSTANCE:016x}", *meaning)


def refused(name, octets, reason):
    show(name, octets, f"refused: {reason}")


print("# Query messages (docs/protocol.md, \"Query protocol\") and what a reader must make of them.")
print("# Written by make_queries.py.\n")

good("map request, IPv4", padded(1, question("20.1.0.16")), "question: 20.1.0.16")
good("map request, IPv6", padded(1, question("2001:db8:0:40::1")), "question: 2001:db8:0:40::1")
good("map request without a token", padded(1, question("20.1.0.16"), token=0),
     "question: 20.1.0.16", token=0)
good("map request ack", message(2))
good("map reply, mapped", message(3, answer("mapped", "20.1.0.16", 16, "198.18.3.1")),
     "answer: mapped 20.1.0.16/28 etr=198.18.3.1 load=0 caching=600000 sequence=1234")
good("map reply, IPv4 micronet on an IPv6 ETR",
     message(3, answer("mapped", "20.1.0.5", 5, "2001:db8:ffff::1", load=128)),
     "answer: mapped 20.1.0.5-20.1.0.9 etr=2001:db8:ffff::1 load=128 caching=600000 sequence=1234")
good("map reply, IPv6", message(3, answer("mapped", "2001:db8:0:40::", 3, "2001:db8:ffff::1",
                                          caching=1, sequence=2**64 - 1)),
     "answer: mapped 2001:db8:0:40::/64+3 etr=2001:db8:ffff::1 load=0 caching=1 "
     "sequence=18446744073709551615")
good("map reply, a gap", message(3, answer("zero", "20.1.0.32", 224)),
     "answer: zero 20.1.0.32-20.1.0.255 etr=zero load=0 caching=600000 sequence=1234")
good("map reply, not in a MAB", message(3, answer("not-in-mab", "192.0.2.1", 1, caching=10000,
                                                  sequence=0)),
     "answer: not-in-mab 192.0.2.1 etr=zero load=0 caching=10000 sequence=0")
good("map reply, try another, with the most alternatives",
     message(3, answer("try-another", "20.1.0.16", 1, caching=0, sequence=0),
             alternative("198.18.9.2", 4746) + alternative("198.18.9.3", 4746) +
             alternative("2001:db8:9::2", 4746) + alternative("198.18.9.5", 1)),
     "answer: try-another 20.1.0.16 etr=zero load=0 caching=0 sequence=0",
     "alternative: 198.18.9.2:4746", "alternative: 198.18.9.3:4746",
     "alternative: [2001:db8:9::2]:4746", "alternative: 198.18.9.5:1")
good("map reply, busy", message(3, answer("busy", "20.1.0.16", 1, load=255, caching=0, sequence=0)),
     "answer: busy 20.1.0.16 etr=zero load=255 caching=0 sequence=0")
good("map reply ack", message(4))
good("map reply ack that releases a nonce",
     message(4, b"", extension(2, struct.pack("!Q", 0x1020304050607080))),
     "released: 1020304050607080")
good("cache update, mapped", message(5, answer("mapped", "20.1.0.16", 16, "198.18.3.2",
                                               caching=599000)),
     "answer: mapped 20.1.0.16/28 etr=198.18.3.2 load=0 caching=599000 sequence=1234")
good("cache update, zero", message(5, answer("zero", "20.1.0.16", 16)),
     "answer: zero 20.1.0.16/28 etr=zero load=0 caching=600000 sequence=1234")
good("cache update, flush", message(5, answer("flush", "20.1.0.16", 16, caching=0)),
     "answer: flush 20.1.0.16/28 etr=zero load=0 caching=0 sequence=1234")
good("cache update that flushes the most ranges",
     message(5, answer("flush", "20.1.0.16", 16, caching=0),
             b"".join(extension(3, struct.pack("!Q", i)) for i in range(1, 9))),
     "answer: flush 20.1.0.16/28 etr=zero load=0 caching=0 sequence=1234",
     *(f"flushed: {i:016x}" for i in range(1, 9)))
good("cache update, zero, beside which nothing can be flushed, not canonical",
     message(5, answer("zero", "20.1.0.16", 16), extension(3, bytes(8))),
     "answer: zero 20.1.0.16/28 etr=zero load=0 caching=600000 sequence=1234")
good("cache update ack", message(6))
good("cache update ack that releases the most nonces",
     message(6, b"", b"".join(extension(2, struct.pack("!Q", i)) for i in range(1, 10))),
     *(f"released: {i:016x}" for i in range(1, 10)))
good("alive request", padded(7))
good("alive reply", message(8))
good("an extension that nobody knows, not canonical",
     message(3, answer("zero", "20.1.0.32", 224), extension(77, b"abc") +
             alternative("198.18.9.2", 4746)),
     "answer: zero 20.1.0.32-20.1.0.255 etr=zero load=0 caching=600000 sequence=1234",
     "alternative: 198.18.9.2:4746")
good("flags are ignored, not canonical", message(8, flags=0xFFFF))
good("reserved octets of a request are ignored, not canonical",
     padded(1, question("20.1.0.16", reserved=b"\1\2\3")), "question: 20.1.0.16")
good("a request larger than the least, not canonical",
     padded(1, question("20.1.0.16"), size=512), "question: 20.1.0.16")
good("an ack with an extension, not canonical", message(4, b"", extension(9, b"")))

MAPPED = answer("mapped", "20.1.0.16", 16, "198.18.3.1")
refused("nothing", b"", "short")
refused("half a header", message(8)[:20], "length")
refused("header of the right length only", message(8, length=39)[:39], "short")
refused("another magic", message(8, magic=0x4977), "magic")
refused("another version", message(8, version=2), "version")
refused("an unknown type", message(9), "type")
refused("a payload on the query port", message(32), "type")
refused("longer than it says", message(8) + b"\0", "length")
refused("too long", padded(1, question("20.1.0.16"), size=513), "length")
refused("a request that is not padded", message(1, question("20.1.0.16")), "short")
refused("an alive request one octet short", padded(7, size=191), "short")
refused("instance 0", message(8, instance=0), "value")
refused("a question of no family", padded(1, question("20.1.0.16", family=0)), "value")
refused("a question of family 5", padded(1, question("20.1.0.16", family=5)), "value")
refused("an IPv4 question with octets of IPv6", padded(1, question("2001:db8::1", family=4)),
        "value")
refused("a reply without a body", message(3), "short")
refused("a reply cut inside its body", message(3, MAPPED[:47]), "short")
refused("an unknown status", message(3, answer(6, "20.1.0.16", 16)), "value")
refused("flush in a reply", message(3, answer("flush", "20.1.0.16", 16)), "value")
refused("busy in an update", message(5, answer("busy", "20.1.0.16", 1)), "value")
refused("mapped without an ETR", message(3, answer("mapped", "20.1.0.16", 16)), "value")
refused("zero with an ETR", message(3, answer("zero", "20.1.0.16", 16, "198.18.3.1")), "value")
refused("an ETR of family 5", message(3, answer("mapped", "20.1.0.16", 16, "198.18.3.1",
                                                etr_family=5)), "value")
refused("an IPv4 ETR with octets of IPv6", message(3, answer(
    "mapped", "20.1.0.16", 16, "2001:db8::1", etr_family=4)), "value")
refused("a range of no family", message(3, answer("zero", "20.1.0.16", 16, family=0)), "value")
refused("a range of no units", message(3, answer("zero", "20.1.0.16", 0)), "value")
refused("a range past the end of IPv4", message(3, answer("zero", "255.255.255.255", 2)), "value")
refused("a range past the end of IPv6",
        message(3, answer("zero", "ffff:ffff:ffff:ffff::", 2)), "value")
refused("not in a MAB for two units", message(3, answer("not-in-mab", "20.1.0.16", 2)), "value")
refused("half an extension", message(3, MAPPED, b"\0\1\0"), "extension")
refused("an extension longer than the message", message(3, MAPPED, b"\0\0\0\5abcd"), "extension")
refused("an alternative too short", message(3, MAPPED, extension(1, bytes(19))), "extension")
refused("an alternative too long", message(3, MAPPED, extension(1, bytes(21))), "extension")
refused("five alternatives", message(3, MAPPED, alternative("198.18.9.2", 4746) * 5), "extension")
refused("an alternative without a port", message(3, MAPPED, alternative("198.18.9.2", 0)), "value")
refused("an alternative of no family", message(3, MAPPED, alternative(None, 4746)), "value")
refused("a released nonce too short", message(6, b"", extension(2, bytes(7))), "extension")
refused("a released nonce too long", message(6, b"", extension(2, bytes(9))), "extension")
refused("ten released nonces", message(6, b"", extension(2, bytes(8)) * 10), "extension")
refused("a flushed nonce too short",
        message(5, answer("flush", "20.1.0.16", 16), extension(3, bytes(7))), "extension")
refused("a flushed nonce too long",
        message(5, answer("flush", "20.1.0.16", 16), extension(3, bytes(9))), "extension")
refused("nine flushed nonces",
        message(5, answer("flush", "20.1.0.16", 16), extension(3, bytes(8)) * 9), "extension")
