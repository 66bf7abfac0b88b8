"""A topology: networks, nodes, links, and who uses what space.

It holds only what cannot be derived; plan.py derives the rest. topology_file.py reads it.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field, replace
from pathlib import Path

Prefix = ipaddress.IPv4Network | ipaddress.IPv6Network


def inside(inner: Prefix, outers: tuple[Prefix, ...]) -> bool:
    return any(inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]
               for outer in outers)


@dataclass(frozen=True)
class Spi:
    """Scalable PI space in use somewhere: its ranges, the ETRs that deliver to it, whose it is."""

    prefixes: tuple[Prefix, ...]
    etrs: tuple[str, ...]
    owner: str


@dataclass(frozen=True)
class Network:
    name: str
    number: int               # 1 for the first in the file; addresses come from it
    asn: int | None           # autonomous system; None: no BGP of its own
    transit: bool             # passes on what its neighbours announce
    spi: Spi | None           # an end-user network, numbered from this space


@dataclass(frozen=True)
class Role:
    """What a node does, with the options that the role has."""

    ditr: bool = False            # itr: announces its MABs to other networks too
    domain: str = ""              # itr, qsc: where DNS lists whom it asks
    mabs: tuple[Prefix, ...] = ()  # itr: takes packets of these alone


@dataclass(frozen=True)
class Dsoc:
    """An operator of DITR sites: whose MABs are served there, and in which networks."""

    name: str
    ruas: str                 # the node that owns the MABs
    mabs: tuple[Prefix, ...]
    sites: tuple[str, ...]    # networks: their QSAs hold these MABs, their DITRs announce them
    usage_every: str          # how often its DITRs report usage to the RUAS; "": never


@dataclass(frozen=True)
class Node:
    name: str
    network: str
    number: int               # 1 for the first node of its network
    bgp: bool
    spi: Spi | None           # a host with SPI addresses alone
    roles: dict[str, Role] = field(default_factory=dict)

    @property
    def is_ditr(self) -> bool:
        return "itr" in self.roles and self.roles["itr"].ditr

    @property
    def ivip_roles(self) -> dict[str, Role]:
        """What the Ivip daemon of the node does."""
        return {name: role for name, role in self.roles.items() if name != "dns"}


@dataclass(frozen=True)
class Link:
    a: str
    b: str
    delay_us: int = 0         # each way
    jitter_us: int = 0        # at most so much more or less
    loss_ppm: int = 0         # packets lost in a million
    rate_bps: int = 0         # bits a second; 0: as fast as it goes
    mtu: int = 1500

    @property
    def shaped(self) -> bool:
        return bool(self.delay_us or self.jitter_us or self.loss_ppm or self.rate_bps)

    def other(self, name: str) -> str:
        return self.b if name == self.a else self.a


@dataclass(frozen=True)
class Topology:
    name: str
    file: Path
    about: str
    networks: dict[str, Network]
    nodes: dict[str, Node]
    links: tuple[Link, ...]
    dsocs: dict[str, Dsoc]
    domain: str                          # where DNS lists all MABs and their QSAs; "": nowhere
    domains: dict[str, dict[str, tuple[str, ...]]]  # those of networks: query servers by the role
                                                    # they are listed for, preferred ones first
    users: dict[str, tuple[Prefix, ...]]

    @property
    def mabs(self) -> tuple[Prefix, ...]:
        return tuple(mab for dsoc in self.dsocs.values() for mab in dsoc.mabs)

    def dsocs_at(self, network: str) -> list[Dsoc]:
        """Those that have a site there."""
        return [dsoc for dsoc in self.dsocs.values() if network in dsoc.sites]

    def without_ivip(self) -> Topology:
        """The same network with routing alone: no roles anywhere."""
        nodes = {name: replace(node, roles={}) for name, node in self.nodes.items()}
        return replace(self, nodes=nodes)

    def links_of(self, name: str) -> list[Link]:
        return [link for link in self.links if name in (link.a, link.b)]

    def with_role(self, role: str) -> list[Node]:
        return [node for node in self.nodes.values() if role in node.roles]

    def is_border(self, node: Node) -> bool:
        """A BGP speaker with a BGP neighbour in another network."""
        return node.bgp and any(
            other.bgp and other.network != node.network
            for other in (self.nodes[link.other(node.name)] for link in self.links_of(node.name)))

    def spi_uses(self) -> list[tuple[str, Spi]]:
        """Every piece of SPI space in use, with the network or node that uses it."""
        users: list[Network | Node] = [*self.networks.values(), *self.nodes.values()]
        return [(user.name, user.spi) for user in users if user.spi]
