"""Packets captured on the nodes of a lab.

All nodes share one kernel, so all captures share one clock, to the nanosecond: times at different
nodes can be subtracted from each other.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import signal
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ivip_lab.lab import Lab
from ivip_lab.problem import Problem

SNAP_BYTES = 160           # headers, twice, and some payload
BUFFER_KIB = 16384
NANOSECOND_MAGIC = 0xA1B23C4D
FILE_HEADER_BYTES = 24
RECORD_HEADER_BYTES = 16
# Octets before the IP header, by link type: Ethernet; "cooked", of a capture on all devices.
LINK_BYTES = {1: 14, 276: 20}
IN_IP = {4: "IPv4", 41: "IPv6"}    # protocol numbers of an inner packet
ICMP = {1, 58}
TCP = 6
UDP = 17
SETTLE_SECONDS = 5.0
# What tcpdump says on SIGUSR1, and at its end.
COUNTS = re.compile(r"(\d+) packets? captured, (\d+) packets? received by filter")
DROPPED = re.compile(r"(\d+) packets? dropped by kernel")
ECHO_REQUEST = {(1, 8), (58, 128)}


@dataclass(frozen=True, slots=True)
class Header:
    """One IP header."""

    source: str
    target: str
    protocol: int
    ttl: int
    length: int    # octets of the packet, this header included


@dataclass(frozen=True, slots=True)
class Packet:
    time_ns: int                # since 1970, the kernel's clock
    headers: tuple[Header, ...]  # outermost first
    echo: int | None            # sequence number of an echo request
    tcp_payload: int            # octets
    udp_payload: bytes          # as far as it was captured
    source_port: int            # of UDP

    @property
    def outer(self) -> Header:
        return self.headers[0]

    @property
    def inner(self) -> Header:
        return self.headers[-1]

    @property
    def tunnelled(self) -> bool:
        return len(self.headers) > 1


ADDRESS_CACHE: dict[bytes, str] = {}


def address_text(octets: bytes) -> str:
    text = ADDRESS_CACHE.get(octets)
    if text is None:
        text = ADDRESS_CACHE[octets] = str(ipaddress.ip_address(octets))
    return text


def read_header(data: bytes) -> tuple[Header, bytes] | None:
    """The IP header at the beginning, and what follows it."""
    if len(data) >= 20 and data[0] >> 4 == 4:
        size = (data[0] & 15) * 4
        return Header(address_text(data[12:16]), address_text(data[16:20]), data[9], data[8],
                      int.from_bytes(data[2:4])), data[size:]
    if len(data) >= 40 and data[0] >> 4 == 6:
        return Header(address_text(data[8:24]), address_text(data[24:40]), data[6], data[7],
                      40 + int.from_bytes(data[4:6])), data[40:]
    return None


def read_packet(time_ns: int, data: bytes) -> Packet | None:
    headers: list[Header] = []
    while (found := read_header(data)) is not None:
        header, data = found
        headers.append(header)
        if header.protocol not in IN_IP:
            break
    if not headers:
        return None
    inner = headers[-1]
    echo = None
    payload = 0
    datagram = b""
    source_port = 0
    if inner.protocol in ICMP and len(data) >= 8 and (inner.protocol, data[0]) in ECHO_REQUEST:
        echo = int.from_bytes(data[6:8])
    elif inner.protocol == TCP and len(data) >= 20:
        network_header = 40 if ":" in inner.source else 20
        payload = inner.length - network_header - (data[12] >> 4) * 4
    elif inner.protocol == UDP:
        source_port, datagram = int.from_bytes(data[:2]), data[8:]
    return Packet(time_ns, tuple(headers), echo, payload, datagram, source_port)


class CaptureFile:
    """A file of captured packets that may still grow."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.packets: list[Packet] = []
        self._place = 0
        self._link_bytes = 0

    def read_on(self) -> None:
        """Adds the packets that were written since the last time."""
        with self.file.open("rb") as opened:
            opened.seek(self._place)
            data = opened.read()
        place = 0
        if self._place == 0:
            if len(data) < FILE_HEADER_BYTES:
                return
            if struct.unpack_from("=I", data)[0] != NANOSECOND_MAGIC:
                raise Problem(f"{self.file} is no capture with nanoseconds")
            self._link_bytes = LINK_BYTES[struct.unpack_from("=I", data, 20)[0]]
            place = FILE_HEADER_BYTES
        while place + RECORD_HEADER_BYTES <= len(data):
            seconds, nanoseconds, kept, _length = struct.unpack_from("=IIII", data, place)
            begin = place + RECORD_HEADER_BYTES
            if begin + kept > len(data):
                break  # being written
            packet = read_packet(seconds * 1_000_000_000 + nanoseconds,
                                 data[begin + self._link_bytes:begin + kept])
            if packet is not None:
                self.packets.append(packet)
            place = begin + kept
        self._place += place


class Capture:
    """tcpdump on one device of a node ("any": all of them), from start to stop."""

    def __init__(self, lab: Lab, node: str, device: str, only: str, folder: Path) -> None:
        self.node = node
        self.file = folder / f"{node}-{device}.pcap"
        self._tcpdump = subprocess.Popen(
            lab.command_in(node, [
                "tcpdump", "-i", device, "-w", str(self.file), "-U", "--immediate-mode", "-n",
                "--time-stamp-precision=nano", "-s", str(SNAP_BYTES), "-B", str(BUFFER_KIB),
                "-Z", "root", only]),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self._content = CaptureFile(self.file)
        self._said: list[str] = []
        assert self._tcpdump.stderr is not None
        for line in self._tcpdump.stderr:
            self._said.append(line)
            if "listening on" in line:
                break
        else:
            raise Problem(f"tcpdump on {node} failed: {''.join(self._said).strip()}")
        # Read on, so that tcpdump never waits for us.
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._tcpdump.stderr is not None
        for line in self._tcpdump.stderr:
            self._said.append(line)

    def _ask(self, deadline: float) -> tuple[int, int] | None:
        """How many packets tcpdump has written, and how many the kernel has for it; None: no answer."""
        before = len(self._said)
        self._tcpdump.send_signal(signal.SIGUSR1)
        while time.monotonic() < deadline and self._tcpdump.poll() is None:
            for line in self._said[before:]:
                if found := COUNTS.search(line):
                    return int(found.group(1)), int(found.group(2))
            time.sleep(0.005)
        return None

    def settle(self) -> None:
        """Waits until tcpdump has written what came until now; on a busy machine it is behind."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while (counts := self._ask(deadline)) is not None and counts[0] < counts[1]:
            time.sleep(0.02)

    def stop(self) -> None:
        if self._tcpdump.poll() is None:
            self._tcpdump.terminate()
        self._tcpdump.wait()
        self._reader.join()
        for line in self._said:
            if (found := DROPPED.search(line)) and found.group(1) != "0":
                raise Problem(f"the capture on {self.node} is not whole: {line.strip()}")

    @property
    def packets(self) -> list[Packet]:
        """All so far; may be asked again while more come."""
        self._content.read_on()
        return self._content.packets


@contextlib.contextmanager
def capturing(lab: Lab, folder: Path, places: list[tuple[str, str]],
              only: str) -> Iterator[dict[str, Capture]]:
    """Captures what matches `only` (a pcap filter) on NODE, DEVICE pairs while the block runs."""
    folder.mkdir(parents=True, exist_ok=True)
    captures: dict[str, Capture] = {}
    with contextlib.ExitStack() as stack:
        for node, device in places:
            captures[node] = Capture(lab, node, device, only, folder)
            stack.callback(captures[node].stop)
        try:
            yield captures
        finally:
            # Let the last packets arrive and be written.
            time.sleep(0.15)
            for capture in captures.values():
                capture.settle()


def tshark(file: Path, inner_target: str) -> str:
    """tshark's words on the first packet to a host in a capture: its source and destination
    addresses and protocols, outer and inner."""
    six = ":" in inner_target
    prefix = "ipv6" if six else "ip"
    fields = [f"{prefix}.src", f"{prefix}.dst", f"{prefix}.nxt" if six else "ip.proto", "ip.len"]
    if six:
        fields[3] = "ipv6.plen"
    words = ["tshark", "-r", str(file), "-Y", f"{prefix}.dst == {inner_target}", "-c", "1000",
             "-T", "fields", "-E", "header=y", "-E", "occurrence=a", "-E", "aggregator=,"]
    for name in fields:
        words += ["-e", name]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    lines = [line.replace("\t", "  ") for line in done.stdout.splitlines()[:2]]
    return "\n".join(lines)
