"""When things happened, as captured packets tell; nanoseconds since 1970."""

from __future__ import annotations

from .capture import TCP, Packet
from .report import NotHeld
from .tools import Command


def acknowledged_ns(packets: list[Packet], server: str, command: Command) -> int:
    """When the answer to a command arrived: the last segment with payload from the RUAS."""
    times = [packet.time_ns for packet in packets
             if packet.inner.source == server and packet.inner.protocol == TCP
             and packet.tcp_payload > 0 and command.begin_ns <= packet.time_ns <= command.end_ns]
    if not times:
        raise NotHeld(f"no answer to {command} was captured")
    return times[-1]


def commanded_ns(packets: list[Packet], server: str, command: Command) -> int:
    """When the first packet of a command left."""
    times = [packet.time_ns for packet in packets if packet.inner.target == server
             and command.begin_ns <= packet.time_ns <= command.end_ns]
    if not times:
        raise NotHeld(f"{command} was not captured")
    return times[0]


def first_through(packets: list[Packet], source: str, etr: str, after_ns: int,
                  target: str | None = None) -> int:
    """The first packet of a host, to one target or any, that came by an ETR after some time."""
    for packet in packets:
        if packet.time_ns > after_ns and packet.tunnelled and packet.inner.source == source \
                and packet.outer.target == etr and target in (None, packet.inner.target):
            return packet.time_ns
    raise NotHeld(f"no packet from {source} came through {etr}")


def lost_requests(sent: list[Packet], arrived: list[Packet], source: str, target: str) -> int:
    """Echo requests that left a host and never arrived. ping numbers them modulo 65,536; no flood
    here is that long."""
    def numbers(packets: list[Packet]) -> set[int | None]:
        return {packet.echo for packet in packets if packet.echo is not None
                and packet.inner.source == source and packet.inner.target == target}

    left = numbers(sent)
    if not left:
        raise NotHeld(f"no packet from {source} was captured")
    return len(left - numbers(arrived))
