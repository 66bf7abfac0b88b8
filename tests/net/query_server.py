#!/usr/bin/python3
"""A query server for tests: answers Map Requests from a file, and tells of its changes.

    query_server.py ADDRESS PORT FILE

The file holds JSON: {"mappings": [["20.1.0.16", 16, "198.18.3.1"], ...], "silent": false}; each
mapping is first address, units, and ETR or null for zero. Beside them may stand "caching_ms", and in
"outside", by port, addresses of which the server at that port says that they are in no MAB. The file is
read again for each datagram and every 20 ms; a mapping that changed is sent to everyone who was told of
it (docs/protocol.md, "Query protocol"). It is written from that page alone, so it also checks the page.
"""
import ipaddress
import json
import random
import select
import socket
import struct
import sys

HEADER = struct.Struct("!HBBHH QQIIQ")
INSTANCE = random.getrandbits(64)
CACHING_MS = 600_000
MAPPED, ZERO, NOT_IN_MAB = 0, 1, 2
NOT_IN_MAB_CACHING_MS = 10_000
MAP_REQUEST, MAP_REPLY, CACHE_UPDATE, ALIVE_REQUEST, ALIVE_REPLY = 1, 3, 5, 7, 8


def padded(text):
    packed = ipaddress.ip_address(text).packed
    return packed + bytes(16 - len(packed))


def unit(address):
    return int(address) if address.version == 4 else int(address) >> 64


def body(family, first, units, etr, caching_ms, outside=False):
    etr_family = ipaddress.ip_address(etr).version if etr else 0
    status = NOT_IN_MAB if outside else MAPPED if etr else ZERO
    return struct.pack("!BBBBIQQ", status, family, etr_family, 0, caching_ms, first,
                       units) + (padded(etr) if etr else bytes(16)) + struct.pack("!Q", 1)


class Server:
    def __init__(self, address, port, path):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind((address, port))
        self.port = str(port)
        self.path = path
        self.told = {}  # (first, units, family) -> {(peer, nonce): etr}
        self.sequence = 0

    def read(self):
        with open(self.path, encoding="utf-8") as file:
            return json.load(file)

    def find(self, mappings, address):
        for first, units, etr in mappings:
            start = ipaddress.ip_address(first)
            if start.version == address.version and 0 <= unit(address) - unit(start) < units:
                return unit(start), units, etr
        return unit(address), 1, None

    def send(self, kind, peer, nonce, querier_sequence, content):
        self.sequence += 1
        message = HEADER.pack(0x4976, 1, kind, HEADER.size + len(content), 0, nonce,
                              random.getrandbits(64), querier_sequence, self.sequence, INSTANCE)
        self.socket.sendto(message + content, peer)

    def answer(self, message, peer, state):
        if len(message) < HEADER.size:
            return
        _, _, kind, _, _, nonce, _, querier_sequence, _, _ = HEADER.unpack_from(message)
        if kind == ALIVE_REQUEST:
            self.send(ALIVE_REPLY, peer, nonce, querier_sequence, b"")
        if kind != MAP_REQUEST:
            return
        family = message[HEADER.size]
        octets = message[HEADER.size + 4:HEADER.size + (8 if family == 4 else 20)]
        asked = ipaddress.ip_address(octets)
        if str(asked) in state.get("outside", {}).get(self.port, []):
            self.send(MAP_REPLY, peer, nonce, querier_sequence,
                      body(family, unit(asked), 1, None, NOT_IN_MAB_CACHING_MS, outside=True))
            return
        first, units, etr = self.find(state["mappings"], asked)
        self.told.setdefault((first, units, family), {})[(peer, nonce)] = etr
        self.send(MAP_REPLY, peer, nonce, querier_sequence,
                  body(family, first, units, etr, state.get("caching_ms", CACHING_MS)))

    def tell(self, state):
        for first, units, etr in state["mappings"]:
            start = ipaddress.ip_address(first)
            told = self.told.get((unit(start), units, start.version), {})
            for (peer, nonce), before in told.items():
                if before != etr:
                    told[(peer, nonce)] = etr
                    self.send(CACHE_UPDATE, peer, nonce, 0,
                              body(start.version, unit(start), units, etr,
                                   state.get("caching_ms", CACHING_MS)))

    def run(self):
        while True:
            readable, _, _ = select.select([self.socket], [], [], 0.02)
            state = self.read()
            if state.get("silent"):
                for _ in readable:
                    self.socket.recvfrom(2048)
                continue
            for _ in readable:
                self.answer(*self.socket.recvfrom(2048), state)
            self.tell(state)


if __name__ == "__main__":
    Server(sys.argv[1], int(sys.argv[2]), sys.argv[3]).run()
