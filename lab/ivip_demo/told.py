"""Who is told of changes: Cache Updates as they arrive at those who asked, and the counters of both
sides."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterator

from ivip_lab.ports import PORT_QUERY

from . import tools
from .capture import Capture, Packet, capturing
from .demo import Demo

# docs/protocol.md, "Query protocol": where things are in a message.
MAGIC = b"Iv"
TYPE_AT = 3
FAMILY_AT = 41
FIRST_UNIT_AT = 48
MAP_REQUEST, CACHE_UPDATE = 1, 5
ROLES = {"itr": "itr", "qsr": "qsr", "qsc": "qsr"}  # role in the topology: as counters name it


def queriers(demo: Demo) -> list[str]:
    """Every node that asks others."""
    return [node.name for node in demo.lab.topology.nodes.values()
            if node.roles.keys() & ROLES.keys() and "qsa" not in node.roles]


def message_type(packet: Packet) -> int | None:
    data = packet.udp_payload
    return data[TYPE_AT] if data[:2] == MAGIC and len(data) > TYPE_AT else None


def update_of(packet: Packet, micronet: str) -> bool:
    """True for a Cache Update about a range that begins in the micronet."""
    data = packet.udp_payload
    prefix = ipaddress.ip_network(micronet)
    if message_type(packet) != CACHE_UPDATE or len(data) < FIRST_UNIT_AT + 8 \
            or data[FAMILY_AT] != prefix.version:
        return False
    unit = int.from_bytes(data[FIRST_UNIT_AT:FIRST_UNIT_AT + 8])
    address = ipaddress.IPv4Address(unit) if prefix.version == 4 else ipaddress.IPv6Address(unit << 64)
    return address in prefix


class Told:
    """The query messages that arrive at every node that asks."""

    def __init__(self, demo: Demo, got: dict[str, Capture]) -> None:
        self._demo = demo
        self._got = got
        self._own = {name: {str(address) for address in plan.addresses.values()}
                     for name, plan in demo.lab.plan.nodes.items()}

    def updates(self, node: str, micronet: str | None = None) -> int:
        """Cache Updates that arrived at a node; about one micronet, or all."""
        return sum(packet.outer.target in self._own[node]
                   and (message_type(packet) == CACHE_UPDATE if micronet is None
                        else update_of(packet, micronet))
                   for packet in self._got[node].packets)

    def tellers(self, node: str, micronet: str) -> set[str]:
        """The servers that told a node of changes of a micronet."""
        return {name for packet in self._got[node].packets
                if packet.outer.target in self._own[node] and update_of(packet, micronet)
                for name, own in self._own.items() if packet.outer.source in own}

    def ports(self, node: str) -> set[int]:
        """Those that a node asked from."""
        return {packet.source_port for packet in self._got[node].packets
                if message_type(packet) == MAP_REQUEST and packet.outer.source in self._own[node]}

    def requests(self, node: str, server: str) -> int:
        """Map Requests from a node to a server."""
        return sum(message_type(packet) == MAP_REQUEST and packet.outer.source in self._own[node]
                   and packet.outer.target in self._own[server]
                   for packet in self._got[node].packets)


@contextlib.contextmanager
def listening(demo: Demo, title: str, nodes: list[str] | None = None) -> Iterator[Told]:
    """Captures query messages at these nodes, or at all that ask, during the block."""
    places = [(node, "any") for node in nodes or queriers(demo)]
    with capturing(demo.lab, demo.folder / title, places, f"udp port {PORT_QUERY}") as got:
        yield Told(demo, got)


def counted_updates(demo: Demo, node: str) -> float:
    """Cache Updates that the daemon of a node says it took."""
    return tools.total(demo.lab, node, "ivip_querier_changed_total", cause="updated")
