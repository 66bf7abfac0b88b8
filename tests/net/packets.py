"""Packets on real links, for tests: sent from a namespace, captured in one."""
from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from scapy.packet import Packet
from scapy.utils import rdpcap, wrpcap

if TYPE_CHECKING:
    from network import Namespace

# Sends what a capture file holds, one IP packet after another, as they are.
SEND = """
import sys
from scapy.all import IP, IPv6, L3RawSocket, L3RawSocket6, rdpcap, conf, send
conf.verb = 0
for packet in rdpcap(sys.argv[1]):
    send(IPv6(bytes(packet)) if bytes(packet)[0] >> 4 == 6 else IP(bytes(packet)))
"""


def send(place: Namespace, packets: Iterable[Packet], folder: Path) -> None:
    """Sends IP packets from a namespace, by its routes."""
    path = folder / f"send-{time.monotonic_ns()}.pcap"
    wrpcap(str(path), list(packets), linktype=101)  # 101: raw IP
    place.run("/usr/bin/python3", "-c", SEND, path)


class Capture:
    """What a device in a namespace sends and receives, while the `with` lasts."""

    def __init__(self, place: Namespace, device: str, words: str, folder: Path) -> None:
        self.path = folder / f"capture-{time.monotonic_ns()}.pcap"
        self.command = place.command("tcpdump", "-i", device, "-U", "-nn", "-Z", "root",
                                     "--immediate-mode", "-w", self.path, *words.split())

    def __enter__(self) -> Capture:
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        assert "listening" in self.process.stderr.readline()
        return self

    def __exit__(self, *failure: object) -> None:
        self.process.terminate()
        self.process.communicate(timeout=20)

    def packets(self) -> list[Packet]:
        """What was seen until now."""
        if not self.path.exists() or self.path.stat().st_size < 24:
            return []
        try:
            return list(rdpcap(str(self.path)))
        except EOFError:  # the last packet is being written
            return []
