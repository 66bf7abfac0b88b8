#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Writes pages.txt: Page Requests and Replies and what they mean, from docs/protocol.md alone.

It shares no code with src/wire, so the two check each other. Run it again only when the protocol
changes:  tests/vectors/make_pages.py > tests/vectors/pages.txt
"""
from __future__ import annotations

import hashlib
import struct

NONCE = 0x0123456789ABCDEF
NAMES = {9: "page-request", 10: "page-reply"}
STATUSES = ["found", "none", "unknown", "longer"]
DIGITS = "0123456789abcdefghijklmnopqrstuv"
NO_PAGE = bytes(10)


def page(*strings: str) -> bytes:
    """RDATA of a TXT record."""
    return b"".join(bytes([len(text)]) + text.encode() for text in strings)


def digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=32).digest()[:10]


def text_of(name: bytes) -> str:
    """Base32hex, lower case; "-" for none."""
    bits = int.from_bytes(name, "big")
    return "".join(DIGITS[bits >> shift & 31] for shift in range(75, -1, -5)) if any(name) else "-"


def message(kind: int, name: bytes, rest: bytes, length: int | None = None, version: int = 1) -> bytes:
    body = struct.pack("!Q", NONCE) + name + rest
    total = 8 + len(body) if length is None else length
    return struct.pack("!HBBHH", 0x4976, version, kind, total, 0) + body


def extension(kind: int, value: bytes) -> bytes:
    return struct.pack("!HH", kind, len(value)) + value


def request(name: bytes, size: int = 940, reserved: bytes = bytes(14)) -> bytes:
    padding = extension(0, bytes(size - 44)) if any(name) else b""
    return message(9, name, reserved + padding)


def reply(name: bytes, root: bytes, level: int, status: int, content: bytes = b"",
          length: int | None = None, behind: bytes = b"") -> bytes:
    size = len(content) if length is None else length
    return message(10, name, root + struct.pack("!BBH", level, status, size) + content + behind)


def show(title: str, octets: bytes, meaning: str) -> None:
    print(f"name: {title}\n{meaning}\nhex: {octets.hex()}\n")


def good_request(title: str, octets: bytes, name: bytes) -> None:
    show(title, octets, f"message: page-request nonce={NONCE:016x} page={text_of(name)}")


def good_reply(title: str, octets: bytes, name: bytes, root: bytes, level: int, status: str,
               length: int = 0) -> None:
    show(title, octets, f"message: page-reply nonce={NONCE:016x} page={text_of(name)}\n"
         f"reply: {status} root={text_of(root)} level={level} length={length}")


def refused(title: str, octets: bytes, reason: str) -> None:
    show(title, octets, f"refused: {reason}")


MABS = page("20.0.0.0/14 acme", "20.8.0.0/16 beta", "198.18.0.0/24 -", "2001:db8::/32 acme")
NAME = digest(MABS)
UPPER = page(text_of(NAME), text_of(digest(page(""))))
ROOT = digest(UPPER)
FULL = page(*["x" * 99] * 9)
assert len(FULL) == 900

print("# Page Requests and Replies (docs/protocol.md, \"The set of MABs\") and what a reader must make")
print("# of them. Written by make_pages.py.\n")

good_request("page request for the root", request(NO_PAGE), NO_PAGE)
good_request("page request", request(NAME), NAME)
good_request("page request with as much padding as there may be, not canonical", request(NAME, 1232),
             NAME)
good_request("page request without padding, not canonical", message(9, NAME, bytes(14)), NAME)
good_request("page request with reserved octets, not canonical",
             request(NO_PAGE, reserved=b"\xff" * 14), NO_PAGE)
good_request("page request with an unknown extension, not canonical",
             message(9, NO_PAGE, bytes(14) + extension(77, b"abc")), NO_PAGE)
good_reply("page reply with the root", reply(NO_PAGE, ROOT, 1, 1), NO_PAGE, ROOT, 1, "none")
good_reply("page reply of a server without a set", reply(NO_PAGE, NO_PAGE, 0, 1), NO_PAGE, NO_PAGE, 0,
           "none")
good_reply("page reply with MABs", reply(NAME, ROOT, 1, 0, MABS), NAME, ROOT, 1, "found", len(MABS))
good_reply("page reply with names", reply(ROOT, ROOT, 1, 0, UPPER), ROOT, ROOT, 1, "found", len(UPPER))
good_reply("page reply with the longest page", reply(digest(FULL), ROOT, 7, 0, FULL), digest(FULL),
           ROOT, 7, "found", 900)
good_reply("page reply, unknown", reply(NAME, ROOT, 1, 2), NAME, ROOT, 1, "unknown")
good_reply("page reply, unknown, without a set", reply(NAME, NO_PAGE, 0, 2), NAME, NO_PAGE, 0, "unknown")
good_reply("page reply, longer", reply(NAME, ROOT, 1, 3), NAME, ROOT, 1, "longer")
good_reply("page reply with an extension, not canonical",
           reply(NAME, ROOT, 1, 0, MABS, behind=extension(9, b"x")), NAME, ROOT, 1, "found", len(MABS))

refused("page request longer than any", request(NAME, 1233), "length")
refused("page request of another length", message(9, NO_PAGE, bytes(14), length=41), "length")
refused("page request of another version", message(9, NO_PAGE, bytes(14), version=2), "version")
refused("page request with an extension that runs past it",
        message(9, NO_PAGE, bytes(14) + struct.pack("!HH", 0, 5) + b"abc"), "extension")
refused("page reply, page found but none asked for", reply(NO_PAGE, ROOT, 1, 0, MABS), "value")
refused("page reply, found without content", reply(NAME, ROOT, 1, 0), "value")
refused("page reply, unknown with content", reply(NAME, ROOT, 1, 2, MABS), "value")
refused("page reply, none though a page was asked for", reply(NAME, ROOT, 1, 1), "value")
refused("page reply, unknown though none was asked for", reply(NO_PAGE, ROOT, 1, 2), "value")
refused("page reply with a status there is not", reply(NAME, ROOT, 1, 4), "value")
refused("page reply with a level there is not", reply(NO_PAGE, ROOT, 8, 1), "value")
refused("page reply with a level of no root", reply(NO_PAGE, NO_PAGE, 1, 1), "value")
refused("page reply with a page longer than there may be", reply(NAME, ROOT, 1, 0, FULL + b"x"), "value")
refused("page reply whose page runs past it", reply(NAME, ROOT, 1, 0, MABS, length=len(MABS) + 1),
        "short")
refused("a message of another type", message(8, NO_PAGE, bytes(24)), "type")
