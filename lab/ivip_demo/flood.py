#!/usr/bin/python3
"""An echo request every so often, evenly: COUNT of them, or until SIGINT; then time for the last answers.

    flood.py ADDRESS INTERVAL_US [COUNT]

ping waits for answers between requests when they are to come fast, so it cannot keep to a
millisecond when the round trip takes longer; and for the last answers it waits no longer than the
interval, or twice the slowest answer, so that a busy machine loses some. Prints "begun" when it begins,
and one JSON object at the end.
"""

from __future__ import annotations

import json
import select
import signal
import socket
import struct
import sys
import time

WAIT_SECONDS = 3.0      # for the last answers; less where all came, or errors in their place
SEQUENCES = 1 << 16
ECHO_REQUEST = {socket.AF_INET: 8, socket.AF_INET6: 128}
ECHO_REPLY = {socket.AF_INET: 0, socket.AF_INET6: 129}


class Flood:
    def __init__(self, address: str) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        protocol = socket.IPPROTO_ICMPV6 if family == socket.AF_INET6 else socket.IPPROTO_ICMP
        # A datagram socket: the kernel adds checksum and identifier, and hands back our answers.
        self.socket = socket.socket(family, socket.SOCK_DGRAM, protocol)
        self.socket.connect((address, 0))
        self.socket.setblocking(False)
        self.family = family
        self.sent = 0
        self.refused = 0                  # the network answered with an error
        self.waiting: dict[int, float] = {}
        self.times_ms: list[float] = []
        self.first_ms: float | None = None    # of the answer to the first request

    def send(self) -> None:
        number = self.sent % SEQUENCES
        packet = struct.pack("!BBHHH16x", ECHO_REQUEST[self.family], 0, 0, 0, number)
        try:
            self.socket.send(packet)
        except OSError:
            self.refused += 1
        self.waiting[number] = time.monotonic()
        self.sent += 1

    def receive(self) -> None:
        while True:
            try:
                packet = self.socket.recv(512)
            except BlockingIOError:
                return
            except OSError:
                self.refused += 1
                continue
            if len(packet) >= 8 and packet[0] == ECHO_REPLY[self.family]:
                number = int.from_bytes(packet[6:8])
                begin = self.waiting.pop(number, None)
                if begin is not None:
                    self.times_ms.append((time.monotonic() - begin) * 1000)
                    if number == 0:
                        self.first_ms = self.times_ms[-1]

    def until(self, when: float) -> None:
        """Receives until then."""
        while (left := when - time.monotonic()) > 0:
            if select.select([self.socket], [], [], left)[0]:
                self.receive()


def main() -> int:
    address, interval = sys.argv[1], int(sys.argv[2]) / 1e6
    count = int(sys.argv[3]) if len(sys.argv) > 3 else SEQUENCES
    stopped: list[int] = []
    signal.signal(signal.SIGINT, lambda *_: stopped.append(1))
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
    flood = Flood(address)
    print("begun", flush=True)
    due = time.monotonic()
    while not stopped and flood.sent < count:
        flood.send()
        due += interval
        if flood.sent < count:
            flood.until(due)
    end = time.monotonic() + WAIT_SECONDS
    while len(flood.waiting) > flood.refused and time.monotonic() < end:
        flood.until(min(time.monotonic() + 0.01, end))
    times = flood.times_ms or [0.0]
    print(json.dumps({"sent": flood.sent, "received": len(flood.times_ms),
                      "least_ms": min(times), "average_ms": sum(times) / len(times),
                      "most_ms": max(times), "first_ms": flood.first_ms}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
